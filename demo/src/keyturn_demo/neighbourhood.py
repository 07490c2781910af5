"""A generated neighbourhood: who lives there, through which door they come, and what befalls them.

Pure and seeded: the same seed, size, run and opening day give the same neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from random import Random
from typing import Final

from keyturn_demo.households import UNTOLD, Kind, choose_kind, compose, price_for
from keyturn_demo.people import SURNAMES, Person, Run, invent
from keyturn_events import Affordability, Household, Money
from keyturn_events.vocabulary import LeadChannel, ProductLine, Severity

MOST_HOUSEHOLDS: Final = 5_000
"""A run numbers its people with five digits, and a household sends up to four leads."""

COMMUNITIES: Final = ("lakeside", "orchard", "south-gate")
BUILDINGS: Final = 6
"""Buildings in each community."""


class Door(StrEnum):
    """How an input comes in."""

    API = "api"
    BATCH = "batch"
    PARTNER = "partner"
    FILE = "file"
    LEDGER = "sales ledger"


class Handling(StrEnum):
    """What the desk makes of a complaint."""

    PROMPT = "prompt"
    LATE = "late"
    """Left alone until its promises are broken."""
    REOPENED = "reopened"
    """The owner does not accept the first resolution."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One lead, before it is put into the form of its door."""

    reference: str
    """Unique to the run; the source's own reference of the lead."""
    door: Door
    channel: LeadChannel
    person: Person
    community_id: str
    day: int
    """Days after the opening day."""
    household: Household | None = None
    affordability: Affordability | None = None
    budget: Money | None = None
    product_line: ProductLine | None = None
    marketing: bool = True
    """Whether the person allows marketing messages."""
    referral_code: str | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """A household's purchase of a home."""

    reference: str
    home_id: str
    building: str
    community_id: str
    price: Money
    product_line: ProductLine
    door: Door
    rescinded: bool


@dataclass(frozen=True, slots=True)
class Snag:
    """A defect that is found at the first gate."""

    location: str
    component: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Grievance:
    """A complaint that the household will raise once it lives there."""

    reference: str
    category: str
    severity: Severity
    handling: Handling


@dataclass(frozen=True, slots=True)
class Family:
    """A household, and what befalls it."""

    number: int
    kind: Kind
    person: Person
    touches: tuple[Touch, ...]
    """The first brings the customer; the others are the same person through another door."""
    sale: Sale | None
    snag: Snag | None
    grievance: Grievance | None
    answers_survey: bool
    refers: bool
    """Whether the owner brings somebody."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Everybody, and the seed they came from."""

    run: Run
    seed: int
    opening: date
    families: tuple[Family, ...]

    @property
    def touches(self) -> list[Touch]:
        """All leads, in the order of their days."""
        return sorted(
            (touch for family in self.families for touch in family.touches),
            key=lambda touch: touch.day,
        )

    @property
    def buyers(self) -> list[Family]:
        """The families that buy."""
        return [family for family in self.families if family.sale is not None]


LEAD_DAYS: Final = 14
"""The leads come within two weeks of the opening day."""
BUYERS: Final = 0.45
DUPLICATES: Final = 0.18
"""Share of households that come again through another door."""
LEDGER_SALES: Final = 0.3
RESCISSIONS: Final = 0.06
SNAGS: Final = 0.35
GRIEVANCES: Final = 0.3
ANSWERS: Final = 0.6
REFERRERS: Final = 0.4

_CHANNELS: Final = {
    Door.API: (LeadChannel.WEB, LeadChannel.WALK_IN, LeadChannel.PHONE, LeadChannel.WECHAT),
    Door.BATCH: (LeadChannel.EVENT,),
    Door.PARTNER: (LeadChannel.PORTAL, LeadChannel.AGENCY),
    Door.FILE: (LeadChannel.FILE,),
}
_DOORS: Final = {Door.API: 40, Door.PARTNER: 25, Door.FILE: 20, Door.BATCH: 15}
_SNAGS: Final = (
    ("kitchen", "window-seal"), ("bathroom-2", "floor-drain"), ("living-room", "floor-screed"),
    ("balcony", "railing"), ("bedroom-1", "wall-finish"),
)  # fmt: skip
_CATEGORIES: Final = (
    "quality.leak", "quality.finishes", "service.conduct", "environment.noise", "handover.delay",
)  # fmt: skip


def generate(
    households: int, *, seed: int, run: Run, opening: date, first_person: int = 0
) -> Neighbourhood:
    """A neighbourhood of so many households.

    Raises ValueError when that is less than 1 or more than `MOST_HOUSEHOLDS`.
    """
    if not 1 <= households <= MOST_HOUSEHOLDS:
        raise ValueError(f"N should be a number of households from 1 to {MOST_HOUSEHOLDS}")
    # Seeded: a neighbourhood is to come again, and is no secret.
    rng = Random(f"{seed}/{first_person}")  # noqa: S311
    families = tuple(
        _family(rng, run, number, opening)
        for number in range(first_person, first_person + households)
    )
    return Neighbourhood(run, seed, opening, families)


def home_of(run: Run, number: int) -> tuple[str, str, str]:
    """The home kept for a household: community, building and home id."""
    community = COMMUNITIES[number % len(COMMUNITIES)]
    building = f"{community}-{run.tag}-b{number // len(COMMUNITIES) % BUILDINGS + 1}"
    return community, building, f"{community}-{run.tag}-{number:05d}"


def _family(rng: Random, run: Run, number: int, opening: date) -> Family:
    kind = choose_kind(rng)
    person = invent(rng, run, number, rng.choice(SURNAMES))
    household, affordability = compose(rng, kind, f"{run.tag}-h{number:05d}", opening)
    tells = rng.random() >= UNTOLD
    price = price_for(rng, affordability)
    community, building, home_id = home_of(run, number)
    first = Touch(
        reference=f"{run.tag}-l{number:05d}",
        door=rng.choices(list(_DOORS), list(_DOORS.values()))[0],
        channel=LeadChannel.WEB,
        person=person,
        community_id=community,
        day=rng.randrange(LEAD_DAYS),
        household=household if tells else None,
        affordability=affordability if tells else None,
        budget=price,
        product_line=kind.product_line,
        marketing=rng.random() < 0.8,
    )
    touches = [replace(first, channel=rng.choice(_CHANNELS[first.door]))]
    if rng.random() < DUPLICATES:
        touches.append(_again(rng, first))
    buys = rng.random() < BUYERS
    sale = Sale(
        reference=f"{run.tag}-s{number:05d}",
        home_id=home_id,
        building=building,
        community_id=community,
        price=price,
        product_line=kind.product_line,
        door=Door.LEDGER if rng.random() < LEDGER_SALES else Door.API,
        rescinded=rng.random() < RESCISSIONS,
    )
    snag, grievance = _snag(rng), _grievance(rng, run, number)
    answers, refers = rng.random() < ANSWERS, rng.random() < REFERRERS
    stays = buys and not sale.rescinded
    return Family(
        number=number,
        kind=kind,
        person=person,
        touches=tuple(touches),
        sale=sale if buys else None,
        snag=snag if stays else None,
        grievance=grievance if stays else None,
        answers_survey=stays and answers,
        refers=stays and refers,
    )


def _again(rng: Random, first: Touch) -> Touch:
    """The same person some days later, by another door, written a little differently."""
    door = rng.choice([door for door in _DOORS if door is not first.door])
    person = first.person
    spelled = Person(
        reference=person.reference,
        name=person.name,
        phone=None if person.phone is None else f"+86 {person.phone[:3]} {person.phone[3:]}",
        email=None if person.email is None else person.email.upper(),
        language=person.language,
    )
    return Touch(
        reference=f"{first.reference}-2",
        door=door,
        channel=rng.choice(_CHANNELS[door]),
        person=spelled,
        community_id=first.community_id,
        day=min(first.day + rng.randint(1, 5), LEAD_DAYS),
        marketing=first.marketing,
    )


def _snag(rng: Random) -> Snag | None:
    if rng.random() >= SNAGS:
        return None
    location, component = rng.choice(_SNAGS)
    severity = rng.choices(list(Severity), [3, 4, 3])[0]
    return Snag(location, component, severity)


def _grievance(rng: Random, run: Run, number: int) -> Grievance | None:
    if rng.random() >= GRIEVANCES:
        return None
    return Grievance(
        reference=f"{run.tag}-c{number:05d}",
        category=rng.choice(_CATEGORIES),
        severity=rng.choices(list(Severity), [1, 3, 6])[0],
        handling=rng.choices(list(Handling), [6, 2, 2])[0],
    )

"""Kinds of household in a neighbourhood, and what each looks like.

One kind for each of the life-cycle segments that the builder knows, so that a neighbourhood has
all of them; which segment a household really falls into is for segmentation to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from keyturn_events import Affordability, Household, HouseholdMember, Money
from keyturn_events.vocabulary import Incomes, MaritalStatus, ProductLine, Relationship

CURRENCY: Final = "CNY"


@dataclass(frozen=True, slots=True)
class Kind:
    """What households of one kind have in common. Money in thousands of yuan."""

    code: str
    weight: int
    age: tuple[int, int]
    marital: MaritalStatus
    incomes: Incomes
    homes_owned: tuple[int, int]
    yearly_income: tuple[int, int]
    down_payment: tuple[int, int]
    product_line: ProductLine
    child_ages: tuple[int, int] | None = None
    relocating: bool = False

    @property
    def couple(self) -> bool:
        """Whether the customer lives as one of a couple."""
        return self.marital in (MaritalStatus.MARRIED, MaritalStatus.COHABITING)


FIRST, UP, UP_AGAIN, ADULT = (
    ProductLine.FIRST_HOME,
    ProductLine.FIRST_MOVE_UP,
    ProductLine.SECOND_MOVE_UP,
    ProductLine.ACTIVE_ADULT,
)
SINGLE, MARRIED, DIVORCED = MaritalStatus.SINGLE, MaritalStatus.MARRIED, MaritalStatus.DIVORCED
ONE, TWO = Incomes.SINGLE, Incomes.DUAL

KINDS: Final = (
    Kind("first-time-buyer", 18, (23, 33), SINGLE, ONE, (0, 0), (150, 320), (350, 800), FIRST),
    Kind("relocating", 5, (28, 45), SINGLE, ONE, (1, 1), (300, 600), (600, 1500), UP,
         relocating=True),
    Kind("established-single", 7, (34, 50), SINGLE, ONE, (1, 2), (260, 520), (600, 1400), UP),
    Kind("single-income-couple", 6, (27, 40), MARRIED, ONE, (1, 1), (180, 300), (400, 800), FIRST),
    Kind("dual-income-couple", 11, (27, 42), MARRIED, TWO, (1, 1), (420, 800), (900, 2000), UP),
    Kind("couple-with-infant", 13, (27, 38), MARRIED, TWO, (1, 1), (240, 460), (500, 1100), UP,
         child_ages=(0, 2)),
    Kind("single-parent", 5, (32, 48), DIVORCED, ONE, (1, 1), (220, 420), (500, 1000), FIRST,
         child_ages=(4, 16)),
    Kind("established-family", 15, (36, 50), MARRIED, TWO, (1, 2), (380, 700), (900, 1800),
         UP_AGAIN, child_ages=(6, 16)),
    Kind("affluent-family", 6, (38, 54), MARRIED, TWO, (2, 3), (1200, 2800), (3000, 8000),
         UP_AGAIN, child_ages=(8, 17)),
    Kind("empty-nester", 8, (48, 54), MARRIED, TWO, (1, 2), (380, 800), (1200, 3000), UP_AGAIN,
         child_ages=(20, 26)),
    Kind("active-adult", 6, (60, 70), MARRIED, ONE, (1, 2), (160, 360), (1200, 3000), ADULT),
)  # fmt: skip
"""The eleven kinds, with the weights by which a neighbourhood draws them."""

UNTOLD: Final = 0.06
"""Share of households that tell nothing about themselves."""


def choose_kind(rng: Random) -> Kind:
    """A kind, by weight."""
    return rng.choices(KINDS, [kind.weight for kind in KINDS])[0]


def compose(
    rng: Random, kind: Kind, household_id: str, today: date
) -> tuple[Household, Affordability]:
    """A household of a kind: its members with their birth dates, and what it can pay."""
    age = rng.randint(*kind.age)
    members = [HouseholdMember(relationship=Relationship.SELF, birth_date=_born(rng, age, today))]
    if kind.couple:
        partner = max(22, age + rng.randint(-4, 2))
        members.append(
            HouseholdMember(
                relationship=Relationship.PARTNER, birth_date=_born(rng, partner, today)
            )
        )
    if kind.child_ages is not None:
        for _ in range(rng.choice((1, 1, 2))):
            child = min(rng.randint(*kind.child_ages), age - 22)
            members.append(
                HouseholdMember(
                    relationship=Relationship.CHILD, birth_date=_born(rng, child, today)
                )
            )
    household = Household(
        household_id=household_id,
        members=tuple(members),
        marital_status=kind.marital,
        incomes=kind.incomes,
        relocating=kind.relocating,
        homes_owned=rng.randint(*kind.homes_owned),
    )
    income = rng.randint(*kind.yearly_income)
    affordability = Affordability(
        annual_income=thousands(income),
        monthly_debts=thousands(rng.randint(0, max(1, income // 120))),
        down_payment=thousands(rng.randint(*kind.down_payment)),
    )
    return household, affordability


def price_for(rng: Random, affordability: Affordability) -> Money:
    """A price that the household can reach: its savings, and a loan of some yearly incomes."""
    income = affordability.annual_income or thousands(250)
    savings = affordability.down_payment or thousands(500)
    reach = savings.amount + income.amount * Decimal(rng.choice(("3.0", "3.5", "4.0")))
    return Money(amount=(reach // 10_000) * 10_000, currency=CURRENCY)


def thousands(amount: int) -> Money:
    """An amount of thousands of yuan."""
    return Money(amount=Decimal(amount * 1_000), currency=CURRENCY)


def _born(rng: Random, age: int, today: date) -> date:
    """A birth date that makes somebody `age` years old today."""
    return today - timedelta(days=int(age * 365.25) + rng.randint(5, 355))

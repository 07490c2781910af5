"""The profile 客户360 of a person, read from the facts. It decides nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from keyturn_events.values import Affordability, Household, Money
from keyturn_events.vocabulary import PointsState, PurchaseStage
from segmentation.domain.facts import Fact, Facts, Json, stamped_at
from segmentation.domain.models import Labels
from segmentation.domain.people import MERGE, UNMERGE
from segmentation.domain.standing import last_active
from segmentation.domain.telling import WITHDRAWN


class JourneyStage(StrEnum):
    """How far a person has come on the journey; each stage includes those before."""

    LEAD = "lead"
    PURCHASE = "purchase"
    CONSTRUCTION = "construction"
    HANDOVER = "handover"
    LIVING = "living"
    REFERRAL_AND_RETURN = "referral-and-return"


STAGE_LABELS: Final[Mapping[JourneyStage, Labels]] = {
    JourneyStage.LEAD: Labels("Lead", "线索"),
    JourneyStage.PURCHASE: Labels("Purchase", "购买"),
    JourneyStage.CONSTRUCTION: Labels("Construction", "建设"),
    JourneyStage.HANDOVER: Labels("Handover", "交付"),
    JourneyStage.LIVING: Labels("Living", "居住"),
    JourneyStage.REFERRAL_AND_RETURN: Labels("Referral and return", "推荐与再购"),
}


@dataclass(frozen=True, slots=True)
class Lead:
    """One interest in one community."""

    lead_id: str
    stage: str
    channel: str | None
    community_id: str | None
    score: int | None
    advisor_id: str | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """One claim on one home. `since` is the day of its latest step."""

    purchase_id: str
    stage: PurchaseStage
    home_id: str
    community_id: str
    price: Money | None
    since: str
    expected_completion: str | None

    @property
    def owned(self) -> bool:
        """Whether the contract is signed and holds."""
        return self.stage in (PurchaseStage.SIGNED, PurchaseStage.PAID)


@dataclass(frozen=True, slots=True)
class Handover:
    """The handover of one home: `planned`, `under-way`, `completed` or `cancelled`."""

    handover_id: str
    status: str
    home_id: str | None
    handover_on: str | None
    gates_passed: Sequence[str]
    late: bool | None


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint case, as it stands."""

    case_id: str
    status: str
    category: str
    severity: str
    late: bool | None


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """The latest answers at one touchpoint, on the scale 0 to 10."""

    touchpoint: str
    at: datetime
    satisfaction: int | None
    recommend: int | None
    rebuy: int | None


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person allows on one channel for one purpose."""

    channel: str
    purpose: str
    status: str
    basis: str
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Club:
    """Membership of the club 万客会. Balances are the sums of the ledger's entries."""

    member_id: str | None
    tier: str | None
    points: int
    pending_points: int


@dataclass(frozen=True, slots=True)
class Referral:
    """One recommendation: `accepted`, `refused`, `rewarded` or `clawed-back`."""

    referral_id: str
    status: str
    referred_customer_id: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is known of a person, without contact details. `known_as` are all their ids."""

    customer_id: str
    known_as: Sequence[str]
    stage: JourneyStage
    stage_labels: Labels
    last_active_at: datetime | None
    language: str | None
    time_zone: str | None
    household: Household
    affordability: Affordability
    homes: Sequence[str]
    leads: Sequence[Lead]
    purchases: Sequence[Purchase]
    handovers: Sequence[Handover]
    open_defects: int
    complaints: Sequence[Complaint]
    crises: Sequence[str]
    satisfaction: Sequence[Satisfaction]
    consents: Sequence[Consent]
    club: Club
    referral_codes: Sequence[str]
    referrals: Sequence[Referral]
    merges: Sequence[str]


def profile_of(customer_id: str, known_as: Sequence[str], facts: Facts) -> Profile:
    """The profile of the person known as `customer_id`, from what is known under all their ids."""
    purchases = _purchases(facts)
    handovers = _handovers(facts)
    referrals = _referrals(facts)
    stage = _stage(purchases, handovers, referrals)
    return Profile(
        customer_id=customer_id,
        known_as=known_as,
        stage=stage,
        stage_labels=STAGE_LABELS[stage],
        last_active_at=last_active(facts),
        language=_value(facts, "language"),
        time_zone=_value(facts, "time_zone"),
        household=Household.model_validate(_value(facts, "household") or {}),
        affordability=Affordability.model_validate(_value(facts, "affordability") or {}),
        homes=sorted({purchase.home_id for purchase in purchases if purchase.owned}),
        leads=_leads(facts),
        purchases=purchases,
        handovers=handovers,
        open_defects=_open_defects(facts),
        complaints=_complaints(facts),
        crises=sorted(
            id for id, told in _grouped(facts, "crisis/").items() if told[""][1] == "declared"
        ),
        satisfaction=_satisfaction(facts),
        consents=_consents(facts),
        club=_club(facts),
        referral_codes=sorted(_grouped(facts, "referral-code/")),
        referrals=referrals,
        merges=sorted(set(_grouped(facts, MERGE)) - set(_grouped(facts, UNMERGE))),
    )


def _value(facts: Facts, name: str) -> Json:
    return facts[name][1] if name in facts else None


def _grouped(facts: Facts, prefix: str) -> dict[str, dict[str, Fact]]:
    """Facts of the form `<prefix><id>/<rest>` by id, then by rest, the ids in order."""
    groups: dict[str, dict[str, Fact]] = defaultdict(dict)
    for name in sorted(facts):
        if name.startswith(prefix):
            id, _, rest = name.removeprefix(prefix).partition("/")
            groups[id][rest] = facts[name]
    return groups


def _leads(facts: Facts) -> list[Lead]:
    leads = []
    for lead_id, told in _grouped(facts, "lead/").items():
        if WITHDRAWN in told:
            continue
        captured = _value(told, "captured") or {}
        leads.append(
            Lead(
                lead_id=lead_id,
                stage=_value(told, "stage") or "new",
                channel=captured.get("channel"),
                community_id=captured.get("community_id"),
                score=_value(told, "score"),
                advisor_id=_advisor(told),
            )
        )
    return leads


def _advisor(told: Mapping[str, Fact]) -> str | None:
    """Who has a lead: whom it was given to last, unless it was taken from just that advisor since.

    A lead that goes from one to the other is released and given in the same moment.
    """
    advisor, released = told.get("advisor"), told.get("released")
    if advisor is None or (
        released is not None and released[1] == advisor[1] and released[0] > advisor[0]
    ):
        return None
    found: str | None = advisor[1]
    return found


_LATEST_FIRST: Final = (
    PurchaseStage.RESCINDED,
    PurchaseStage.PAID,
    PurchaseStage.SIGNED,
    PurchaseStage.SUBSCRIBED,
    PurchaseStage.RESERVED,
)


def _purchases(facts: Facts) -> list[Purchase]:
    purchases = []
    for purchase_id, told in _grouped(facts, "purchase/").items():
        stage = next((stage for stage in _LATEST_FIRST if stage in told), None)
        if stage is None:
            continue
        step = told[stage][1]
        purchases.append(
            Purchase(
                purchase_id=purchase_id,
                stage=stage,
                home_id=step["home_id"],
                community_id=step["community_id"],
                price=None if step["price"] is None else Money.model_validate(step["price"]),
                since=step["on"],
                expected_completion=_value(told, "completion"),
            )
        )
    return purchases


def _handovers(facts: Facts) -> list[Handover]:
    handovers = []
    for handover_id, told in _grouped(facts, "handover/").items():
        planned = _value(told, "planned") or {}
        completed = _value(told, "completed") or {}
        gates = [name.removeprefix("gate/") for name in told if name.startswith("gate/")]
        handovers.append(
            Handover(
                handover_id=handover_id,
                status=_handover_status(told, gates),
                home_id=planned.get("home_id") or completed.get("home_id"),
                handover_on=completed.get("on") or _value(told, "day"),
                gates_passed=gates,
                late=completed.get("late"),
            )
        )
    return handovers


def _handover_status(told: Facts, gates: Sequence[str]) -> str:
    if "completed" in told:
        return "completed"
    if "cancelled" in told:
        return "cancelled"
    return "under-way" if gates else "planned"


def _open_defects(facts: Facts) -> int:
    return sum("rectified" not in told for told in _grouped(facts, "defect/").values())


def _complaints(facts: Facts) -> list[Complaint]:
    return [
        Complaint(
            case_id=case_id,
            status=told[""][1]["status"],
            category=told[""][1]["category"],
            severity=told[""][1]["severity"],
            late=_value(facts, f"complaint-late/{case_id}"),
        )
        for case_id, told in _grouped(facts, "complaint/").items()
    ]


def _satisfaction(facts: Facts) -> list[Satisfaction]:
    return [
        Satisfaction(touchpoint=touchpoint, at=stamped_at(told[""][0]), **told[""][1])
        for touchpoint, told in _grouped(facts, "survey/").items()
    ]


def _consents(facts: Facts) -> list[Consent]:
    return [
        Consent(channel=channel, purpose=purpose, **fact[1])
        for channel, told in _grouped(facts, "consent/").items()
        for purpose, fact in told.items()
    ]


def _club(facts: Facts) -> Club:
    entries = [told[""][1] for told in _grouped(facts, "points/").values()]
    active = [entry for entry in entries if entry["state"] == PointsState.ACTIVE]
    activated = {entry["lot_id"] for entry in active if entry["points"] > 0} - {None}
    return Club(
        member_id=_value(facts, "member"),
        tier=_value(facts, "tier"),
        points=sum(entry["points"] for entry in active),
        pending_points=sum(
            entry["points"]
            for entry in entries
            if entry["state"] == PointsState.PENDING and entry["lot_id"] not in activated
        ),
    )


def _referrals(facts: Facts) -> list[Referral]:
    referrals = []
    for referral_id, told in _grouped(facts, "referral/").items():
        verdict, referred_id = _value(told, "verdict") or ("accepted", None)
        status = next((step for step in ("clawed-back", "rewarded") if step in told), verdict)
        referrals.append(Referral(referral_id, status, referred_id))
    return referrals


def _stage(
    purchases: Sequence[Purchase], handovers: Sequence[Handover], referrals: Sequence[Referral]
) -> JourneyStage:
    owned = [purchase for purchase in purchases if purchase.owned]
    statuses = {handover.status for handover in handovers}
    claims = [p for p in purchases if p.stage is not PurchaseStage.RESCINDED]
    recommends = any(referral.status in ("accepted", "rewarded") for referral in referrals)
    if owned and "completed" in statuses:
        again = recommends or len(claims) > 1
        return JourneyStage.REFERRAL_AND_RETURN if again else JourneyStage.LIVING
    if owned:
        return JourneyStage.HANDOVER if "under-way" in statuses else JourneyStage.CONSTRUCTION
    return JourneyStage.PURCHASE if claims else JourneyStage.LEAD

"""Undoing an import: what each of its rows did is taken back, the last row first.

A customer whom only this import knows, and a lead that only it opened, are withdrawn; what a row
changed of a customer or lead that was known before becomes what it was, unless it was changed
since. Touches are facts and stay, marked as withdrawn. Nothing is told of what a row never did, and
a row that is taken back twice is taken back once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.consent.consents import consent_changed, differences
from intake.domain.dossier import Dossier
from intake.domain.imports.restoring import Restored, restore
from intake.domain.leads import leads
from intake.domain.leads.lead_ownership import take
from intake.domain.leads.leads import Lead, LeadStatus, LeadStep
from intake.domain.leads.ownership import Fact
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer, Facts, learn, updated
from intake.domain.people.identity import Identifier
from intake.domain.scoring import scoring
from keyturn_events.event import Event
from keyturn_events.intake import ContactErased, CustomerWithdrawn
from keyturn_events.values import Affordability, Household
from keyturn_events.vocabulary import AssignmentReason, LeadStage

THROUGH_IMPORT: Final = "import"
"""Where consents were collected that came with a file."""
CONTACT: Final = (
    "name",
    "phones",
    "emails",
    "wechat",
    "references",
    "birth_date",
    "address",
    "national_ids",
)
"""What a person is named, reached and recognised by: it stays when they came again since."""
_LEAD_VALUES: Final = frozenset({"campaign", "referral_code", "product_line"})
"""The values of a lead that somebody would miss."""
NOT_RESTORED: Final = (
    "touches",
    "status",
    "stage",
    "loss_reason",
    "score",
    "advisor_id",
    "response_due",
    "owner",
    "protected_until",
    "facts",
    "facts_at",
)
"""Fields of a lead that follow from what happens on it; they are not put back as they were."""
_CLAIMED: Final = frozenset(leads.ORDER[leads.ORDER.index(LeadStage.RESERVED) :])


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What a row changed of somebody who was known before, each before and after."""

    customer: tuple[Customer, Customer] | None = None
    lead: tuple[Lead, Lead] | None = None
    claimed: tuple[Identifier, ...] = ()
    """Identifiers that belong to the customer since."""


@dataclass(frozen=True, slots=True)
class LaterTouch:
    """A touch of the customer after the row's, through another door or another import."""

    lead_id: str
    campaign: str | None = None
    referral_code: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SinceThen:
    """What happened after a row was imported, other than by its own import."""

    touches: tuple[LaterTouch, ...] = ()
    """In order."""
    handled: frozenset[str] = frozenset()
    """The leads of the customer on which somebody has ever worked; it is asked of leads only that
    the import opened."""
    bought: bool = False
    """Whether the customer has a purchase, a queue number or the like."""
    merged: bool = False

    @property
    def came_again(self) -> bool:
        """Whether the customer came again, whatever for."""
        return bool(self.touches)

    def came_for(self, lead: Lead) -> bool:
        """Whether the customer came again for this lead."""
        return any(touch.lead_id == lead.lead_id for touch in self.touches)


@dataclass(frozen=True, slots=True)
class TakeBackRow:
    """The command to take back one row that an import took."""

    import_id: str
    row_number: int
    customer_id: str
    lead_id: str
    touch_id: str
    created: bool
    """Whether the row registered the customer."""
    opened: bool
    """Whether it opened the lead."""


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What the taking back of a row looks at, and what it hands back."""

    row_number: int
    touch_id: str
    community: Community = ANY_COMMUNITY
    customer: Customer | None = None
    lead: Lead | None = None
    changes: RowChanges | None = None
    since: SinceThen = SinceThen()
    scorecard: scoring.Scorecard = scoring.BY_RULES
    """By what the lead is scored, without the touch."""

    freed: tuple[Identifier, ...] = ()
    """Identifiers that belong to nobody any more."""
    emptied: bool = False
    """Whether every identifier of the customer is free."""
    steps: tuple[LeadStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    """What was recorded of the lead's ownership."""
    withdrawn_at: datetime | None = None
    """When the touch was taken back."""
    gone: tuple[str, ...] = ()
    """What was taken back: customers, leads, touches and values, one entry each."""
    kept: tuple[str, ...] = ()
    """What stays and why, as `customers/came-again` or `values/name`."""


def changes_of(before: Dossier, after: Dossier) -> RowChanges | None:
    """What a capture changed of a customer who was known; None when it registered them."""
    customer, lead = after.customer, after.lead
    if customer is None or lead is None or not after.touches[0].joined:
        return None
    met = (*before.owners.values(), *(candidate.customer for candidate in before.candidates))
    known = next((each for each in met if each.customer_id == customer.customer_id), None)
    former = before.leads.get(customer.customer_id)
    return RowChanges(
        customer=None if known is None or known == customer else (known, customer),
        lead=None if former is None or former == lead else (former, lead),
        claimed=after.claimed,
    )


def opened(before: Dossier, after: Dossier) -> bool:
    """Whether the lead of a capture is one that it opened."""
    lead_id = after.touches[0].lead_id
    return all(lead.lead_id != lead_id for lead in before.leads.values())


def take_back(
    row: ImportedRow, command: TakeBackRow, occasion: Occasion
) -> tuple[ImportedRow, list[Event]]:
    """Take a row back as far as nothing happened since that needs it."""
    after = replace(row, withdrawn_at=occasion.at, gone=("touches",))
    lead_events: list[Event] = []
    if row.lead is not None and row.lead.status is not LeadStatus.WITHDRAWN:
        after, lead_events = (
            _without_lead(after, row.lead, command, occasion)
            if command.opened
            else _without_touch(after, row.lead, occasion)
        )
    customer_events: list[Event] = []
    if row.customer is not None and not row.customer.is_nobody:
        after, customer_events = (
            _without_customer(after, row.customer, command, occasion)
            if command.created
            else _without_values(after, row.customer)
        )
    lead, customer = after.lead, after.customer
    if lead is None or customer is None or lead.status not in (LeadStatus.OPEN, LeadStatus.LOST):
        return after, [*lead_events, *customer_events]
    lead, scored = scoring.score(lead, customer, row.scorecard)
    return replace(after, lead=lead), [*lead_events, *customer_events, *scored]


def _without_lead(
    row: ImportedRow, lead: Lead, command: TakeBackRow, occasion: Occasion
) -> tuple[ImportedRow, list[Event]]:
    """Withdraw the lead that the row opened."""
    reason = _first(
        ("bought", lead.stage in _CLAIMED),
        ("came-again", row.since.came_for(lead)),
        (
            "handled",
            lead.lead_id in row.since.handled
            or lead.stage is not LeadStage.NEW
            or lead.status is not LeadStatus.OPEN,
        ),
    )
    left = replace(lead, touches=max(0, lead.touches - 1))
    if reason is not None:
        return replace(row, lead=left, kept=(*row.kept, f"leads/{reason}")), []
    gone, step, event = leads.withdrawn(left, command.import_id, occasion)
    return replace(row, lead=gone, steps=(step,), gone=(*row.gone, "leads")), [event]


def _without_touch(
    row: ImportedRow, lead: Lead, occasion: Occasion
) -> tuple[ImportedRow, list[Event]]:
    """Take the touch from a lead that was there before, with what it changed."""
    left = replace(lead, touches=max(0, lead.touches - 1))
    if row.changes is None or row.changes.lead is None:
        return replace(row, lead=left), []
    before, after = row.changes.lead
    events: list[Event] = []
    steps: tuple[LeadStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    if (
        before.loss_reason is not None
        and before.status is LeadStatus.LOST
        and left.status is LeadStatus.OPEN
        and left.stage is after.stage
        and left.advisor_id == after.advisor_id
        and not row.since.came_for(lead)
    ):
        left, step, lost = leads.given_up(left, before.loss_reason, occasion)
        steps, events = (step,), [lost]
    if (
        before.advisor_id is None
        and after.advisor_id is not None
        and left.advisor_id == after.advisor_id
        and left.stage is after.stage
        and not row.since.came_for(lead)
    ):
        course = take(left, "import-undone", occasion)
        left, steps, facts = course.lead, steps + course.steps, course.facts
        events += course.events
    former = replace(after, **{name: getattr(before, name) for name in _restorable(before)})
    restored = restore(left, former, after)
    left = _refilled(restored.value, row.since.touches)
    row = replace(row, lead=left, steps=steps, facts=facts)
    return _noted(row, restored, _LEAD_VALUES), events


def _refilled(lead: Lead, touches: Sequence[LaterTouch]) -> Lead:
    """The lead with what later touches say where nothing is known any more."""
    for touch in touches:
        if touch.lead_id == lead.lead_id:
            lead = replace(
                lead,
                campaign=lead.campaign or touch.campaign,
                referral_code=lead.referral_code or touch.referral_code,
                product_line=lead.product_line or touch.answers.get("product_line"),
                budget_named=lead.budget_named or "budget" in touch.answers,
            )
    return lead


def _restorable(lead: Lead) -> list[str]:
    return [name for name in lead.__slots__ if name not in NOT_RESTORED]


def _without_customer(
    row: ImportedRow, customer: Customer, command: TakeBackRow, occasion: Occasion
) -> tuple[ImportedRow, list[Event]]:
    """Withdraw the customer whom the row registered."""
    since = row.since
    reason = _first(
        ("merged", since.merged or customer.merged_into is not None),
        ("bought", since.bought),
        ("came-again", since.came_again),
        ("handled", bool(since.handled)),
        ("consent-given", any(c.collected_through != THROUGH_IMPORT for c in customer.consents)),
    )
    if reason is not None:
        return replace(row, kept=(*row.kept, f"customers/{reason}")), []
    gone = Customer(
        customer_id=customer.customer_id,
        registered_at=customer.registered_at,
        withdrawn_at=occasion.at,
    )
    events: list[Event] = [
        CustomerWithdrawn(customer_id=customer.customer_id, import_id=command.import_id),
        ContactErased(customer_id=customer.customer_id),
    ]
    return replace(row, customer=gone, emptied=True, gone=(*row.gone, "customers")), events


def _without_values(row: ImportedRow, customer: Customer) -> tuple[ImportedRow, list[Event]]:
    """Take back what the row filled in of a customer who was known before."""
    changes = row.changes or RowChanges()
    keep = CONTACT if row.since.came_again else ()
    restored = Restored(customer)
    left = customer
    if changes.customer is not None:
        restored = restore(customer, *changes.customer, keep=keep)
        left = restored.value
        for touch in row.since.touches:
            left, _ = learn(left, _facts_in(touch.answers))
    events: list[Event] = []
    if left.facts != customer.facts:
        events.append(updated(customer, left))
    if left.contact_changed() != customer.contact_changed():
        events.append(left.contact_changed())
    events += [
        consent_changed(customer.customer_id, consent)
        for consent in differences(customer.consents, left.consents)
    ]
    freed = () if row.since.came_again else changes.claimed
    return _noted(replace(row, customer=left, freed=freed), restored), events


def _facts_in(answers: Mapping[str, Any]) -> Facts:
    """What the answers of a touch say of the customer."""
    return Facts(
        household=Household.model_validate(answers.get("household", {})),
        affordability=Affordability.model_validate(answers.get("affordability", {})),
        language=answers.get("language"),
        time_zone=answers.get("time_zone"),
    )


def _noted(
    row: ImportedRow, restored: Restored, counted: frozenset[str] | None = None
) -> ImportedRow:
    """The row with the values that went back, and those that stay; None counts all of them."""
    back = [name for name in restored.back if counted is None or name in counted]
    kept = [name for name in restored.kept if counted is None or name in counted]
    return replace(
        row,
        gone=(*row.gone, *("values" for _ in back)),
        kept=(*row.kept, *(f"values/{name}" for name in kept)),
    )


def worked_on(kind: str, reason: str) -> bool:
    """Whether a step of a lead was somebody's work, and not the running of time or of rules."""
    match kind:
        case "advanced" | "lost":
            return True
        case "assigned":
            return reason == AssignmentReason.MANUAL
        case "revived":
            return reason != leads.NEW_TOUCH
        case _:
            return False


def _first(*reasons: tuple[str, bool]) -> str | None:
    return next((reason for reason, holds in reasons if holds), None)

"""Erasure: a person asks to be forgotten, and what became of it is proved by receipts.

    open ── every receipt in ──► complete
      └──── 24 hours ──► overdue ── every receipt in ──► complete, late

Intake erases at once, in the transaction in which it tells the others, for every id that the person
has. Each of the others answers every id with a receipt. What the builder must keep, purchases and
what was paid on them, stays under ids from which nobody can read who it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from intake.domain.leads import leads
from intake.domain.leads.leads import Lead, LeadStep
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier
from intake.domain.people.merges import persons_records
from keyturn_events.campaigns import MessagesErased
from keyturn_events.erasure import ErasureReceipt
from keyturn_events.event import Event
from keyturn_events.intake import ContactErased, CustomerErased, ErasureCompleted
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.segmentation import ProfileErased
from keyturn_events.service_desk import CasesErased
from keyturn_events.values import ErasureCount
from keyturn_events.vocabulary import LossReason

RECEIPTS_WITHIN: Final = timedelta(hours=24)
"""How long the other services may take; then somebody has to look into it."""
SWEEP_AFTER: Final = timedelta(minutes=10)
"""When intake erases once more: what was being written at the moment of erasure is there by then.
No transaction lives that long."""

READERS: Final[Mapping[type[ErasureReceipt], str]] = {
    ProfileErased: "segmentation",
    CasesErased: "service-desk",
    MessagesErased: "campaigns",
}
"""The services whose receipts are waited for, by the type of their receipt."""


class LegalBasis(StrEnum):
    """Why a person must be forgotten: the grounds of GDPR, Article 17(1), and PIPL, Article 47."""

    NO_LONGER_NEEDED = "no-longer-needed"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    OBJECTION = "objection"
    UNLAWFUL = "unlawful"
    LEGAL_OBLIGATION = "legal-obligation"


class ErasureStatus(StrEnum):
    """Where an erasure stands."""

    OPEN = "open"
    OVERDUE = "overdue"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a service has erased what it held under one id."""

    service: str
    customer_id: str
    recorded_at: datetime | None = None
    """Real time at which the service wrote it down, for the record alone."""
    counts: tuple[ErasureCount, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person's erasure, with the receipts that have come."""

    erasure_id: str
    customer_id: str
    """The id under which it was asked for."""
    customer_ids: tuple[str, ...]
    """Every id of the person."""
    requested_at: datetime
    requested_by: str
    reason: str
    legal_basis: LegalBasis
    held: tuple[ErasureCount, ...] = ()
    """Intake's own receipt: what it held under all ids, and what was done with it."""
    receipts: tuple[Receipt, ...] = ()
    status: ErasureStatus = ErasureStatus.OPEN
    overdue_since: datetime | None = None
    completed_at: datetime | None = None
    swept: bool = False

    @property
    def due_at(self) -> datetime:
        """Until when every receipt should be in."""
        return self.requested_at + RECEIPTS_WITHIN

    @property
    def sweep_at(self) -> datetime:
        """When intake erases once more."""
        return self.requested_at + SWEEP_AFTER

    def missing(self, service: str) -> tuple[str, ...]:
        """The ids for which a service still owes its receipt."""
        given = {receipt.customer_id for receipt in self.receipts if receipt.service == service}
        return tuple(id for id in self.customer_ids if id not in given)


@dataclass(frozen=True, slots=True)
class EraseCustomer:
    """A person is to be forgotten, under every id."""

    customer_id: str
    by: str
    reason: str
    legal_basis: LegalBasis


@dataclass(frozen=True, slots=True)
class RemindReaders:
    """Those who owe a receipt are told of the erasure again."""

    erasure_id: str


@dataclass(frozen=True, slots=True)
class ErasureFile:
    """What a decision on an erasure looks at, and what it hands back."""

    erasure: Erasure | None = None
    customers: Mapping[str, Customer] = field(default_factory=dict)
    """Everybody linked with the customer in question, by id."""
    leads: tuple[Lead, ...] = ()
    """Their open leads; afterwards the same, closed."""
    identifiers: tuple[Identifier, ...] = ()
    """What belongs to them; afterwards what nobody may bring back."""
    held: tuple[ErasureCount, ...] = ()
    """What the store holds on them."""
    steps: tuple[LeadStep, ...] = ()
    planned: bool = False
    """Whether `erasure` is only what it would be."""


def plan(
    file: ErasureFile, command: EraseCustomer, occasion: Occasion
) -> tuple[ErasureFile, list[Event]]:
    """The erasure as it would be; nothing is handed back to be kept, and nobody is told.

    Raises `Refusal` `customer-not-found`.
    """
    if file.erasure is not None:
        return file, []
    return ErasureFile(erasure=_erasure(file, command, occasion), planned=True), []


def erase(
    file: ErasureFile, command: EraseCustomer, occasion: Occasion
) -> tuple[ErasureFile, list[Event]]:
    """Forget a person. Whoever was erased before is not erased again: the erasure is the same.

    Raises `Refusal` `customer-not-found`.
    """
    if file.erasure is not None:
        return ErasureFile(erasure=file.erasure), []
    erasure = _erasure(file, command, occasion)
    closed, steps, events = [], [], list[Event]()
    for lead in file.leads:
        after, step, lost = leads.given_up(lead, LossReason.ERASED, occasion)
        closed.append(after)
        steps.append(step)
        events.append(lost)
    for customer_id in erasure.customer_ids:
        events.append(CustomerErased(customer_id=customer_id, erasure_id=erasure.erasure_id))
        events.append(ContactErased(customer_id=customer_id))
    return (
        ErasureFile(
            erasure=erasure,
            customers={
                id: forgotten(file.customers[id], occasion.at) for id in erasure.customer_ids
            },
            leads=tuple(closed),
            identifiers=file.identifiers,
            steps=tuple(steps),
        ),
        events,
    )


def forgotten(customer: Customer, at: datetime) -> Customer:
    """What stays of a customer: an id to which purchases can refer, and whose it is not told."""
    return Customer(
        customer_id=customer.customer_id,
        registered_at=customer.registered_at,
        merged_into=customer.merged_into,
        erased_at=at,
    )


def receive(
    file: ErasureFile, event: ErasureReceipt, occasion: Occasion, recorded_at: datetime | None
) -> tuple[ErasureFile, list[Event]]:
    """Take down a receipt; the last one completes the erasure.

    A receipt that is there already changes nothing, and neither does one of an erasure that intake
    does not know, as after its store was restored from a backup.
    """
    erasure = file.erasure
    service = READERS[type(event)]
    if erasure is None or event.customer_id not in erasure.missing(service):
        return file, []
    receipt = Receipt(service, event.customer_id, recorded_at, event.counts)
    erasure = replace(erasure, receipts=(*erasure.receipts, receipt))
    if any(erasure.missing(reader) for reader in READERS.values()):
        return replace(file, erasure=erasure), []
    erasure = replace(erasure, status=ErasureStatus.COMPLETE, completed_at=occasion.at)
    completed = ErasureCompleted(
        customer_id=erasure.customer_id,
        erasure_id=erasure.erasure_id,
        requested_at=erasure.requested_at,
        late=erasure.overdue_since is not None,
    )
    return replace(file, erasure=erasure), [completed]


def fall_due(file: ErasureFile, occasion: Occasion) -> tuple[ErasureFile, list[Event]]:
    """Note that receipts are missing after the deadline. Raises `Refusal` `erasure-not-overdue`."""
    erasure = file.erasure
    if erasure is None or erasure.status is not ErasureStatus.OPEN:
        raise Refusal("erasure-not-overdue", "Every receipt is in.")
    overdue = replace(erasure, status=ErasureStatus.OVERDUE, overdue_since=occasion.at)
    return replace(file, erasure=overdue), []


def sweep(file: ErasureFile) -> tuple[ErasureFile, list[Event]]:
    """Erase once more. Raises `Refusal` `erasure-unknown`."""
    erasure = _known(file)
    return replace(file, erasure=replace(erasure, swept=True)), []


def remind(file: ErasureFile, _: RemindReaders, __: Occasion) -> tuple[ErasureFile, list[Event]]:
    """Tell of the erasure again, for the ids for which anybody owes a receipt.

    Who has given theirs gives the same again, which changes nothing. Raises `Refusal`
    `erasure-unknown` and `erasure-complete`.
    """
    erasure = _known(file)
    if erasure.status is ErasureStatus.COMPLETE:
        raise Refusal("erasure-complete", "Every receipt is in; there is nobody to remind.")
    owed = {id for reader in READERS.values() for id in erasure.missing(reader)}
    events: list[Event] = []
    for customer_id in erasure.customer_ids:
        if customer_id in owed:
            events.append(CustomerErased(customer_id=customer_id, erasure_id=erasure.erasure_id))
            events.append(ContactErased(customer_id=customer_id))
    return file, events


def _known(file: ErasureFile) -> Erasure:
    if file.erasure is None:
        raise Refusal(
            "erasure-unknown", "There is no erasure of this id.", kind=RefusalKind.NOT_FOUND
        )
    return file.erasure


def _erasure(file: ErasureFile, command: EraseCustomer, occasion: Occasion) -> Erasure:
    if command.customer_id not in file.customers:
        raise Refusal(
            "customer-not-found", "There is no customer of this id.", kind=RefusalKind.NOT_FOUND
        )
    records = persons_records(file.customers, command.customer_id)
    return Erasure(
        erasure_id=occasion.derive_id("erasure"),
        customer_id=command.customer_id,
        customer_ids=tuple(r.customer_id for r in records if r.erased_at is None),
        requested_at=occasion.at,
        requested_by=command.by,
        reason=command.reason,
        legal_basis=command.legal_basis,
        held=file.held,
    )

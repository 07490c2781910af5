"""A person is to be forgotten, and the receipts of the other services come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import Dossier
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.people.identity import Identifier, IdentifierKind
from intake.domain.people.merges import persons_records
from intake.domain.privacy.erasures import (
    READERS,
    EraseCustomer,
    Erasure,
    ErasureFile,
    ErasureStatus,
    RemindReaders,
)
from intake.store import holdings, tables
from intake.store.documents import LEAD_COLUMNS, lead_of
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.subjects.merges import LinkedNeeds
from intake.store.subjects.suppressions import Suppressed
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline
from keyturn_events.values import ErasureCount

ERASURE_OVERDUE: Final = "erasure-overdue"
"""The timer of an erasure whose receipts are not all in; its owner is the erasure."""
ERASURE_SWEEP: Final = "erasure-sweep"
"""The timer at which intake erases once more."""
LOCAL_DIGITS: Final = 8
"""How many of the last digits of a phone find it however it is written, country code or not."""

_ERASED: Final = (
    "SELECT customer_id, erasure_id FROM erased_customers WHERE customer_id = ANY($1::text[])"
)
_OPEN_LEADS: Final = (
    f"SELECT {LEAD_COLUMNS} FROM leads"  # noqa: S608
    " WHERE customer_id = ANY($1::text[]) AND status = 'open'"
)
_OWNED: Final = (
    "SELECT kind, value, customer_id FROM identifiers WHERE customer_id = ANY($1::text[])"
)


@dataclass(slots=True)
class ErasureNeeds:
    """The customers who are to be forgotten."""

    customers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Forgetting:
    """What is known of those who are to be forgotten, and what is to be taken from the store."""

    erasure_of: dict[str, str] = field(default_factory=dict)
    """The erasure of each customer who has been erased."""
    owned: dict[Identifier, str] = field(default_factory=dict)
    held: dict[str, tuple[ErasureCount, ...]] = field(default_factory=dict)
    """By the id under which it is asked for."""
    new: dict[str, str] = field(default_factory=dict)
    """The erasure of each customer who is erased by this batch."""
    ids: dict[str, None] = field(default_factory=dict)
    """Whose rows are erased, now or once more."""
    words: list[str] = field(default_factory=list)


class Erasures(Subject):
    """Erasing, receipts, reminders, and the timers of an erasure."""

    inputs = (EraseCustomer, RemindReaders, *READERS)
    timers = (ERASURE_OVERDUE, ERASURE_SWEEP)
    states = (ErasureFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The erasure, or everybody who is one person with the customer."""
        match input.value:
            case EraseCustomer() as command:
                needs.part(ErasureNeeds).customers.add(command.customer_id)
                needs.part(LinkedNeeds).customers.add(command.customer_id)
            case TimerFired() as timer:
                needs.document(Erasure, timer.owner)
            case told:
                needs.document(Erasure, told.erasure_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """All that is held on those who are to be forgotten."""
        asked = needs.part(ErasureNeeds).customers
        if not asked:
            return
        driver = await driver_of(connection)
        forgetting = rows.part(Forgetting)
        ids = [customer.customer_id for customer in rows.customers.values()]
        for row in await driver.fetch(_ERASED, ids):
            forgetting.erasure_of[row["customer_id"]] = row["erasure_id"]
        await rows.load_documents(
            connection, Erasure, {(id,) for id in forgetting.erasure_of.values()}
        )
        for row in await driver.fetch(_OWNED, ids):
            identifier = Identifier(IdentifierKind(row["kind"]), row["value"])
            forgetting.owned[identifier] = row["customer_id"]
        rows.leads.add(
            {
                row["lead_id"]: (row["version"], lead_of(row))
                for row in await driver.fetch(_OPEN_LEADS, ids)
            }
        )
        for customer_id in asked:
            forgetting.held[customer_id] = await holdings.count(
                connection, _person(rows, customer_id)
            )

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> ErasureFile:
        """The erasure as it stands, or the person."""
        match input.value:
            case EraseCustomer() as command:
                return _file(rows, command.customer_id)
            case TimerFired() as timer:
                return ErasureFile(erasure=rows.document(Erasure, timer.owner))
            case told:
                return ErasureFile(erasure=rows.document(Erasure, told.erasure_id))

    def put(self, rows: IntakeWorkingSet, state: ErasureFile) -> None:
        """Keep the erasure; of a new one, take everything of the person from memory as well."""
        erasure = state.erasure
        if erasure is None or state.planned:
            return
        rows.put_document(erasure)
        forgetting = rows.part(Forgetting)
        forgetting.ids |= dict.fromkeys(erasure.customer_ids)
        if not state.customers:
            return
        for customer_id, customer in state.customers.items():
            rows.customers.put(customer_id, customer)
            forgetting.erasure_of[customer_id] = erasure.erasure_id
            forgetting.new[customer_id] = erasure.erasure_id
        for lead in state.leads:
            rows.put_dossier(Dossier(lead=lead))
        rows.steps += state.steps
        for identifier in state.identifiers:
            rows.owners.pop(identifier, None)
        forgetting.words += _words(state.identifiers)
        rows.part(Suppressed).add(state.identifiers, erasure.erasure_id, erasure.requested_at)

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """When a changed erasure is swept, and when it is overdue."""
        changed = rows.documents.get(Erasure)
        if changed is None:
            return {}
        return {
            erasure.erasure_id: list(_deadlines(erasure)) for _, _, erasure in changed.changes()
        }

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Erase in every table, for the first time or once more."""
        forgetting = rows.part(Forgetting)
        await insert_rows(
            connection,
            tables.erased_customers,
            [
                {"customer_id": customer_id, "erasure_id": erasure_id}
                for customer_id, erasure_id in forgetting.new.items()
            ],
        )
        if forgetting.ids:
            await holdings.erase(connection, list(forgetting.ids))
            await holdings.erase_words(connection, forgetting.words)


def _file(rows: IntakeWorkingSet, customer_id: str) -> ErasureFile:
    forgetting = rows.part(Forgetting)
    erasure_id = forgetting.erasure_of.get(customer_id)
    if erasure_id is not None:
        return ErasureFile(erasure=rows.document(Erasure, erasure_id))
    ids = set(_person(rows, customer_id))
    owned = {i for i, owner in (forgetting.owned | rows.owners).items() if owner in ids}
    return ErasureFile(
        customers={c.customer_id: c for c in rows.customers.values() if c.customer_id in ids},
        leads=tuple(lead for lead in rows.leads.values() if _is_open(lead, ids)),
        identifiers=tuple(sorted(owned)),
        held=forgetting.held.get(customer_id, ()),
    )


def _person(rows: IntakeWorkingSet, customer_id: str) -> list[str]:
    customers = {customer.customer_id: customer for customer in rows.customers.values()}
    if customer_id not in customers:
        return [customer_id]
    return [record.customer_id for record in persons_records(customers, customer_id)]


def _is_open(lead: Lead, ids: set[str]) -> bool:
    return lead.customer_id in ids and lead.status is LeadStatus.OPEN


def _deadlines(erasure: Erasure) -> Iterator[Deadline]:
    if not erasure.swept:
        yield Deadline(ERASURE_SWEEP, erasure.sweep_at)
    if erasure.status is ErasureStatus.OPEN:
        yield Deadline(ERASURE_OVERDUE, erasure.due_at)


def _words(identifiers: Sequence[Identifier]) -> Iterator[str]:
    """What finds an identifier in a text that nobody could read: a phone by its last digits."""
    for kind, value in identifiers:
        if kind is IdentifierKind.PHONE:
            yield value[-LOCAL_DIGITS:]
        elif kind is IdentifierKind.PARTNER:
            continue  # Too short to find one person by, and nothing without its partner.
        else:
            yield value

"""Erasure: a service forgets a person, gives a receipt, and keeps nothing parked that is theirs.

What is erased, and what is counted, the service's own decision says. The chassis adds what is the
same for every service: the receipt of the first time is given again whenever the erasure is told of
again; the event that asks for it overtakes what is parked for the person; and what is parked there
is discarded, but for records whose effects outlive the person, such as a purchase.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, DateTime, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.database import chassis_metadata, insert_rows
from keyturn_chassis.dead_letters import Parking
from keyturn_chassis.inputs import Input
from keyturn_events import CATALOGUE, Event
from keyturn_events.erasure import ErasureReceipt
from keyturn_events.intake import CustomerErased
from keyturn_events.values import ErasureCount
from keyturn_events.vocabulary import ErasureTreatment

PARKED_RECORDS: Final = "parked-records"
"""The kind under which a receipt counts records that were parked and are discarded."""

TYPE_HEADER: Final = "ce_type"

_log = telemetry.get_logger(__name__)

erasure_receipts = Table(
    "erasure_receipts",
    chassis_metadata,
    Column("customer_id", Text, primary_key=True),
    Column("erasure_id", Text, primary_key=True),
    Column("receipt", JSON, nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""The receipts that were given: the proof that outlives the person, and what a repeat answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """How a service forgets: `CustomerErased` asks for it, an event of type `receipt` proves it."""

    receipt: type[ErasureReceipt]
    keeps: tuple[type[Event], ...] = ()
    """Types whose parked records stay parked: their effects outlive the person."""


def kept_types(erasing: Erasing | None, known: Iterable[str]) -> frozenset[str]:
    """The types, among those that a service reacts to, whose parked records stay parked."""
    kept: tuple[type[Event], ...] = (CustomerErased, *(erasing.keeps if erasing else ()))
    return frozenset(name for name in known if issubclass(CATALOGUE[name], kept))


@dataclass(slots=True)
class Receipts:
    """The receipts of a batch: those given before, and those that are new."""

    known: dict[tuple[str, str], ErasureReceipt]
    discarded: dict[str, int] = field(default_factory=dict)
    """How many parked records of each subject were discarded."""
    new: list[ErasureReceipt] = field(default_factory=list)

    def settled(self, value: CustomerErased, events: Sequence[Event]) -> Sequence[Event]:
        """The events of a decision with the receipt that counts: the first that was given."""
        return [self._first(value, e) if isinstance(e, ErasureReceipt) else e for e in events]

    def _first(self, asked: CustomerErased, receipt: ErasureReceipt) -> ErasureReceipt:
        key = (asked.customer_id, asked.erasure_id)
        known = self.known.get(key)
        if known is None:
            known = _with_discarded(receipt, self.discarded.pop(asked.customer_id, 0))
            self.known[key] = known
            self.new.append(known)
        return known


def _with_discarded(receipt: ErasureReceipt, records: int) -> ErasureReceipt:
    if records == 0:
        return receipt
    count = ErasureCount(kind=PARKED_RECORDS, treatment=ErasureTreatment.ERASED, count=records)
    return receipt.model_copy(update={"counts": (*receipt.counts, count)})


async def load_receipts(
    connection: AsyncConnection, erasing: Erasing | None, inputs: Sequence[Input[Any]]
) -> Receipts | None:
    """The receipts given before to what `inputs` ask; None when none of them asks to forget."""
    if erasing is None:
        return None
    ids = {i.value.customer_id for i in inputs if isinstance(i.value, CustomerErased)}
    if not ids:
        return None
    rows = await connection.execute(
        text(
            "SELECT customer_id, erasure_id, CAST(receipt AS text) AS receipt FROM erasure_receipts"
            " WHERE customer_id = ANY(CAST(:ids AS text[]))"
        ),
        {"ids": sorted(ids)},
    )
    return Receipts(
        {
            (row.customer_id, row.erasure_id): erasing.receipt.model_validate_json(row.receipt)
            for row in rows
        }
    )


async def save_receipts(connection: AsyncConnection, receipts: Receipts | None) -> None:
    """Keep the receipts that are new."""
    if receipts is not None and receipts.new:
        await insert_rows(
            connection,
            erasure_receipts,
            [
                {
                    "customer_id": receipt.customer_id,
                    "erasure_id": receipt.erasure_id,
                    "receipt": receipt.model_dump(mode="json", exclude_none=True),
                }
                for receipt in receipts.new
            ],
            on_conflict="DO NOTHING",
        )


async def discard_parked(
    connection: AsyncConnection, consumer: str, subjects: Collection[str], kept: Collection[str]
) -> dict[str, int]:
    """Discard what is parked for `subjects` but for records of the types `kept`; how many each."""
    if not subjects:
        return {}
    rows = await connection.execute(
        text(
            "WITH gone AS (DELETE FROM dead_letters WHERE consumer = :consumer"
            " AND subject = ANY(CAST(:subjects AS text[]))"
            " AND NOT EXISTS (SELECT FROM json_array_elements(headers) AS header"
            " WHERE header->>0 = :name AND header->>1 = ANY(CAST(:kept AS text[])))"
            " RETURNING subject) SELECT subject, count(*) AS records FROM gone GROUP BY subject"
        ),
        {
            "consumer": consumer,
            "subjects": sorted(subjects),
            "name": TYPE_HEADER.encode().hex(),
            "kept": sorted(name.encode().hex() for name in kept),
        },
    )
    return {row.subject: row.records for row in rows}


def without_discarded(
    parkings: Sequence[Parking], subject: str, kept: Collection[str]
) -> list[Parking]:
    """`parkings`, not written yet, without those of `subject` that its erasure discards."""
    return [p for p in parkings if p.subject != subject or _type_of(p) in kept]


def _type_of(parking: Parking) -> str | None:
    headers = dict(parking.record.headers)
    name = headers.get(TYPE_HEADER)
    return None if name is None else name.decode(errors="replace")


def told(discarded: Mapping[str, int]) -> None:
    """Put on the log, and count, what was discarded; whose it was is in the receipts."""
    for records in discarded.values():
        telemetry.PARKED_ERASED.inc(records)
        _log.warning("parked_erased", records=records)

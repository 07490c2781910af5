"""A partner says something: whether it may, whether it said so before, and what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.dossier import Dossier
from intake.domain.partners.partners import Building, Outcome, Partner, PartnerFile, PartnerRecord
from intake.reading.partner_records import person_said, read_partner_record
from intake.store import tables
from intake.store.documents import record_row
from intake.store.needs import Needs, Visitor
from intake.store.subject import Subject
from intake.store.subjects.captures import visit
from intake.store.subjects.purchases import around
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input, RawRecord
from keyturn_events import Refusal
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
)

_ACCEPTED: Final = (
    "SELECT partner_id, event_id, digest FROM partner_records"
    " JOIN unnest($1::text[], $2::text[]) AS w (partner_id, event_id)"
    " USING (partner_id, event_id) WHERE outcome = 'accepted'"
)
_ACCEPTED_TODAY: Final = (
    "SELECT partner_id, count(*) AS accepted FROM partner_records"
    " WHERE partner_id = ANY($1::text[]) AND outcome = 'accepted' AND received_at >= $2"
    " GROUP BY partner_id"
)


@dataclass(slots=True)
class ReceivedNeeds:
    """The records of a batch, read once, by the identity of the input."""

    records: dict[int, PartnerRecord] = field(default_factory=dict)
    since: datetime | None = None
    """The beginning of the day, in UTC, on which the batch came."""


@dataclass(slots=True)
class Received:
    """The records of a batch, and the digests of accepted events, by partner and event id."""

    records: dict[int, PartnerRecord] = field(default_factory=dict)
    accepted: dict[tuple[str, str], str] = field(default_factory=dict)
    today: Counter[str] = field(default_factory=Counter)
    """Events accepted on this day of the partners with a quota. Workers that take records of one
    partner at the same moment may each let in as many as are left of it."""
    files: list[PartnerFile] = field(default_factory=list)
    """What became of the records, to be written."""


class PartnerDoor(Subject):
    """Records of the partner door."""

    inputs = (RawRecord,)
    states = (PartnerFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The partner, and whoever and whatever its event names."""
        record = read_partner_record(input.value)
        received = needs.part(ReceivedNeeds)
        received.records[id(input)] = record
        day = input.cause.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        received.since = min(received.since or day, day)
        needs.document(Partner, record.partner_id)
        match record.event:
            case PartnerLeadSubmitted() as event:
                person = person_said(event.person, record.partner_id)
                needs.visitors[id(input)] = Visitor(person, event.community_id)
            case PartnerSaleRecorded() as event:
                person = person_said(event.buyer, record.partner_id)
                needs.visitors[id(input)] = Visitor(person, event.community_id)
                needs.sales.add((record.partner_id, event.sale_reference))
                needs.homes.add(event.home_id)
                if event.building is not None:
                    needs.document(Building, event.community_id, event.building)
            case PartnerConstructionProgressed() as event:
                needs.document(Community, event.community_id)
                needs.document(Building, event.community_id, event.building)
                needs.neighbours.add((event.community_id, event.building))

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Which of these events have been accepted already."""
        received = rows.part(Received)
        received.records = needs.part(ReceivedNeeds).records
        received.accepted |= await _accepted(
            connection,
            {
                (record.partner_id, record.event_id)
                for record in received.records.values()
                if record.event_id is not None
            },
        )
        since = needs.part(ReceivedNeeds).since
        partners = rows.documents.get(Partner)
        limited = [p.partner_id for p in partners.values() if p.daily_quota] if partners else []
        if limited and since is not None:
            driver = await driver_of(connection)
            for row in await driver.fetch(_ACCEPTED_TODAY, limited, since):
                received.today[row["partner_id"]] = row["accepted"]

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> PartnerFile:
        """The record with its partner, and what its event is about."""
        received = rows.part(Received)
        record = received.records[id(input)]
        file = PartnerFile(
            record=record,
            received_at=input.cause.at,
            partner=rows.document(Partner, record.partner_id),
            accepted_today=received.today[record.partner_id],
            accepted_digest=received.accepted.get((record.partner_id, record.event_id or "")),
        )
        if record.event is None or file.partner is None:
            return file
        if isinstance(record.event, PartnerConstructionProgressed):
            return _with_building(rows, file, record.event)
        return _with_visitor(rows, file, input)

    def put(self, rows: IntakeWorkingSet, state: PartnerFile) -> None:
        """Note what became of the record, and keep the effects of an accepted one."""
        received = rows.part(Received)
        received.files.append(state)
        if state.outcome is not Outcome.ACCEPTED:
            return
        record = state.record
        received.accepted[record.partner_id, record.event_id or ""] = record.digest
        received.today[record.partner_id] += 1
        rows.put_dossier(state.dossier)
        for purchase in state.purchases:
            rows.put_purchase(purchase)
        if state.building is not None:
            rows.put_document(state.building)

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write down what became of each record."""
        await insert_rows(
            connection,
            tables.partner_records,
            [record_row(file) for file in rows.part(Received).files],
        )


def _with_building(
    rows: IntakeWorkingSet, file: PartnerFile, event: PartnerConstructionProgressed
) -> PartnerFile:
    return replace(
        file,
        dossier=Dossier(community=rows.community(event.community_id)),
        building=rows.document(Building, event.community_id, event.building),
        purchases=tuple(rows.in_building(event.community_id, event.building)),
    )


def _with_visitor(rows: IntakeWorkingSet, file: PartnerFile, input: Input[Any]) -> PartnerFile:
    event = file.record.event
    try:
        dossier = visit(rows, input, getattr(event, "community_id", None))
    except Refusal as refusal:
        return replace(file, unidentified=refusal)
    if isinstance(event, PartnerSaleRecorded):
        dossier = _sale(rows, dossier, event, file.record.partner_id)
    return replace(file, dossier=dossier)


def _sale(
    rows: IntakeWorkingSet, visited: Dossier, sale: PartnerSaleRecorded, partner_id: str
) -> Dossier:
    known = rows.sale(partner_id, sale.sale_reference)
    if known is not None:
        return around(rows, known)
    return replace(
        visited,
        claim=rows.claim(sale.home_id),
        completion=rows.completion(sale.community_id, sale.building),
    )


async def _accepted(
    connection: AsyncConnection, events: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    if not events:
        return {}
    partner_ids, event_ids = zip(*events, strict=True)
    driver = await driver_of(connection)
    rows = await driver.fetch(_ACCEPTED, list(partner_ids), list(event_ids))
    return {(row["partner_id"], row["event_id"]): row["digest"] for row in rows}

"""The queue of a release: who serves it now, who has which number, and which homes are free.

Only one transaction serves the queue of a release at a time. The next one does not wait for it: it
is told that the release is busy, holds nothing, and comes again. That saves work and is not relied
on; the version of the release and the unique claim on a home have the last word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.leads.leads import Lead
from intake.domain.people.customers import Customer
from intake.domain.sales.homes import Home
from intake.domain.sales.release_commands import (
    NumberCommand,
    PlanRelease,
    QueueCommand,
    QueueFile,
    TakeNumber,
)
from intake.domain.sales.releases import Queue, QueueNumber, Release, release_busy
from intake.store import tables
from intake.store.documents import (
    CUSTOMER,
    HOME,
    LEAD_COLUMNS,
    NUMBER_COLUMNS,
    lead_of,
    number_of,
    number_row,
)
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import ConcurrentUpdate, Loaded, save_versioned
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline

QUEUE_TURN: Final = "queue-turn"
"""The timer of a release: it opens, or a turn runs out."""
_OWNER: Final = "release/"
"""What the owner of that timer begins with; the release's id follows."""
_LOCKS: Final = 20_007
"""The class of the advisory locks on releases."""

_SERVES: Final = (
    "SELECT id, pg_try_advisory_xact_lock($1, hashtext(id)) AS mine"
    " FROM unnest($2::text[]) AS wanted (id)"
)
_NUMBERS: Final = (
    f"SELECT {NUMBER_COLUMNS} FROM queue_numbers"  # noqa: S608
    " WHERE release_id = ANY($1::text[]) AND outcome IS NULL"
    f" UNION SELECT {NUMBER_COLUMNS} FROM queue_numbers"
    " JOIN unnest($2::text[], $3::integer[]) AS asked (release_id, number)"
    " USING (release_id, number)"
    f" UNION SELECT {NUMBER_COLUMNS} FROM queue_numbers"
    " JOIN unnest($4::text[], $5::text[]) AS holder (release_id, customer_id)"
    " USING (release_id, customer_id)"
)
_HOMES: Final = (
    "SELECT h.release_id, h.home_id, CASE WHEN p.home_id IS NULL AND (h.document->'for_sale')::bool"
    " THEN h.document::text END AS document FROM homes AS h"
    " LEFT JOIN purchases AS p ON p.home_id = h.home_id AND p.stage <> 'rescinded'"
    " WHERE h.release_id = ANY($1::text[]) ORDER BY h.home_id"
)
_LEADS: Final = (
    f"SELECT {LEAD_COLUMNS} FROM leads"  # noqa: S608
    " JOIN unnest($1::text[], $2::text[]) AS wanted (customer_id, community_id)"
    " USING (customer_id, community_id) WHERE status NOT IN ('won', 'withdrawn')"
)
_CUSTOMERS: Final = (
    "SELECT customer_id, version, document::text FROM customers WHERE customer_id = ANY($1)"
)


@dataclass(slots=True)
class QueueNeeds:
    """The releases that a batch is about, and how much of their queues."""

    releases: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    """Of which the whole queue is needed."""
    fired: set[str] = field(default_factory=set)
    """Of which a timer fired, which must not be dropped because the release is busy."""
    numbers: set[tuple[str, int]] = field(default_factory=set)
    holders: set[tuple[str, str]] = field(default_factory=set)
    until: datetime | None = None
    """The latest time at which the batch makes a decision."""


@dataclass(slots=True)
class QueueRows:
    """The queues of the releases that this batch serves."""

    busy: set[str] = field(default_factory=set)
    """Releases that somebody else serves at this moment."""
    queues: dict[str, Queue] = field(default_factory=dict)
    numbers: Loaded[tuple[str, int], QueueNumber] = field(default_factory=lambda: Loaded({}))
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    """The number that a customer holds at a release."""


class Releases(Subject):
    """Plans of releases, their queues, and the timers of their turns."""

    inputs = (PlanRelease, QueueCommand)
    timers = (QUEUE_TURN,)
    states = (QueueFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The release, and the number or the holder that it is about."""
        if isinstance(input.value, PlanRelease):
            needs.document(Release, input.value.release_id)
            return
        wanted = needs.part(QueueNeeds)
        release_id = _release_id(input.value)
        wanted.releases.add(release_id)
        wanted.until = max(wanted.until or input.cause.at, input.cause.at)
        match input.value:
            case TakeNumber() as command:
                wanted.holders.add((release_id, command.customer_id))
                needs.customers.add(command.customer_id)
            case NumberCommand() as command:
                wanted.served.add(release_id)
                wanted.numbers.add((release_id, command.number))
            case _:
                wanted.served.add(release_id)
                wanted.fired.add(release_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Try to be the one who serves these queues; what is loaded then is as of now.

        Raises `ConcurrentUpdate` when a timer fired of a release that somebody else serves.
        """
        wanted = needs.part(QueueNeeds)
        if not wanted.releases:
            return
        part = rows.part(QueueRows)
        driver = await driver_of(connection)
        for row in await driver.fetch(_SERVES, _LOCKS, sorted(wanted.releases)):
            if not row["mine"]:
                part.busy.add(row["id"])
        if wanted.fired & part.busy:
            raise ConcurrentUpdate("a release whose queue is being served")
        mine = wanted.releases - part.busy
        await rows.load_documents(connection, Release, {(release_id,) for release_id in mine})
        releases = {
            release_id: release
            for release_id in mine
            if (release := rows.document(Release, release_id)) is not None
        }
        communities = {(release.community_id,) for release in releases.values()}
        await rows.load_documents(connection, Community, communities)
        await _load_queues(driver, wanted, releases, part)
        await _load_whoever_has_a_turn(driver, wanted, rows)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Release | QueueFile | None:
        """The queue as this batch has brought it so far. Raises `Refusal` `release-busy`."""
        command = input.value
        if isinstance(command, PlanRelease):
            return rows.document(Release, command.release_id)
        release_id = _release_id(command)
        part = rows.part(QueueRows)
        if release_id in part.busy:
            raise release_busy()
        release = rows.document(Release, release_id)
        if release is None:
            return QueueFile()
        file = QueueFile(
            queue=replace(part.queues.get(release_id) or Queue(release), release=release),
            community=rows.community(release.community_id),
            leads=_LiveLeads(rows, release.community_id),
            customers=_Customers(rows),
        )
        if isinstance(command, TakeNumber):
            known = part.held.get((release_id, command.customer_id))
            number = None if known is None else part.numbers.get((release_id, known))
            customer = rows.customer(command.customer_id)
            return replace(file, number=number, customer=customer)
        if isinstance(command, NumberCommand):
            return replace(file, number=part.numbers.get((release_id, command.number)))
        return file

    def put(self, rows: IntakeWorkingSet, state: QueueFile) -> None:
        """Keep how far the queue has come, and what it has led to."""
        if state.queue is None:
            return
        part = rows.part(QueueRows)
        release_id = state.queue.release.release_id
        part.queues[release_id] = state.queue
        rows.put_document(state.queue.release)
        for number in state.numbers:
            part.numbers.put((release_id, number.number), number)
            part.held[release_id, number.customer_id] = number.number
        for dossier in state.dossiers:
            rows.put_dossier(dossier)

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """When a changed release opens, or the turn that is on runs out."""
        releases = rows.documents.get(Release)
        deadlines: dict[str, Sequence[Deadline]] = {}
        for (release_id,), _, release in () if releases is None else releases.changes():
            due = release.next_due()
            deadlines[f"{_OWNER}{release_id}"] = [] if due is None else [Deadline(QUEUE_TURN, due)]
        return deadlines

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write the numbers that were given or settled, or whose wishes changed."""
        await save_versioned(
            connection,
            tables.queue_numbers,
            [
                number_row(number, version)
                for _, version, number in rows.part(QueueRows).numbers.changes()
            ],
        )


@dataclass(frozen=True, slots=True)
class _LiveLeads(Mapping[str, Lead]):
    """The live lead of each customer in one community, as of now."""

    rows: IntakeWorkingSet
    community_id: str

    def __getitem__(self, customer_id: str) -> Lead:
        lead = self.rows.live_lead(customer_id, self.community_id)
        if lead is None:
            raise KeyError(customer_id)
        return lead

    def __iter__(self) -> Iterator[str]:
        return (lead.customer_id for lead in self._all())

    def __len__(self) -> int:
        return len(list(self._all()))

    def _all(self) -> Iterable[Lead]:
        community_id = self.community_id
        return (e for e in self.rows.leads.values() if e.live and e.community_id == community_id)


@dataclass(frozen=True, slots=True)
class _Customers(Mapping[str, Customer]):
    """The customers of the batch, as of now."""

    rows: IntakeWorkingSet

    def __getitem__(self, customer_id: str) -> Customer:
        customer = self.rows.customers.get(customer_id)
        if customer is None:
            raise KeyError(customer_id)
        return customer

    def __iter__(self) -> Iterator[str]:
        return (customer.customer_id for customer in self.rows.customers.values())

    def __len__(self) -> int:
        return len(self.rows.customers.values())


def _release_id(value: QueueCommand | TimerFired) -> str:
    if isinstance(value, TimerFired):
        return value.owner.removeprefix(_OWNER)
    return value.release_id


async def _load_queues(
    driver: Any, wanted: QueueNeeds, releases: Mapping[str, Release], part: QueueRows
) -> None:
    """The numbers and the homes of the releases that this batch serves."""
    served = [release_id for release_id in wanted.served if release_id in releases]
    asked = [each for each in wanted.numbers if each[0] in releases]
    holders = [each for each in wanted.holders if each[0] in releases]
    rows = await driver.fetch(_NUMBERS, served, *_columns(asked), *_columns(holders))
    numbers = sorted((number_of(row) for row in rows), key=lambda known: known[1].number)
    part.numbers = Loaded({(n.release_id, n.number): (version, n) for version, n in numbers})
    part.held = {(n.release_id, n.customer_id): n.number for _, n in numbers}
    if not served:
        return
    free: dict[str, dict[str, Home]] = {release_id: {} for release_id in served}
    homes: dict[str, list[str]] = {release_id: [] for release_id in served}
    for row in await driver.fetch(_HOMES, served):
        homes[row["release_id"]].append(row["home_id"])
        if row["document"] is not None:
            free[row["release_id"]][row["home_id"]] = HOME.validate_json(row["document"])
    for release_id in served:
        unsettled = {
            n.number: n for _, n in numbers if n.release_id == release_id and n.outcome is None
        }
        part.queues[release_id] = Queue(
            releases[release_id], unsettled, free[release_id], frozenset(homes[release_id])
        )


async def _load_whoever_has_a_turn(driver: Any, wanted: QueueNeeds, rows: IntakeWorkingSet) -> None:
    """The customers and leads of the numbers that this batch may settle."""
    part = rows.part(QueueRows)
    places = [
        (number.customer_id, queue.release.community_id)
        for queue in part.queues.values()
        for number in _within_reach(queue, wanted)
    ]
    if not places:
        return
    customer_ids, community_ids = _columns(places)
    found = await driver.fetch(_CUSTOMERS, customer_ids)
    rows.customers.add(
        {
            row["customer_id"]: (row["version"], CUSTOMER.validate_json(row["document"]))
            for row in found
        }
    )
    found = await driver.fetch(_LEADS, customer_ids, community_ids)
    rows.add_leads({row["lead_id"]: (row["version"], lead_of(row)) for row in found})


def _within_reach(queue: Queue, wanted: QueueNeeds) -> list[QueueNumber]:
    """The numbers that may claim a home in this batch: all up to one that is waited for."""
    release = queue.release
    if wanted.until is None or not queue.free or not release.opened(wanted.until):
        return []
    runs_out = (release.turn_began or release.opens_at) + release.turn <= wanted.until
    reached = []
    for number in queue.unsettled.values():
        asked = (release.release_id, number.number) in wanted.numbers
        if number.wishes is not None or asked:
            reached.append(number)
        elif not runs_out:
            break
    return reached


def _columns(pairs: Collection[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [first for first, _ in pairs], [second for _, second in pairs]

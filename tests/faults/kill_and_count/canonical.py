"""The state of a run in a form that can be compared with another's.

What is left out tells of wall-clock time, of attempts, or of the order in which customers who have
nothing to do with each other came; everything else has to be the same to the last field.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import orjson

from keyturn_events import ALL_TOPICS, Topic

_TOPICS: Final = frozenset(topic.value for topic in ALL_TOPICS)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one table, and the columns of its primary key."""

    key: tuple[str, ...]
    rows: Sequence[Row]


Snapshot = Mapping[str, Mapping[str, Table]]
"""Tables by service and name."""

Canonical = Mapping[str, Mapping[str, Mapping[str, Row]]]
"""Rows by service, table and key, without what may differ."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that may differ between two runs of the same inputs, and why."""

    place: str
    """`service/table/path`; a `*` stands for anything. A path goes into documents by dots."""
    why: str


LEFT_OUT: Final = (
    LeftOut("*/alembic_version/*", "which code, not which state"),
    LeftOut("*/outbox/*", "only what is on its way; its being empty is part of coming to rest"),
    LeftOut("*/*/version", "counts saves; how many decisions share a save depends on timing"),
    LeftOut("*/*/created_at", "wall clock: when the row was written"),
    LeftOut("*/inbox/processed_at", "wall clock"),
    LeftOut("*/dead_letters/parked_at", "wall clock"),
    LeftOut("*/dead_letters/id", "given in the order of arrival over all subjects"),
    LeftOut("*/dead_letters/offset", "a repeated publication moves what comes after it"),
    LeftOut("*/dead_letters/event_id", "the place, of what cannot be decoded"),
    LeftOut("*/timers/failures", "counts attempts"),
    LeftOut("*/timers/retry_at", "wall clock of the next attempt"),
    LeftOut("intake/imports/document.pace.*", "wall clock: how fast it goes"),
    LeftOut("intake/imports/document.received_at", "wall clock"),
    LeftOut("intake/imports/document.attempt", "names one upload; a repeated one has another"),
    LeftOut(
        "segmentation/customers/standing.memberships.*.caused_by",
        "of the facts that together decided, the one that came last",
    ),
    LeftOut(
        "campaigns/people/document.waits",
        "counts the messages that were due before what they needed had come over another topic",
    ),
    LeftOut("campaigns/sends/document.attempt", "counts attempts"),
    LeftOut("campaigns/sends/document.attempts_on_channel", "counts attempts"),
    LeftOut("campaigns/sends/document.traceparent", "names a trace; every run has its own"),
    LeftOut("campaigns/sends/document.traceparent", "which trace planned it; drawn by lot"),
    LeftOut("*/relay_producer/*", "counts how often a relay took over"),
    LeftOut("segmentation/models/published_at", "wall clock of the migration"),
    LeftOut("segmentation/models/rolled_out_at", "wall clock of the migration"),
    LeftOut("service-desk/customers/document.segments.*.recorded_at", "wall clock"),
)


STAMP: Final = re.compile(r"^(?P<at>\S{26}Z) \S{26}Z \S+$")
"""Segmentation's stamp of a fact: business time, wall clock of the recording, event id. Of several
services' events at one business time the wall clock says which is named; what they told is kept."""


DECISIONS: Final = "campaigns/sends/document.decisions"
"""What was decided on a message, in order. That a process died between handing it over and noting
it is told there as well: a retry for an unknown outcome, and a second go."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A column that numbers rows in the order of their arrival; only the order within counts."""

    table: str
    column: str
    within: tuple[str, ...]


RANKED: Final = (
    Rank("touches", "position", ("lead_id",)),
    Rank("lead_steps", "position", ("lead_id",)),
    Rank("consent_words", "position", ("customer_id",)),
    Rank("deposits", "position", ("purchase_id",)),
    Rank("partner_records", "position", ("partition",)),
    Rank("ledger_entries", "sequence", ("member_id",)),
    Rank("dead_letters", "id", ("consumer", "subject")),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs in two states, or a row that only one of them has."""

    service: str
    table: str
    key: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.service}.{self.table} [{self.key}] {self.field}:"
            f" {self.expected} without faults, {self.found} with them"
        )


NOTHING: Final[Mapping[str, str]] = {}


def canonical(
    snapshot: Snapshot, passing: Collection[str] = (), names: Mapping[str, str] = NOTHING
) -> Canonical:
    """The comparable form of a state; the order of rows no longer matters.

    Args:
        snapshot: every row of every table.
        passing: ids of events that were true only for a while, because of an order of arrival
            that nobody promises; rows that note no more than that they came are left out.
        names: other names for events whose ids tell of attempts, by id.
    """
    return {
        service: {
            name: dict(_rows(service, name, _told(table, passing, names)))
            for name, table in tables.items()
            if not _left_out(f"{service}/{name}/")
        }
        for service, tables in snapshot.items()
    }


def digests(state: Canonical) -> dict[str, dict[str, str]]:
    """One hash a table, by service."""
    return {
        service: {
            name: hashlib.sha256(orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()
            for name, rows in sorted(tables.items())
        }
        for service, tables in sorted(state.items())
    }


def differences(expected: Canonical, found: Canonical) -> Iterator[Difference]:
    """Every difference, by service, table, key and field."""
    for service in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(service, {}), found.get(service, {})
        for table in sorted(ours.keys() | theirs.keys()):
            rows, others = ours.get(table, {}), theirs.get(table, {})
            for key in sorted(rows.keys() | others.keys()):
                one, other = rows.get(key), others.get(key)
                if one == other:
                    continue
                if one is None or other is None:
                    there = "no such row", "a row"
                    said = there if one is None else there[::-1]
                    yield Difference(service, table, key, "*", *said)
                else:
                    for field, *values in _fields("", one, other):
                        yield Difference(service, table, key, field, *map(_shown, values))


def _fields(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if one == other:
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted(one.keys() | other.keys()):
            yield from _fields(f"{path}.{name}" if path else name, one.get(name), other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _fields(f"{path}.{index}", left, right)
    else:
        yield path, one, other


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 200 else f"{text[:200]}…"


def _told(table: Table, passing: Collection[str], names: Mapping[str, str]) -> Table:
    """The table with the events that count, under the names by which they can be compared."""
    return Table(
        table.key,
        [
            {**row, "event_id": names[row["event_id"]]} if row.get("event_id") in names else row
            for row in table.rows
            if row.get("event_id") not in passing and not _is_place(row)
        ],
    )


def _is_place(row: Row) -> bool:
    """Whether the inbox knows a record by its place, as it does what cannot be decoded.

    On a service's own topic every repeated publication moves what comes after it. What partners
    wrote lies at the same places in every run.
    """
    source = row.get("source")
    return (
        "offset" not in row
        and source != Topic.PARTNERS_INBOUND
        and source in _TOPICS
        and str(row.get("event_id")).startswith(f"{source}/")
    )


def _rows(service: str, name: str, table: Table) -> Iterator[tuple[str, Row]]:
    rank = next((rank for rank in RANKED if rank.table == name), None)
    rows = table.rows if rank is None else _ranked(table.rows, rank)
    key = table.key
    if rank is not None and rank.column in key:
        key = (*rank.within, rank.column)
    for row in rows:
        kept = _kept(f"{service}/{name}/", row)
        # The key is read before anything is left out: it tells rows apart.
        yield "/".join(str(row[column]) for column in key), kept


def _ranked(rows: Iterable[Row], rank: Rank) -> Iterator[Row]:
    counted: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for row in sorted(rows, key=lambda row: row[rank.column]):
        owner = tuple(row[column] for column in rank.within)
        counted[owner] += 1
        yield {**row, rank.column: counted[owner]}


def _kept(place: str, value: Row) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        here = f"{place}{name}"
        if _left_out(here):
            continue
        kept[name] = _kept_within(here, inner)
    return kept


def _kept_within(place: str, value: Any) -> Any:
    if fnmatchcase(place, DECISIONS):
        value = _without_lost_attempts(value)
    if isinstance(value, str):
        return STAMP.sub(r"\g<at>", value)
    if isinstance(value, Mapping):
        return _kept(f"{place}.", value)
    if isinstance(value, list):
        return [_kept_within(f"{place}.{index}", inner) for index, inner in enumerate(value)]
    return value


def _without_lost_attempts(decisions: Sequence[Row]) -> list[Row]:
    kept: list[Row] = []
    again = False
    for decision in decisions:
        lost = decision["verdict"] == "retry" and decision["reason"] == "outcome-unknown"
        if not (lost or (again and decision["verdict"] == "go")):
            kept.append(decision)
        again = lost
    return kept


def _left_out(place: str) -> bool:
    return any(fnmatchcase(place, left.place) for left in LEFT_OUT)

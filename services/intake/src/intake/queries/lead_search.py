"""Lists of leads and the search in them: the newest first, page by page, at any size of the store.

Three ways lead to the same page, and which one is the shortest depends on how many leads fit:

* *Walking* an index that is in the order of the list, and leaving out what does not fit. Short when
  much fits: of a surname that every twelfth person has, fifty are found within some six hundred.
* *Finding* everything that fits in the index of names and facets, which starts from the rarest
  condition, and sorting it. Short when little fits.
* *Asking people*: whom a phone or an e-mail address belongs to, and their leads.

PostgreSQL's own statistics say how much fits. They take conditions for independent; a walk that
has gone much farther than they promised is therefore given up for finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg

from intake.domain.leads.leads import LeadStatus
from intake.domain.people.identity import IdentifierKind
from intake.queries.statements import read_json
from keyturn_events.vocabulary import LeadStage

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Place: TypeAlias = tuple[datetime, str]
"""When a lead was captured, and its id: its place in every list."""

WALKED: Final = 0.7
"""µs for each row that is walked over where its index alone leads to it, at 1,000,000 leads."""
LOOKED_UP: Final = 4.0
"""µs for each row that is looked up by the place that another index has of it, few of them in
PostgreSQL's own memory."""
FETCHED: Final = 2.5
"""µs for each row that is found."""
COMPARED: Final = 0.1
"""µs for each entry of the rarest condition, which is looked for among those of the others."""
PATIENCE: Final = 4.0
"""How much longer than promised a walk may be before it is given up."""
LEAST_WALK: Final = 1_000
"""Rows that a walk may take in any case."""
MOST_SCORE: Final = 100
SCORES_PER_BAND: Final = 10
"""Scores that share an entry of the index."""

_REST: Final = (
    "customer_id, community_id, channel, idle_since, stage, status,"
    " stalls_at, touches, score, advisor_id, campaign, referral_code, product_line, loss_reason,"
    " response_due, owner, protected_until"
)
COLUMNS: Final = f"captured_at, lead_id, {_REST}"
"""What is shown of a lead, beside the name of its customer."""
NAME: Final = (
    "(SELECT document->>'name' FROM customers WHERE customers.customer_id = page.customer_id)"
    " AS name"
)
_ORDER: Final = "ORDER BY captured_at DESC, lead_id DESC"
_TERMS: Final = "string_to_array(search_terms, ' ')"
_FACETS: Final = (
    "(ARRAY['status/' || status, 'stage/' || stage, 'community/' || coalesce(community_id, ''),"
    " 'advisor/' || coalesce(advisor_id, ''), 'line/' || coalesce(product_line, ''),"
    " 'score/' || coalesce(CAST(score / 10 AS text), '')])"
)
"""As the index `leads_found_by` has it."""
SHOWN: Final = tuple(status for status in LeadStatus if status is not LeadStatus.WITHDRAWN)
"""What a list has that names no status: not what was recorded by mistake."""


_EQUAL: Final = ("stage", "status", "community_id", "advisor_id", "product_line")
"""Columns that have one value in a list."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads a list is of."""

    terms: tuple[str, ...] = ()
    """Of the name of the customer; see `intake.domain.people.name_search`."""
    phone: str | None = None
    """E.164."""
    phone_ends: tuple[str, ...] = ()
    """Digits that a phone ends with: any of these."""
    email: str | None = None
    stage: LeadStage | None = None
    status: LeadStatus | None = None
    community_id: str | None = None
    advisor_id: str | None = None
    product_line: str | None = None
    least_score: int | None = None
    most_score: int | None = None

    @property
    def names_people(self) -> bool:
        """Whether it names how people are reached."""
        return bool(self.phone or self.phone_ends or self.email)

    def asks_beyond(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """What it asks for beside these columns, whether it is a column or not."""
        asked = ("terms", *_EQUAL, "least_score", "most_score")
        return tuple(
            name for name in asked if name not in known and getattr(self, name) not in (None, ())
        )


@dataclass(slots=True)
class Statement:
    """A SQL text with the values of its parameters."""

    sql: str = ""
    values: list[Any] = field(default_factory=list)

    def add(self, value: object) -> str:
        """The placeholder of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True)
class Road:
    """An index that is in the order of the list, once the columns that it begins with are fixed."""

    fixed: tuple[str, ...]
    """Columns that have the value asked for."""
    branches: tuple[tuple[str, ...], ...]
    """The conditions on the columns that follow: one asked for, or every value there is; the lists
    behind them are merged."""

    @classmethod
    def of(cls, wanted: LeadFilter) -> Road:
        """The index that leaves the fewest leads to walk over."""
        statuses = [f"status = '{one}'" for one in _asked(wanted.status, SHOWN)]
        stages = [f"stage = '{one}'" for one in _asked(wanted.stage, tuple(LeadStage))]
        if wanted.advisor_id is not None:
            return cls(("advisor_id",), tuple((one,) for one in statuses))
        if wanted.community_id is not None:
            return cls(("community_id",), tuple(product(statuses, stages)))
        if wanted.status is None and wanted.stage is None:
            return cls((), ())
        return cls((), tuple(product(statuses, stages)))

    @property
    def known(self) -> tuple[str, ...]:
        """What may be asked for without leaving out anything on the way."""
        if not self.branches:
            return self.fixed
        return (*self.fixed, "status", *(("stage",) if len(self.branches[0]) > 1 else ()))


async def found(
    driver: Driver, wanted: LeadFilter, rows: int, after: Place | None
) -> Sequence[asyncpg.Record]:
    """The first `rows` leads of the list behind a place, with `COLUMNS` and the name."""
    if wanted.names_people:
        return await _fetch(driver, asking_people(wanted, rows, after))
    if not wanted.asks_beyond(Road.of(wanted).known):
        return await _fetch(driver, walking(wanted, rows, after))
    (plans,) = await _fetch(driver, counting(wanted))
    at_most = promised(plans[0], rows, LOOKED_UP if Road.of(wanted).branches else WALKED)
    if at_most is not None:
        walked = await _fetch(driver, walking(wanted, rows, after, at_most=at_most))
        if len(walked) == rows:
            return walked
    return await _fetch(driver, finding(wanted, rows, after))


def promised(plans: Any, rows: int, step: float) -> int | None:
    """Over how many entries to walk at most, by the plans of `counting`; None to find instead.

    `step` is what one of them takes, in µs.
    """
    fits, listed, *rest = (
        max(each["Plan Rows"], 1) for each in read_json(plans)[0]["Plan"]["Plans"]
    )
    expected = min(rows * listed / fits, listed)
    if expected * step > fits * FETCHED + min(listed, *rest) * COMPARED:
        return None
    return LEAST_WALK + int(PATIENCE * expected)


def walking(
    wanted: LeadFilter, rows: int, after: Place | None, *, at_most: int | None = None
) -> Statement:
    """Walk the index in whose order the list is, over `at_most` entries."""
    statement = Statement()
    road = Road.of(wanted)
    same = [*_same(statement, wanted, road.fixed), *_behind(statement, after)]
    end = f"{_ORDER} LIMIT {statement.add(at_most or rows)}"
    left = _same(statement, wanted, [name for name in _EQUAL if name not in road.known])
    left += _narrowing(statement, wanted)
    if not road.branches:
        conditions = " AND ".join([*same, *_left_out(wanted)])
        listed = f"SELECT {COLUMNS}, search_terms FROM leads WHERE {conditions} {end}"  # noqa: S608 - all ours
        return _page(statement, f"({listed}) AS walked", left, rows)
    # First the places alone, which the index knows by itself, so that the planner takes no other
    # index instead, however much of the table it believes to fit. With an end each branch is
    # planned by itself, in the order of its index, and read no further than the merged list goes.
    places = " UNION ALL ".join(
        f"(SELECT captured_at, lead_id FROM leads WHERE {' AND '.join([*branch, *same])} {end})"  # noqa: S608 - all ours
        for branch in road.branches
    )
    walked = _at(f"SELECT * FROM ({places}) AS listed {end}")  # noqa: S608 - all ours
    return _page(statement, walked, left, rows)


def finding(wanted: LeadFilter, rows: int, after: Place | None) -> Statement:
    """Find what fits in the index of names and facets, and sort it."""
    statement = Statement()
    conditions = [*_indexed(statement, wanted), *_exact_score(statement, wanted)]
    conditions += [*_behind(statement, after), *_left_out(wanted)]
    # All of them are found before they are sorted: else the planner may walk the newest instead.
    statement.sql = (
        "WITH fitting AS MATERIALIZED"  # noqa: S608 - all ours
        f" (SELECT captured_at, lead_id FROM leads WHERE {' AND '.join(conditions)}) "
    )
    first = f"SELECT * FROM fitting {_ORDER} LIMIT {statement.add(rows)}"  # noqa: S608 - all ours
    return _page(statement, _at(first), [], rows)


def asking_people(wanted: LeadFilter, rows: int, after: Place | None) -> Statement:
    """The leads of whoever is reached so."""
    statement = Statement()
    people = " INTERSECT ".join(
        f"SELECT customer_id FROM identifiers WHERE {condition}"  # noqa: S608 - all ours
        for condition in _reached(statement, wanted)
    )
    conditions = [*_same(statement, wanted, _EQUAL), *_narrowing(statement, wanted)]
    conditions += [*_behind(statement, after), *_left_out(wanted)]
    statement.sql = (
        "WITH people AS MATERIALIZED"  # noqa: S608 - all ours
        f" (SELECT DISTINCT customer_id FROM ({people}) AS reached) "
    )
    # OFFSET keeps it one look-up a person: how many people there are cannot be foreseen.
    theirs = (
        f"(SELECT l.* FROM people CROSS JOIN LATERAL (SELECT {COLUMNS}, search_terms FROM leads"  # noqa: S608
        " WHERE leads.customer_id = people.customer_id OFFSET 0) AS l) AS theirs"
    )
    return _page(statement, theirs, conditions, rows)


def counting(wanted: LeadFilter) -> Statement:
    """How many leads fit, how many are walked over, and how many each narrowing condition leaves.

    It only asks the planner for its guess.
    """
    statement = Statement()
    on_road = _same(statement, wanted, Road.of(wanted).known)
    by_name = [f"{_TERMS} @> {statement.add(list(wanted.terms))}::text[]"] if wanted.terms else []
    of_line = _same(statement, wanted, ("product_line",))
    narrow = [each for each in (by_name, of_line, [*_exact_score(statement, wanted)]) if each]
    fits = [*_same(statement, wanted, ("stage", "status", "community_id", "advisor_id"))]
    fits += [condition for each in narrow for condition in each]
    guesses = " UNION ALL ".join(
        f"SELECT 1 FROM leads WHERE {' AND '.join(conditions) or 'TRUE'}"  # noqa: S608 - all ours
        for conditions in (fits, on_road, *narrow)
    )
    statement.sql = f"EXPLAIN (FORMAT JSON) {guesses}"
    return statement


async def _fetch(driver: Driver, statement: Statement) -> Sequence[asyncpg.Record]:
    rows: Sequence[asyncpg.Record] = await driver.fetch(statement.sql, *statement.values)
    return rows


def _at(places: str) -> str:
    """The leads at these places, in the order of the places."""
    # OFFSET keeps it one look-up a place.
    return (
        f"(SELECT place.captured_at, place.lead_id, {_REST}, search_terms"  # noqa: S608 - all ours
        f" FROM ({places}) AS place CROSS JOIN LATERAL"
        " (SELECT * FROM leads WHERE leads.lead_id = place.lead_id OFFSET 0) AS there) AS walked"
    )


def _page(statement: Statement, source: str, conditions: Sequence[str], rows: int) -> Statement:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    statement.sql += (
        f"SELECT {COLUMNS}, {NAME} FROM (SELECT {COLUMNS} FROM {source}{where}"  # noqa: S608
        f" {_ORDER} LIMIT {statement.add(rows)}) AS page {_ORDER}"
    )
    return statement


def _asked(value: V | None, every: tuple[V, ...]) -> tuple[V, ...]:
    return every if value is None else (value,)


def _left_out(wanted: LeadFilter) -> list[str]:
    """What no list has unless it is asked for."""
    return ["status <> 'withdrawn'"] if wanted.status is None else []


def _narrowing(statement: Statement, wanted: LeadFilter) -> Iterator[str]:
    """What no index in the order of the list knows, as it is looked at row by row."""
    for term in wanted.terms:
        yield f"' ' || search_terms || ' ' LIKE {statement.add(f'% {term} %')}"
    yield from _exact_score(statement, wanted)


def _indexed(statement: Statement, wanted: LeadFilter) -> Iterator[str]:
    """Everything that is asked for, as the index of names and facets has it."""
    if wanted.terms:
        yield f"{_TERMS} @> {statement.add(list(wanted.terms))}::text[]"
    facets = [
        f"{kind}/{value}"
        for kind, value in (
            ("status", wanted.status),
            ("stage", wanted.stage),
            ("community", wanted.community_id),
            ("advisor", wanted.advisor_id),
            ("line", wanted.product_line),
        )
        if value is not None
    ]
    if facets:
        yield f"{_FACETS} @> {statement.add(facets)}::text[]"
    if wanted.least_score is not None or wanted.most_score is not None:
        most = MOST_SCORE if wanted.most_score is None else wanted.most_score
        bands = range((wanted.least_score or 0) // SCORES_PER_BAND, most // SCORES_PER_BAND + 1)
        yield f"{_FACETS} && {statement.add([f'score/{band}' for band in bands])}::text[]"


def _same(statement: Statement, wanted: LeadFilter, names: Iterable[str]) -> list[str]:
    return [
        f"{name} = {statement.add(getattr(wanted, name))}"
        for name in names
        if getattr(wanted, name) is not None
    ]


def _exact_score(statement: Statement, wanted: LeadFilter) -> Iterator[str]:
    if wanted.least_score is not None:
        yield f"score >= {statement.add(wanted.least_score)}"
    if wanted.most_score is not None:
        yield f"score <= {statement.add(wanted.most_score)}"


def _behind(statement: Statement, after: Place | None) -> list[str]:
    if after is None:
        return []
    at, lead_id = after
    return [f"(captured_at, lead_id) < ({statement.add(at)}, {statement.add(lead_id)})"]


def _reached(statement: Statement, wanted: LeadFilter) -> Iterator[str]:
    for kind, value in (
        (IdentifierKind.PHONE, wanted.phone),
        (IdentifierKind.EMAIL, wanted.email),
    ):
        if value is not None:
            yield f"kind = {int(kind)} AND value = {statement.add(value)}"
    if wanted.phone_ends:
        # ':' follows '9': from these digits on to the first that differ.
        ends = " OR ".join(
            f"(reverse(value) ~>=~ {statement.add(end[::-1])}"
            f" AND reverse(value) ~<~ {statement.add(end[::-1] + ':')})"
            for end in wanted.phone_ends
        )
        yield f"kind = {int(IdentifierKind.PHONE)} AND ({ends})"

"""Who works for the communities of a batch, and what they have to do already.

The numbers are counted from leads and facts when the batch is loaded, and follow its decisions in
memory. No row is written for an advisor when a lead is given, so that captures in several
processes never wait for each other; two that give leads at the same moment may each take the last
free place of an advisor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.advisors import MOST_CAPACITY, NO_DESK, Advisor, Desk, Workload
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.ownership import Fact, FactKind
from keyturn_chassis.driver import driver_of

ADVISOR: Final = TypeAdapter(Advisor)

A_DAY: Final = timedelta(hours=24)
"""For how long a given lead counts towards the daily quota."""
LATEST: Final = 200
"""How many of a community's latest assignments are compared for fairness."""

_ADVISORS: Final = (
    "SELECT document::text FROM advisors WHERE communities ?| $1::text[] ORDER BY advisor_id"
)
# Bounded whatever the history: no more rows are counted than an advisor may have, and those of a
# day only where a quota limits them.
_WORKLOADS: Final = f"""
    SELECT advisor_id,
        (SELECT count(*) FROM (
            SELECT FROM leads WHERE leads.advisor_id = asked.advisor_id AND status = 'open'
            LIMIT asked.capacity
        ) AS open) AS open,
        CASE WHEN asked.limited THEN (SELECT count(*) FROM (
            SELECT FROM ownership_facts AS given
            WHERE given.party_id = asked.advisor_id AND given.kind = 'given' AND given.at > $4
            LIMIT {MOST_CAPACITY}
        ) AS given) ELSE 0 END AS today
    FROM unnest($1::text[], $2::int[], $3::bool[]) AS asked (advisor_id, capacity, limited)
"""  # noqa: S608 - the number is ours
_LATELY: Final = f"""
    SELECT asked.community_id, given.party_id, count(*) AS lately
    FROM unnest($1::text[]) AS asked (community_id), LATERAL (
        SELECT party_id FROM ownership_facts AS given
        WHERE given.community_id = asked.community_id AND given.kind = 'given'
            AND given.party_id IS NOT NULL
        ORDER BY given.at DESC LIMIT {LATEST}
    ) AS given
    GROUP BY asked.community_id, given.party_id
"""  # noqa: S608 - the number is ours
_KNOWN_TO: Final = (
    "SELECT customer_id, advisor_id FROM leads WHERE customer_id = ANY($1::text[])"
    " AND advisor_id IS NOT NULL AND status IN ('open', 'won') ORDER BY captured_at DESC, lead_id"
)


@dataclass(slots=True)
class Desks:
    """The advisors of the communities, their workloads as of now, and the facts of the batch."""

    advisors: dict[str, tuple[Advisor, ...]] = field(default_factory=dict)
    """By community."""
    open: Counter[str] = field(default_factory=Counter)
    limited: set[str] = field(default_factory=set)
    """Those with a daily quota; of others the leads of the day are not counted."""
    today: Counter[str] = field(default_factory=Counter)
    lately: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    known_to: dict[str, tuple[str, ...]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    """To be written."""
    _made: dict[str, Desk] = field(default_factory=dict)

    def of(self, community_id: str | None) -> Desk:
        """The desk of a community as it is now."""
        if community_id is None or community_id not in self.advisors:
            return NO_DESK
        made = self._made.get(community_id)
        if made is None:
            made = self._made[community_id] = self._make(community_id)
        return made

    def follow(self, before: Lead | None, after: Lead | None, facts: Sequence[Fact]) -> None:
        """Keep what was recorded of a lead, and count who has it now."""
        self.facts += facts
        if not self.advisors or after is None:
            return
        had, has = _holder(before), _holder(after)
        if had == has and not facts:
            return
        self._made.clear()
        if had is not None:
            self.open[had] -= 1
        if has is not None:
            self.open[has] += 1
            known = self.known_to.get(after.customer_id, ())
            self.known_to[after.customer_id] = (has, *(each for each in known if each != has))
        for fact in facts:
            if fact.kind is FactKind.GIVEN and fact.party is not None:
                self.today[fact.party.id] += fact.party.id in self.limited
                self.lately[fact.community_id, fact.party.id] += 1

    def _make(self, community_id: str) -> Desk:
        advisors = self.advisors[community_id]
        workloads = {
            each.advisor_id: Workload(
                self.open[each.advisor_id],
                self.today[each.advisor_id],
                self.lately[community_id, each.advisor_id],
            )
            for each in advisors
        }
        return Desk(advisors, workloads, self.known_to)


def _holder(lead: Lead | None) -> str | None:
    return lead.advisor_id if lead is not None and lead.status is LeadStatus.OPEN else None


async def load_desks(
    connection: AsyncConnection,
    desks: Desks,
    communities: Collection[str],
    customers: Collection[str],
    at: datetime,
) -> None:
    """Fill `desks` for communities that have advisors, as of that time."""
    if not communities:
        return
    driver = await driver_of(connection)
    staff = [
        ADVISOR.validate_json(row["document"])
        for row in await driver.fetch(_ADVISORS, list(communities))
    ]
    if not staff:
        return
    for community_id in communities:
        desks.advisors[community_id] = tuple(
            each for each in staff if community_id in each.communities
        )
    desks.limited = {each.advisor_id for each in staff if each.daily_quota is not None}
    asked = zip(
        *((each.advisor_id, each.capacity, each.advisor_id in desks.limited) for each in staff),
        strict=True,
    )
    for row in await driver.fetch(_WORKLOADS, *asked, at - A_DAY):
        desks.open[row["advisor_id"]] = row["open"]
        desks.today[row["advisor_id"]] = row["today"]
    for row in await driver.fetch(_LATELY, list(communities)):
        desks.lately[row["community_id"], row["party_id"]] = row["lately"]
    if customers:
        known: dict[str, dict[str, None]] = {}
        for row in await driver.fetch(_KNOWN_TO, list(customers)):
            known.setdefault(row["customer_id"], {})[row["advisor_id"]] = None
        desks.known_to.update({key: tuple(advisors) for key, advisors in known.items()})


def fact_row(fact: Fact) -> dict[str, Any]:
    """The row of a fact."""
    return {
        "lead_id": fact.lead_id,
        "number": fact.number,
        "community_id": fact.community_id,
        "at": fact.at,
        "kind": fact.kind,
        "party_kind": None if fact.party is None else fact.party.kind,
        "party_id": None if fact.party is None else fact.party.id,
        "contact": fact.contact,
        "days": fact.days,
        "reason": fact.reason,
        "detail": fact.detail,
    }

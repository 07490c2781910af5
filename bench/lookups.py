"""What advisors ask of the read side: searches as people type them, lists, days and single leads.

Run as `python -m bench.lookups <file of an Enquiry as JSON>`; it prints a `bench.load.Load`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlencode

import uvloop

from bench.lead_population import COMMUNITIES, SURNAMES, Someone, Town
from bench.load import Job, drive
from intake.queries.leads import newest_leads

SEARCH, LIST = "search", "list"
Query = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Enquiry:
    """What to ask, and of which town."""

    job: Job
    kind: str
    """`search` or `list`."""
    people: int
    until: str


def searches(random: Random, who: Someone) -> list[tuple[int, Query]]:
    """How somebody may be searched for, and how many of a hundred searches are of that kind."""
    first = who.name.split()[0]
    surname: Query = {"q": first[:3] if first.isascii() else first[0]}
    letter: Query = {"q": random.choice(who.name.replace(" ", ""))}
    stage = random.choice(["visited", "queued", "reserved", "subscribed"])
    status = random.choice(["open", "lost"])
    return [
        (25, {"q": who.name}),
        (8, {"q": who.name[1:]}),
        (8, surname),
        (5, letter),
        (10, {"q": who.phone[3:]}),
        (14, {"q": who.phone[-4:]}),
        (5, {"q": f"person.{who.number}@example.com"}),
        (8, {**surname, "stage": stage, "status": status}),
        (7, {**surname, "community_id": who.community_id}),
        (4, {**letter, "advisor_id": who.advisor_id or "nobody"}),
        (3, {"q": who.name[1:], "least_score": 70, "status": "open"}),
        (3, {"q": f"{random.choice(SURNAMES)}龘", "stage": who.stage}),
    ]


def lists(random: Random, who: Someone) -> list[tuple[int, Query]]:
    """Likewise of lists."""
    return [
        (15, {}),
        (15, {"community_id": random.choice([COMMUNITIES[0], who.community_id])}),
        (15, {"stage": who.stage, "community_id": who.community_id}),
        (10, {"status": who.status}),
        (10, {"advisor_id": who.advisor_id or "nobody", "status": "open"}),
        (5, {"least_score": 60, "product_line": "first-home", "community_id": who.community_id}),
    ]


DAYS, LEADS = 15, 15
"""How many of a hundred lookups are of an advisor's day, and of one lead."""
LATER_PAGES: Final = 0.3
"""Share of the lists that are asked for a later page."""


def paths(kind: str, town: Town, seed: int, number: int) -> Iterator[str]:
    """The paths of so many lookups."""
    random = Random(seed)
    for _ in range(number):
        who = town.someone(random.randrange(town.people))
        place = random.randrange(100)
        if kind == SEARCH:
            yield _listing(random, searches(random, who))
        elif place < DAYS:
            yield f"/leads/today?advisor_id={who.advisor_id or 'advisor-0-1'}"
        elif place < DAYS + LEADS:
            yield f"/leads/{who.lead_id}"
        else:
            later = random.random() < LATER_PAGES
            cursor = f"&cursor={_cursor(random, town)}" if later else ""
            yield _listing(random, lists(random, who)) + cursor


def _listing(random: Random, kinds: list[tuple[int, Query]]) -> str:
    (query,) = random.choices([query for _, query in kinds], [weight for weight, _ in kinds])
    return f"/leads?{urlencode({**query, 'limit': 50})}"


def _cursor(random: Random, town: Town) -> str:
    return newest_leads.encode((town.until - timedelta(days=random.random() * 700), "8"))


def requests(enquiry: Enquiry) -> list[bytes]:
    """The requests, as bytes."""
    job = enquiry.job
    town = Town(enquiry.people, datetime.fromisoformat(enquiry.until))
    head = f"host: {job.host}:{job.port}\r\nauthorization: Bearer {job.token}\r\n\r\n"
    return [
        f"GET {path} HTTP/1.1\r\n{head}".encode()
        for path in paths(enquiry.kind, town, job.seed, job.requests)
    ]


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    task = Enquiry(**{**given, "job": Job(**given["job"])})
    made = requests(task)
    print(json.dumps(asdict(uvloop.run(drive(task.job, made)))))  # noqa: T201 - its result

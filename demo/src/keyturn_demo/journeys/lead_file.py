"""Leads that come in a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyturn_demo.doors.files import import_file
from keyturn_demo.doors.forms import api_form, csv_file, csv_row
from keyturn_demo.journeys.timing import came_at
from keyturn_demo.neighbourhood import Touch
from keyturn_demo.tally import Noun
from keyturn_demo.world import World

FILE: Final = "file"


async def send_file(
    world: World, touches: Sequence[Touch], opening: datetime, *, wrong: bool
) -> None:
    """Send touches as one file; with `wrong`, a few rows are not acceptable."""
    if not touches:
        return
    rows = [csv_row(api_form(touch, came_at(touch, opening))) for touch in touches]
    if wrong:
        rows += [
            {**rows[0], "phone": "", "email": "", "source_reference": world.key("nobody")},
            {**rows[0], "captured_at": "the day before yesterday"},
            {**rows[0], "channel": "pigeon-post"},
            {**rows[0], "household.homes_owned": "a few"},
        ]
    key = world.key("file", touches[0].reference)
    job = await import_file(world.doors.intake, csv_file(rows), key)
    tally_import(world, job["created"], job["joined"], job["rejected_by_reason"])
    if wrong:
        await import_file(world.doors.intake, csv_file(rows), key)
        world.tally.repeated(Noun.LEAD, FILE, len(rows))


def tally_import(world: World, created: int, joined: int, rejected: dict[str, int]) -> None:
    """Count the rows of a finished import."""
    world.tally.accepted(Noun.LEAD, FILE, created)
    world.tally.joined(Noun.LEAD, FILE, joined)
    for reason, number in rejected.items():
        world.tally.rejected(Noun.LEAD, FILE, reason, number)

"""A small service that exercises the chassis: it counts the leads of each customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import APIRouter, Response, Security
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import commands
from keyturn_chassis.database import Loaded, save_versioned
from keyturn_chassis.inputs import Cause, Input, RawRecord, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.service import Deadline, Service
from keyturn_events import Event, Message, Refusal, Topic
from keyturn_events.intake import LeadCaptured, LeadScored, LeadStalled
from keyturn_events.segmentation import CustomerDormant
from keyturn_events.vocabulary import LeadChannel, LeadStage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REMINDER = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Tally:
    """The leads of one customer."""

    customer_id: str
    leads: tuple[str, ...] = ()
    notes: int = 0
    remind_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AddNote:
    """A command."""

    customer_id: str
    words: str


class Mended:
    """Lead ids that the decision no longer refuses: a test mends the code by adding one."""

    leads: ClassVar[set[str]] = set()


def count_lead(tally: Tally, event: LeadCaptured, cause: Cause) -> tuple[Tally, Sequence[Event]]:
    """Count a lead; leads named poison are refused until they are mended."""
    if event.lead_id.startswith("poison") and event.lead_id not in Mended.leads:
        raise Refusal("poison", "This lead cannot be counted.")
    if event.lead_id.startswith("bug"):
        raise ZeroDivisionError
    leads = (*tally.leads, event.lead_id)
    scored = LeadScored(
        customer_id=event.customer_id,
        lead_id=event.lead_id,
        score=len(leads),
        model="tally",
        model_version=1,
    )
    return replace(tally, leads=leads, remind_at=cause.at + REMINDER), [scored]


def add_note(tally: Tally, command: AddNote, cause: Cause) -> tuple[Tally, Sequence[Event]]:
    """Add a note; no is refused, nul cannot be stored, "say it" is told to the others."""
    if command.words == "no":
        raise Refusal("no-means-no", "Say something else.", pointer="/words")
    customer_id = "a\x00b" if command.words == "nul" else tally.customer_id
    said = CustomerDormant(customer_id=tally.customer_id, last_active_at=cause.at, threshold_days=1)
    events = [said] if command.words == "say it" else []
    return replace(tally, customer_id=customer_id, notes=tally.notes + 1), events


def remind(tally: Tally, timer: TimerFired, cause: Cause) -> tuple[Tally, Sequence[Event]]:
    """Say that nothing has happened since the last lead."""
    stalled = LeadStalled(
        customer_id=tally.customer_id,
        lead_id=tally.leads[-1],
        stage=LeadStage.NEW,
        idle_since=timer.due_at - REMINDER,
        idle_days=2,
    )
    return replace(tally, remind_at=None), [stalled]


def hear_partner(tally: Tally, record: RawRecord, cause: Cause) -> tuple[Tally, Sequence[Event]]:
    """Count whatever a partner sends."""
    return replace(tally, notes=tally.notes + 1), []


tallies = Table(
    "tallies",
    MetaData(),
    Column("customer_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("leads", JSONB, nullable=False),
    Column("notes", BigInteger, nullable=False),
    Column("remind_at", Text),
)


class TallyWorkingSet:
    """Tallies by customer."""

    def __init__(self, rows: Mapping[str, tuple[int, Tally]]) -> None:
        self.tallies: Loaded[str, Tally] = Loaded(rows)

    def state_for(self, input: Input[Any]) -> Tally:
        key = subject_of(input.value)
        return self.tallies.get(key) or Tally(key)

    def put(self, state: Tally) -> None:
        self.tallies.put(state.customer_id, state)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        return {
            key: [] if tally.remind_at is None else [Deadline("remind", tally.remind_at)]
            for key, _, tally in self.tallies.changes()
        }


def subject_of(value: Any) -> str:
    """The customer whom an input concerns."""
    match value:
        case Event():
            return value.subject
        case TimerFired():
            return value.owner
        case RawRecord():
            return "partner"
        case _:
            return str(value.customer_id)


class TallyStore:
    """One table."""

    metadata = tallies.metadata

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]]
    ) -> TallyWorkingSet:
        rows = await connection.execute(
            text("SELECT * FROM tallies WHERE customer_id = ANY(CAST(:keys AS text[]))"),
            {"keys": [subject_of(input.value) for input in inputs]},
        )
        return TallyWorkingSet(
            {
                row.customer_id: (
                    row.version,
                    Tally(
                        row.customer_id,
                        tuple(row.leads),
                        row.notes,
                        datetime.fromisoformat(row.remind_at) if row.remind_at else None,
                    ),
                )
                for row in rows
            }
        )

    async def save(self, connection: AsyncConnection, working_set: TallyWorkingSet) -> None:
        await save_versioned(
            connection,
            tallies,
            [
                {
                    "customer_id": key,
                    "version": version,
                    "leads": tally.leads,
                    "notes": tally.notes,
                    "remind_at": tally.remind_at and tally.remind_at.isoformat(),
                }
                for key, version, tally in working_set.tallies.changes()
            ],
        )


class Note(BaseModel):
    """A request body."""

    words: str


class NoteCount(BaseModel):
    """A response body."""

    notes: int


router = APIRouter()


@router.post("/tallies/{customer_id}/notes", response_model=NoteCount, status_code=201)
async def post_note(
    customer_id: str,
    body: Note,
    caller: Annotated[commands.Caller, Security(commands.caller, scopes=["notes:write"])],
) -> Response:
    """Add a note."""
    return await caller.execute(
        add_note,
        AddNote(customer_id, body.words),
        lambda tally, _: NoteCount(notes=tally.notes),
        status=201,
    )


MIGRATION = '''
"""The tally of each customer."""

from alembic import op

revision = "tally_0001"
down_revision = None
branch_labels = ("tally",)
depends_on = None


def upgrade():
    op.execute(
        "CREATE TABLE tallies (customer_id text PRIMARY KEY, version bigint NOT NULL,"
        " leads jsonb NOT NULL, notes bigint NOT NULL, remind_at text)"
    )
'''


@pytest.fixture(scope="session")
def tally_service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service, described."""
    migrations: Path = tmp_path_factory.mktemp("migrations")
    (migrations / "tally_0001.py").write_text(MIGRATION)
    reactions = Reactions()
    reactions.on(LeadCaptured)(count_lead)
    reactions.on_timer("remind")(remind)
    reactions.on_untrusted(Topic.PARTNERS_INBOUND)(hear_partner)
    return Service(
        name="tally",
        title="Tally",
        description="Counts leads.",
        store=TallyStore(),
        router=router,
        reactions=reactions,
        publishes=[LeadScored, LeadStalled],
        migrations=migrations,
        scopes={"notes:write": "Add notes"},
    )


@pytest.fixture
def mended() -> set[str]:
    """Lead ids whose poison is mended, for this test."""
    Mended.leads = set()
    return Mended.leads


@pytest.fixture(scope="session")
def lead() -> Callable[..., Message[LeadCaptured]]:
    """`lead("c1", "l1")`: a captured lead of customer c1."""

    def make(customer_id: str, lead_id: str, *, id: str | None = None) -> Message[LeadCaptured]:
        return Message.of(
            LeadCaptured(
                customer_id=customer_id,
                lead_id=lead_id,
                channel=LeadChannel.WEB,
                captured_at=NOON,
                joined=False,
                repeated=False,
            ),
            id=id or f"event-{lead_id}",
            source="intake",
            time=NOON,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )

    return make

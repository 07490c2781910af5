"""Dead letters for the people who mend them: see, replay, discard."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Security
from pydantic import AwareDatetime, BaseModel

from keyturn_chassis import dead_letters, replay
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.commands import Reading
from keyturn_chassis.dead_letters import DeadLetter
from keyturn_chassis.runtime import Runtime

router = APIRouter(prefix="/dead-letters", tags=["operations"])

Reader = Annotated[Principal, Security(principal, scopes=["dead-letters:read"])]
Mender = Annotated[Principal, Security(principal, scopes=["dead-letters:write"])]

MAX_ID: Final = 2**63 - 1
"""Largest id that the database has room for."""

DeadLetterId = Annotated[int, Path(ge=1, le=MAX_ID)]


class DeadLetterSummary(BaseModel):
    """A parked event without its content, which may be personal."""

    id: int
    subject: str
    state: Literal["parked", "waiting"]
    code: str
    detail: str
    topic: str
    partition: int
    offset: int
    parked_at: AwareDatetime

    @classmethod
    def of(cls, letter: DeadLetter) -> DeadLetterSummary:
        """The summary of a dead letter."""
        return cls(
            id=letter.id,
            subject=letter.subject,
            state=letter.state,
            code=letter.code,
            detail=letter.detail,
            topic=letter.record.topic,
            partition=letter.record.partition,
            offset=letter.record.offset,
            parked_at=letter.parked_at,
        )


class DeadLetterHead(DeadLetterSummary):
    """The parked event of a subject, and how many wait behind it."""

    waiting: int


class DeadLetterDetail(DeadLetterSummary):
    """A parked event with its record, as it came."""

    headers: dict[str, str]
    value: str | None


class DeadLetterPage(BaseModel):
    """Parked subjects in the order in which they were parked."""

    items: list[DeadLetterHead]
    next_after: int | None
    total: int
    """Records parked or waiting, of all subjects."""


class ReplayOutcome(BaseModel):
    """What a replay came to."""

    subject: str
    handled: int
    remaining: int
    code: str | None
    detail: str | None
    dry_run: bool


@router.get("", summary="List parked events")
async def list_dead_letters(
    request: Request,
    connection: Reading,
    _: Reader,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeadLetterPage:
    """One line a subject: what is parked, why, and how many events wait behind it."""
    name = request.app.state.runtime.service.name
    found = await dead_letters.heads(connection, name, after=after, limit=limit)
    return DeadLetterPage(
        items=[
            DeadLetterHead(**DeadLetterSummary.of(letter).model_dump(), waiting=waiting)
            for letter, waiting in found
        ],
        next_after=found[-1][0].id if len(found) == limit else None,
        total=await dead_letters.count(connection, name),
    )


@router.get("/{id}", summary="Show a parked event")
async def show_dead_letter(
    id: DeadLetterId, request: Request, connection: Reading, _: Mender
) -> DeadLetterDetail:
    """The record byte for byte; it can hold personal data, hence the stronger scope."""
    letter = await dead_letters.find(connection, request.app.state.runtime.service.name, id)
    value = letter.record.value
    return DeadLetterDetail(
        **DeadLetterSummary.of(letter).model_dump(),
        headers={name: text.decode("latin-1") for name, text in letter.record.headers},
        value=None if value is None else value.decode(errors="replace"),
    )


@router.post("/{id}/replay", summary="Replay a parked event and those behind it")
async def replay_dead_letter(
    id: DeadLetterId,
    request: Request,
    _: Mender,
    dry_run: Annotated[bool, Query(description="Say what would happen; change nothing.")] = False,
) -> ReplayOutcome:
    """Handle the subject's events in order, up to the first that still fails."""
    runtime: Runtime = request.app.state.runtime
    async with runtime.database.reading() as connection:
        letter = await dead_letters.find(connection, runtime.service.name, id)
    outcome = await replay.replay(runtime, letter.subject, dry_run=dry_run)
    return _outcome(outcome, dry_run=dry_run)


@router.post("/{id}/discard", summary="Discard a parked event")
async def discard_dead_letter(id: DeadLetterId, request: Request, _: Mender) -> ReplayOutcome:
    """Drop it for good, and handle those that waited behind it."""
    return _outcome(await replay.discard(request.app.state.runtime, id), dry_run=False)


def _outcome(replayed: replay.Replayed, *, dry_run: bool) -> ReplayOutcome:
    return ReplayOutcome(
        subject=replayed.subject,
        handled=replayed.handled,
        remaining=replayed.remaining,
        code=replayed.code,
        detail=replayed.detail,
        dry_run=dry_run,
    )

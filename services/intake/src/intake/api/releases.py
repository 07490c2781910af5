"""Releases of homes: plan one, take a queue number, claim a home, see how a number stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response, Security
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field

from intake.api.queue_watch import MOST_SECONDS, QueueWatch
from intake.domain.dossier import present
from intake.domain.sales import release_commands, releases
from intake.domain.sales.release_commands import QueueFile
from intake.domain.sales.releases import (
    BUSY,
    LONGEST_TURN,
    MOST_NUMBERS,
    MOST_WISHES,
    AnyHome,
    Release,
    Wishes,
)
from intake.queries import releases as queries
from intake.queries.releases import NumberBody, ReleaseBody, ReleaseOverview, StandingBody
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.inputs import Decision
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import unavailable
from keyturn_events import Event, Money, Refusal
from keyturn_events.scalars import (
    BuildingId,
    CommunityId,
    CustomerId,
    HomeId,
    Line,
    Moment,
    ReleaseId,
)
from keyturn_events.vocabulary import ProductLine, QueueOutcome

router = APIRouter(tags=["releases"])

Planner = Annotated[commands.Caller, Security(commands.caller, scopes=["homes:write"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["queue:write"])]
HomeReader = Annotated[Principal, Security(principal, scopes=["homes:read"])]
Reader = Annotated[Principal, Security(principal, scopes=["queue:read"])]

PAUSE_SECONDS: Final = 0.02
"""After how long a request comes again that found its release being served by another process."""
PATIENCE_SECONDS: Final = 15.0
"""How long it does so, before its caller is told to come again later."""

Seconds = Annotated[
    int,
    Query(
        ge=0,
        le=MOST_SECONDS,
        description="How long to wait for the outcome when the turn has not come yet.",
    ),
]
Number = Annotated[int, PathParameter(ge=1, le=MOST_NUMBERS)]


class ReleaseForm(BaseModel):
    """Homes that are to come to market together; a home says itself that it is one of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "community_id": "riverside",
                    "name": "Building 5, autumn 2026",
                    "opens_at": "2026-10-01T09:30:00+08:00",
                    "turn_minutes": 5,
                }
            ]
        },
    )

    community_id: CommunityId
    name: Line
    opens_at: Moment
    turn_minutes: Annotated[int, Field(strict=True, ge=1, le=LONGEST_TURN)] = Field(
        default=5, description="How long a number is waited for that has not wished."
    )


class Holder(BaseModel):
    """A customer who takes a queue number."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"customer_id": "3f0c2b1e-6c0f-5b59-9d3a-2f6f6a1e8c11"}]},
    )

    customer_id: CustomerId


class AnyHomeForm(BaseModel):
    """What any home must be like that the customer would take; the cheapest of them is taken."""

    model_config = ConfigDict(extra="forbid")

    building: BuildingId | None = None
    product_line: ProductLine | None = None
    most_price: Money | None = None
    least_area: Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=2)] | None = None
    least_rooms: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None


class NumberForm(BaseModel):
    """A queue number, and the customer who holds it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"number": 1, "customer_id": "3f0c2b1e-6c0f-5b59-9d3a-2f6f6a1e8c11"}]
        },
    )

    number: Annotated[int, Field(strict=True, ge=1, le=MOST_NUMBERS)]
    customer_id: CustomerId


class ClaimForm(NumberForm):
    """Which homes the customer wants, the dearest wish first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": 1,
                    "customer_id": "3f0c2b1e-6c0f-5b59-9d3a-2f6f6a1e8c11",
                    "homes": ["riverside-5-0801", "riverside-5-0901"],
                    "otherwise": {"most_price": {"amount": "1800000.00", "currency": "CNY"}},
                }
            ]
        },
    )

    homes: Annotated[tuple[HomeId, ...], Field(max_length=MOST_WISHES)] = ()
    otherwise: AnyHomeForm | None = Field(
        default=None, description="Any home like this, when none of `homes` is free."
    )

    def wishes(self) -> Wishes:
        """The wishes in the words of the domain; a home that is named twice counts once."""
        otherwise = None if self.otherwise is None else AnyHome(**dict(self.otherwise))
        return Wishes(tuple(dict.fromkeys(self.homes)), otherwise)


@router.put("/releases/{release_id}", summary="Plan a release", response_model=ReleaseBody)
async def put_release(
    release_id: ReleaseId, body: ReleaseForm, caller: Planner, request: Request
) -> Response:
    """Plan when the homes of a release come to market. What has opened stays as it is."""
    async with request.app.state.runtime.database.reading() as connection:
        now = await request.app.state.runtime.clock.now(connection)

    def answer(release: Release, _: Sequence[Event]) -> ReleaseBody:
        return ReleaseBody.of(release, now)

    command = release_commands.PlanRelease(
        release_id, body.community_id, body.name, body.opens_at, body.turn_minutes
    )
    return await caller.execute(release_commands.plan, command, answer)


@router.get("/releases/{release_id}", summary="A release", response_model=ReleaseOverview)
async def show_release(
    release_id: ReleaseId, _: HomeReader, request: Request, connection: commands.Reading
) -> ReleaseOverview:
    """A release, how far its queue has been served, and how many homes are left."""
    now = await request.app.state.runtime.clock.now(connection)
    found = await queries.release(connection, release_id, now)
    if found is None:
        raise releases.release_not_found()
    return found


@router.post(
    "/releases/{release_id}/numbers",
    status_code=201,
    summary="Take a queue number",
    response_model=StandingBody,
    responses={200: {"model": StandingBody, "description": "The customer has one already."}},
)
async def take_number(release_id: ReleaseId, body: Holder, caller: Writer) -> Response:
    """Give a customer the next number, until the release opens. Once: asked again, the same."""
    command = release_commands.TakeNumber(release_id, body.customer_id)
    return await _in_turn(caller, release_commands.take_number, command)


@router.post(
    "/releases/{release_id}/claims",
    status_code=201,
    summary="Claim a home",
    response_model=StandingBody,
    responses={200: {"model": StandingBody, "description": "The number was settled before."}},
)
async def claim_home(
    release_id: ReleaseId,
    body: ClaimForm,
    caller: Writer,
    request: Request,
    wait: Seconds = 0,
) -> Response:
    """Say which homes the customer wants, from the day on which the number was given.

    Numbers are served strictly in their order, each as soon as its turn comes. The answer tells how
    the number stands: `claimed`, `missed`, `sold-out` and `passed` are final, and the same however
    often they are asked for. While it is `waiting` other wishes may take the place of these.
    """
    command = release_commands.ClaimHome(release_id, body.customer_id, body.number, body.wishes())
    response = await _in_turn(caller, release_commands.claim, command)
    if not wait or StandingBody.model_validate_json(bytes(response.body)).state != "waiting":
        return response
    told = await _watch(request).settled(release_id, body.number, wait)
    if told is None:
        return response
    return Response(
        told.model_dump_json(),
        status_code=response.status_code,
        media_type="application/json",
        headers={k: v for k, v in response.headers.items() if k == "idempotency-replayed"},
    )


@router.post(
    "/releases/{release_id}/passes",
    status_code=201,
    summary="Give a queue number up",
    response_model=StandingBody,
    responses={200: {"model": StandingBody, "description": "The number was settled before."}},
)
async def give_up_number(release_id: ReleaseId, body: NumberForm, caller: Writer) -> Response:
    """The customer does not want their turn; the next number has it."""
    command = release_commands.GiveUpNumber(release_id, body.customer_id, body.number)
    return await _in_turn(caller, release_commands.give_up, command)


@router.get(
    "/releases/{release_id}/numbers",
    summary="The queue of a release",
    response_model=Page[NumberBody],
)
async def list_numbers(
    *,
    release_id: ReleaseId,
    _: Reader,
    connection: commands.Reading,
    outcome: QueueOutcome | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[NumberBody]:
    """Who holds which number, and what became of it; all, or those of one outcome."""
    return await queries.numbers(connection, release_id, outcome, limit, cursor)


@router.get(
    "/releases/{release_id}/claims/{number}",
    summary="How a queue number stands",
    response_model=StandingBody,
)
async def show_standing(
    release_id: ReleaseId, number: Number, _: Reader, request: Request, wait: Seconds = 0
) -> StandingBody:
    """What a number got, or how long it has to wait at most."""
    async with request.app.state.runtime.database.reading() as connection:
        found = await queries.standing(connection, release_id, number)
    if found is None:
        raise releases.number_not_found()
    if not wait or found.state != "waiting":
        return found
    return await _watch(request).settled(release_id, number, wait) or found


def _watch(request: Request) -> QueueWatch:
    """Those who wait in this process."""
    state = request.app.state
    watch: QueueWatch | None = getattr(state, "queue_watch", None)
    if watch is None:
        watch = state.queue_watch = QueueWatch(state.runtime.database)
    return watch


def _standing(file: QueueFile, _: Sequence[Event]) -> Answer:
    """How the number in question stands; 201 when that is new."""
    number = present(file.number)
    told = StandingBody.of(releases.standing(present(file.queue), number))
    changed = any(each.number == number.number for each in file.numbers)
    return Answer(201 if changed else 200, told.model_dump_json())


async def _in_turn(
    caller: commands.Caller, decide: Decision[QueueFile, Any], command: object
) -> Response:
    """Have a command decided as soon as no other process serves the release.

    Nobody waits in the database meanwhile: whoever finds the release busy holds nothing.
    """
    given_up_at = monotonic() + PATIENCE_SECONDS
    respond: Callable[[QueueFile, Sequence[Event]], Answer] = _standing
    while True:
        try:
            return await caller.execute(decide, command, respond)
        except Refusal as refusal:
            if refusal.code != BUSY:
                raise
            if monotonic() > given_up_at:
                raise unavailable(refusal.detail) from refusal
        await asyncio.sleep(PAUSE_SECONDS)

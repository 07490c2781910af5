"""HTTP → queries, and the one command there is: publishing a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, Security

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import problem_responses
from keyturn_events import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.scalars import CODE_PATTERN, ID_PATTERN
from segmentation import queries
from segmentation.api.bodies import (
    CustomerBody,
    MemberBody,
    MembershipBody,
    ModelBody,
    MovesBody,
    PublishedBody,
    SegmentCountBody,
    SegmentCountsBody,
    SilenceBody,
    TimelineEntryBody,
)
from segmentation.domain.models import UNCLASSIFIED, SegmentModel, SilenceModel, checked
from segmentation.domain.profile import profile_of
from segmentation.domain.shelf import Model, Shelf, deciding, publish
from segmentation.store.store import store

router = APIRouter()

CustomerReader = Annotated[Principal, Security(principal, scopes=["customers:read"])]
SegmentReader = Annotated[Principal, Security(principal, scopes=["segments:read"])]
ModelReader = Annotated[Principal, Security(principal, scopes=["models:read"])]
ModelWriter = Annotated[commands.Caller, Security(commands.caller, scopes=["models:write"])]

CustomerPath = Annotated[str, Path(pattern=ID_PATTERN, description="Any id of the customer.")]
ModelPath = Annotated[str, Path(pattern=CODE_PATTERN, examples=["pulte"])]
ModelQuery = Annotated[
    str, Query(pattern=CODE_PATTERN, description="The segment model.", examples=["pulte"])
]
SegmentQuery = Annotated[
    str | None,
    Query(
        pattern=CODE_PATTERN,
        description="Only this segment; `unclassified` for who is in none yet.",
        examples=["first-time-buyer"],
    ),
]
DryRun = Annotated[
    bool, Query(description="Count the moves over the whole population and publish nothing.")
]


@router.get(
    "/customers",
    tags=["customers"],
    summary="The customers of a model or of one of its segments",
    responses=problem_responses(404),
)
async def list_customers(
    _: CustomerReader,
    connection: commands.Reading,
    model: ModelQuery = "pulte",
    segment: SegmentQuery = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MemberBody]:
    """In the order of their ids. A person with several ids is there once, as the survivor."""
    known = _segment_model(await store.latest(connection), model)
    if segment is not None and segment not in {UNCLASSIFIED, *(s.segment for s in known.segments)}:
        raise Refusal(
            "segment-not-found",
            f"{model} has no segment {segment}; GET /models/{model} lists them.",
            kind=RefusalKind.NOT_FOUND,
        )
    after = queries.CUSTOMERS.decode(cursor)
    rows = await queries.members(connection, model, segment, after, limit)
    found, next_cursor = queries.CUSTOMERS.page(rows, limit, lambda row: (row.customer_id,))
    items = [MemberBody.of(member, known) for member in found]
    return Page[MemberBody](items=items, next_cursor=next_cursor)


@router.get(
    "/customers/{customer_id}",
    tags=["customers"],
    summary="The profile 客户360 of a customer",
    responses=problem_responses(404),
)
async def read_customer(
    customer_id: CustomerPath, _: CustomerReader, connection: commands.Reading
) -> CustomerBody:
    """Built from events alone. An id that was merged answers with the person it now means."""
    found = await queries.person(connection, customer_id)
    lines = await queries.counts_by_type(connection, found.known_as)
    profile = profile_of(found.customer_id, found.known_as, found.facts)
    return CustomerBody.of(profile, found.standing, lines)


@router.get(
    "/customers/{customer_id}/timeline",
    tags=["customers"],
    summary="Everything that happened to a customer, the latest first",
    responses=problem_responses(404),
)
async def read_timeline(
    customer_id: CustomerPath,
    _: CustomerReader,
    connection: commands.Reading,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[TimelineEntryBody]:
    """One line an event, with its facts, under all ids of the person."""
    found = await queries.person(connection, customer_id)
    after = queries.TIMELINE.decode(cursor)
    rows = await queries.timeline(connection, found.known_as, after, limit)
    lines, next_cursor = queries.TIMELINE.page(rows, limit, lambda row: (row.at, row.event_id))
    items = [TimelineEntryBody.model_validate(line, from_attributes=True) for line in lines]
    return Page[TimelineEntryBody](items=items, next_cursor=next_cursor)


@router.get(
    "/customers/{customer_id}/segments",
    tags=["customers"],
    summary="Where a customer stands in each model, and why",
    responses=problem_responses(404),
)
async def read_memberships(
    customer_id: CustomerPath, _: CustomerReader, connection: commands.Reading
) -> list[MembershipBody]:
    """The rule that decided, what it looked at, what is missing, since when and by which event."""
    found = await queries.person(connection, customer_id)
    known = deciding(await store.latest(connection))
    return [
        MembershipBody.of(found.customer_id, model, found.standing.memberships[model.model])
        for model in known.segments
        if model.model in found.standing.memberships
    ]


@router.get(
    "/segments",
    tags=["segments"],
    summary="How many customers each segment has",
    responses=problem_responses(404),
)
async def count_segments(
    _: SegmentReader, connection: commands.Reading, model: ModelQuery = "pulte"
) -> SegmentCountsBody:
    """All segments of the model in its own order, and `unclassified` last."""
    known = _segment_model(await store.latest(connection), model)
    counts = {
        count.segment: count.customers for count in await queries.segment_counts(connection, model)
    }
    codes = dict.fromkeys([*(s.segment for s in known.segments), *sorted(counts), UNCLASSIFIED])
    codes[UNCLASSIFIED] = codes.pop(UNCLASSIFIED)
    total = sum(counts.values())
    return SegmentCountsBody(
        model=known.model,
        version=known.version,
        labels=known.labels,
        customers=total,
        segments=[
            SegmentCountBody.of(known.segment(code), counts.get(code, 0), total) for code in codes
        ],
    )


@router.get("/models", tags=["models"], summary="The models that decide now")
async def list_models(
    _: ModelReader, connection: commands.Reading
) -> list[ModelBody | SilenceBody]:
    """The latest version of each, whole."""
    return [_body_of(model) for model in (await store.latest(connection)).values()]


@router.get(
    "/models/{model}",
    tags=["models"],
    summary="One model, in its latest version",
    responses=problem_responses(404),
)
async def read_model(
    model: ModelPath, _: ModelReader, connection: commands.Reading
) -> ModelBody | SilenceBody:
    """Rules in the order in which they decide."""
    latest = await store.latest(connection)
    if model not in latest:
        raise _no_model(model)
    return _body_of(latest[model])


@router.put(
    "/models/silence",
    tags=["models"],
    summary="Publish when customers count as dormant",
    response_model=PublishedBody,
    responses=problem_responses(409),
)
async def publish_silence(body: SilenceBody, caller: ModelWriter) -> Response:
    """`version` is one more than the latest. The worker then looks at every customer anew."""
    return await caller.execute(publish, body.model_of("silence"), _published)


@router.put(
    "/models/{model}",
    tags=["models"],
    summary="Publish the next version of a segment model, or see what it would change",
    response_model=PublishedBody | MovesBody,
    responses=problem_responses(409),
)
async def publish_model(
    model: ModelPath,
    body: ModelBody,
    caller: ModelWriter,
    dry_run: DryRun = False,
) -> Response | MovesBody:
    """`version` is one more than the latest; 1 makes a new model. The worker then moves people.

    With `dry_run=true` the moves are counted over the whole population and nothing changes.
    """
    candidate = body.model_of(model)
    if not dry_run:
        return await caller.execute(publish, candidate, _published)
    runtime = caller.runtime
    async with runtime.database.reading() as connection:
        known = deciding(await store.latest(connection))
        at = await runtime.clock.now(connection)
        moves = await queries.preview(connection, checked(candidate), known, at)
    return MovesBody.of(candidate, moves)


def _published(shelf: Shelf, _: Sequence[Event]) -> PublishedBody:
    (name,) = shelf.published
    model = shelf.models[name]
    return PublishedBody(model=name, version=model.version, published_at=shelf.published[name])


def _segment_model(latest: dict[str, Model], name: str) -> SegmentModel:
    model = latest.get(name)
    if not isinstance(model, SegmentModel):
        raise _no_model(name)
    return model


def _no_model(name: str) -> Refusal:
    return Refusal(
        "model-not-found",
        f"There is no model {name}; GET /models lists them.",
        kind=RefusalKind.NOT_FOUND,
    )


def _body_of(model: Model) -> ModelBody | SilenceBody:
    return SilenceBody.of(model) if isinstance(model, SilenceModel) else ModelBody.of(model)

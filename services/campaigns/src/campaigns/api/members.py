"""The member club 万客会: points, entries, redemptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaigns import queries
from campaigns.api.doors import IdPath, MemberReader, MemberWriter
from campaigns.domain import desk, ledger
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.ledger import Entry, EntryKind
from keyturn_chassis.commands import Reading
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event
from keyturn_events.campaigns import PointsEvent
from keyturn_events.scalars import EntryId, Points
from keyturn_events.vocabulary import PointsReason, Tier

router = APIRouter(prefix="/members", tags=["members"])


class MemberBody(BaseModel):
    """A member."""

    member_id: str
    tier: Tier
    enrolled_at: AwareDatetime | None
    balance: int = Field(description="Points that may be spent: the sum of all entries.")
    pending: int = Field(description="Points that are promised but may not be spent yet.")


@router.get("/{member_id}", summary="Read a member")
async def read_member(member_id: IdPath, connection: Reading, _: MemberReader) -> MemberBody:
    """Balances and tier of a member."""
    view = await queries.member(connection, member_id)
    if view is None:
        raise desk.no_member()
    return MemberBody(
        member_id=view.member_id,
        tier=view.tier,
        enrolled_at=view.enrolled_at,
        balance=view.balance,
        pending=view.pending,
    )


class EntryBody(BaseModel):
    """One entry of the ledger."""

    entry_id: str
    kind: EntryKind
    reason: PointsReason
    at: AwareDatetime
    points: int = Field(description="Points that may be spent, which came (+) or went (-).")
    pending: int = Field(description="Promised points, which came (+) or went (-).")
    lot_id: str | None
    reverses: str | None
    active_from: AwareDatetime | None
    expires_on: date | None

    @classmethod
    def of(cls, entry: Entry) -> EntryBody:
        """The body of an entry."""
        return cls(
            entry_id=entry.entry_id,
            kind=entry.kind,
            reason=entry.reason,
            at=entry.at,
            points=ledger.balance([entry]),
            pending=ledger.pending([entry]),
            lot_id=entry.lot_id,
            reverses=entry.reverses,
            active_from=entry.active_from,
            expires_on=entry.expires_on,
        )


@router.get("/{member_id}/entries", summary="List a member's entries")
async def list_entries(
    member_id: IdPath,
    connection: Reading,
    _: MemberReader,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[EntryBody]:
    """Every entry, the newest first."""
    after = queries.newest_entry_first.decode(cursor)
    rows = await queries.entries(connection, member_id, after, limit)
    items, following = queries.newest_entry_first.page(rows, limit, lambda row: (row[0],))
    return Page(items=[EntryBody.of(entry) for _, entry in items], next_cursor=following)


class AwardBody(BaseModel):
    """Points to give."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"points": 500, "reason": "survey"}]}
    )

    points: Points
    reason: Literal[
        PointsReason.SURVEY,
        PointsReason.BIRTHDAY,
        PointsReason.ANNIVERSARY,
        PointsReason.PROMOTION,
        PointsReason.WIN_BACK,
        PointsReason.PURCHASE,
        PointsReason.CORRECTION,
    ]


class RedemptionBody(BaseModel):
    """Points to spend."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"points": 300, "reason": "gift"}]}
    )

    points: Points
    reason: Literal[PointsReason.GIFT, PointsReason.SERVICE] = PointsReason.GIFT


class ReversalBody(BaseModel):
    """The entry to undo."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"entry_id": "0b9e6d7e-7f6e-5a55-9c0a-3f1d2f0c9a11"}]},
    )

    entry_id: EntryId


class Booked(BaseModel):
    """The member after the entry."""

    member_id: str
    entry_id: str | None = Field(description="The new entry; absent when nothing was left to do.")
    balance: int
    pending: int


def _booked(file: CustomerFile, events: Sequence[Event]) -> Booked:
    member = file.membership(file.customer.customer_id)
    return Booked(
        member_id=member.member_id,
        entry_id=next((e.entry_id for e in events if isinstance(e, PointsEvent)), None),
        balance=member.balance,
        pending=member.pending,
    )


@router.post("/{member_id}/awards", status_code=201, response_model=Booked, summary="Give points")
async def award(member_id: IdPath, body: AwardBody, caller: MemberWriter) -> Response:
    """Give points that may be spent at once and expire in time."""
    command = desk.Award(member_id, body.points, body.reason)
    return await caller.execute(desk.award, command, _booked, status=201)


@router.post(
    "/{member_id}/redemptions", status_code=201, response_model=Booked, summary="Spend points"
)
async def redeem(member_id: IdPath, body: RedemptionBody, caller: MemberWriter) -> Response:
    """Spend points, those first that expire first; refused when there are too few."""
    command = desk.Redeem(member_id, body.points, body.reason)
    return await caller.execute(desk.redeem, command, _booked, status=201)


@router.post(
    "/{member_id}/reversals", status_code=201, response_model=Booked, summary="Undo an entry"
)
async def undo(member_id: IdPath, body: ReversalBody, caller: MemberWriter) -> Response:
    """Undo an entry that gave or spent points; both stay in the ledger. Again it does nothing."""
    command = desk.Undo(member_id, body.entry_id)
    return await caller.execute(desk.undo, command, _booked, status=201)

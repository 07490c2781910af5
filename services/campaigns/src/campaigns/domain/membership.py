"""A member of the club: ledger entries with what they mean for the member, in events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TypedDict
from zoneinfo import ZoneInfo

from campaigns.domain import ledger
from campaigns.domain.identity import derive
from campaigns.domain.ledger import Account, Entry
from campaigns.domain.programme import PROGRAMME, Programme
from keyturn_events import Event
from keyturn_events.campaigns import (
    MemberEnrolled,
    PointsEarned,
    PointsExpired,
    PointsReversed,
    PointsSpent,
    TierChanged,
)
from keyturn_events.values import LotUse
from keyturn_events.vocabulary import PointsReason, PointsState, Tier, TierReason


class LotTimer(StrEnum):
    """What a lot of points waits for."""

    ACTIVATE = "points-activate"
    EXPIRE = "points-expire"


@dataclass(frozen=True, slots=True)
class LotDeadline:
    """When something is to happen to a lot."""

    kind: LotTimer
    due_at: datetime
    lot_id: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One member; `entries` are all of the ledger's that are theirs, in the order of writing."""

    member_id: str
    enrolled: Mapping[str, datetime] = field(default_factory=dict)
    """Since when, by the customer id under which they became a member."""
    entries: tuple[Entry, ...] = ()

    @property
    def enrolled_at(self) -> datetime | None:
        """Since when they are a member; None when they are none."""
        return min(self.enrolled.values(), default=None)

    @property
    def tier(self) -> Tier:
        """The tier that their entries amount to."""
        return tier_of(self.entries)

    @property
    def balance(self) -> int:
        """Points that may be spent."""
        return ledger.balance(self.entries)

    @property
    def pending(self) -> int:
        """Points that are promised."""
        return ledger.pending(self.entries)


def together(member_id: str, own: Iterable[Membership]) -> Membership:
    """The membership of a person from what each of their ids has of its own."""
    own = list(own)
    return Membership(
        member_id,
        {key: at for each in own for key, at in each.enrolled.items()},
        tuple(entry for each in own for entry in each.entries),
    )


def apart(member: Membership) -> dict[str, Membership]:
    """What each id of a person has of its own; the reverse of `together`."""
    entries: dict[str, list[Entry]] = {}
    for entry in member.entries:
        entries.setdefault(entry.holder or member.member_id, []).append(entry)
    return {
        key: Membership(
            key,
            {key: member.enrolled[key]} if key in member.enrolled else {},
            tuple(entries.get(key, ())),
        )
        for key in {member.member_id} | member.enrolled.keys() | entries.keys()
    }


def enrol(member: Membership, customer_id: str, at: datetime) -> tuple[Membership, list[Event]]:
    """Make a customer a member under this id; nothing is said if the person is one already.

    They are one since the earliest of all that made them one, whichever is heard first.
    """
    since = min(member.enrolled.get(customer_id, at), at)
    enrolled = replace(member, enrolled={**member.enrolled, customer_id: since})
    if member.enrolled_at is not None:
        return enrolled, []
    return enrolled, [
        MemberEnrolled(customer_id=member.member_id, member_id=member.member_id, tier=member.tier)
    ]


def award(
    member: Membership,
    *,
    entry_id: str,
    points: int,
    reason: PointsReason,
    at: datetime,
    active_from: datetime | None = None,
    caused_by: str | None = None,
    holder: str | None = None,
) -> tuple[Membership, list[Event]]:
    """Give a lot of points, which expire with the day that the programme says.

    `holder` is the customer id that earned them, which keeps them through merges and un-merges.
    """
    expires_on = _years_later((active_from or at).date(), PROGRAMME.points_hold_years)
    entry = ledger.earn(
        member.entries,
        entry_id=entry_id,
        lot_id=entry_id,
        points=points,
        reason=reason,
        at=at,
        active_from=active_from,
        expires_on=expires_on,
        caused_by=caused_by,
        holder=holder or member.member_id,
    )
    return _written(member, entry)


def redeem(
    member: Membership, *, entry_id: str, points: int, reason: PointsReason, at: datetime
) -> tuple[Membership, list[Event]]:
    """Spend points. Raises `Refusal` when the balance is too small."""
    entry = ledger.spend(member.entries, entry_id=entry_id, points=points, reason=reason, at=at)
    return _written(member, entry)


def undo(
    member: Membership,
    undone_id: str,
    *,
    reason: PointsReason,
    at: datetime,
    caused_by: str | None = None,
) -> tuple[Membership, list[Event]]:
    """Undo an entry; nothing, if that was done before."""
    entry = ledger.reverse(
        member.entries,
        undone_id,
        entry_id=reversal_id(undone_id),
        reason=reason,
        at=at,
        caused_by=caused_by,
    )
    return _written(member, entry)


def reversal_id(undone_id: str) -> str:
    """The id of the entry that undoes another; one for each, so that it happens once."""
    return derive("reversal", undone_id)


def lot_due(member: Membership, deadline: LotDeadline) -> tuple[Membership, list[Event]]:
    """A lot becomes active, or expires; nothing, if it does not wait for that any more."""
    entry_id = derive(deadline.kind, deadline.lot_id)
    step = ledger.activate if deadline.kind is LotTimer.ACTIVATE else ledger.expire
    entry = step(member.entries, deadline.lot_id, entry_id=entry_id, at=deadline.due_at)
    return _written(member, entry)


def deadlines(member: Membership) -> list[LotDeadline]:
    """When a lot of this member, or of one id of theirs, becomes active, or expires."""
    found = []
    for lot in ledger.lots(member.entries):
        if lot.pending > 0 and lot.active_from is not None:
            found.append(LotDeadline(LotTimer.ACTIVATE, lot.active_from, lot.lot_id))
        if lot.active > 0 and lot.expires_on is not None and not lot.closed:
            found.append(LotDeadline(LotTimer.EXPIRE, _end_of(lot.expires_on), lot.lot_id))
    return found


def tier_of(entries: Sequence[Entry], programme: Programme = PROGRAMME) -> Tier:
    """The tier that the points earned in all, less what was taken back, amount to."""
    issued = -sum(
        posting.points
        for entry in entries
        for posting in entry.postings
        if posting.account is Account.ISSUED
    )
    earned = issued - ledger.pending(entries)
    return [tier for tier, begins in programme.tiers.items() if earned >= begins or not begins][-1]


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(PROGRAMME.time_zone))


def _years_later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _written(member: Membership, entry: Entry | None) -> tuple[Membership, list[Event]]:
    """The member with one more entry, and what it is called in events."""
    if entry is None:
        return member, []
    entry = replace(entry, holder=entry.holder or member.member_id)
    after = replace(member, entries=(*member.entries, entry))
    return after, [*_told(after, entry), *tier_moved(member, after)]


def tier_moved(before: Membership, after: Membership) -> list[Event]:
    """What is said when a member has risen or fallen to another tier."""
    if after.tier is before.tier:
        return []
    rising = list(PROGRAMME.tiers)
    rose = rising.index(after.tier) > rising.index(before.tier)
    return [
        TierChanged(
            customer_id=after.member_id,
            member_id=after.member_id,
            from_tier=before.tier,
            to_tier=after.tier,
            reason=TierReason.POINTS if rose else TierReason.REVERSAL,
        )
    ]


class _Facts(TypedDict):
    customer_id: str
    member_id: str
    entry_id: str
    balance: int
    pending: int


def _told(member: Membership, entry: Entry) -> list[Event]:
    if entry.points == 0:
        return []
    facts = _Facts(
        customer_id=member.member_id,
        member_id=member.member_id,
        entry_id=entry.entry_id,
        balance=member.balance,
        pending=member.pending,
    )
    match entry.kind:
        case ledger.EntryKind.EARN | ledger.EntryKind.ACTIVATE:
            earned_pending = entry.active_from is not None
            return [
                PointsEarned(
                    **facts,
                    lot_id=_lot(entry),
                    points=entry.points,
                    state=PointsState.PENDING if earned_pending else PointsState.ACTIVE,
                    reason=entry.reason,
                    active_from=entry.active_from,
                    expires_on=entry.expires_on,
                    caused_by=entry.caused_by,
                )
            ]
        case ledger.EntryKind.SPEND:
            return [
                PointsSpent(
                    **facts,
                    points=entry.points,
                    lots=tuple(
                        LotUse(lot_id=lot_id, points=points)
                        for lot_id, points in ledger.uses(entry).items()
                    ),
                    reason=entry.reason,
                )
            ]
        case ledger.EntryKind.EXPIRE:
            return [
                PointsExpired(
                    **facts,
                    lot_id=_lot(entry),
                    points=entry.points,
                    expired_on=entry.expires_on or entry.at.date(),
                )
            ]
        case ledger.EntryKind.REVERSE if entry.reverses is not None:
            return [
                PointsReversed(
                    **facts,
                    reverses=entry.reverses,
                    lot_id=entry.lot_id,
                    points=entry.points,
                    state=ledger.touched(entry),
                    was_earned=any(p.account is Account.ISSUED for p in entry.postings),
                    reason=entry.reason,
                )
            ]
    return []


def _lot(entry: Entry) -> str:
    return entry.postings[0].lot_id

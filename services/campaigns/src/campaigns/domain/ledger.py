"""The points ledger of the member club 万客会: double entry, append only.

Every entry moves points between accounts and its postings sum to zero. A member's balance is the
sum of the postings to their account and nothing else, so a repeat of an entry (same id) changes
nothing, and an entry is undone by another one that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from keyturn_events import Refusal, RefusalKind
from keyturn_events.vocabulary import PointsReason, PointsState


class Account(StrEnum):
    """Where points are. The club's accounts mirror the member's, so that every entry balances."""

    PENDING = "member-pending"
    ACTIVE = "member-active"
    ISSUED = "club-issued"
    REDEEMED = "club-redeemed"
    EXPIRED = "club-expired"


class EntryKind(StrEnum):
    """What an entry does."""

    EARN = "earn"
    ACTIVATE = "activate"
    SPEND = "spend"
    EXPIRE = "expire"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class Posting:
    """Points that come to an account (positive) or go from it (negative), of one lot."""

    account: Account
    lot_id: str
    points: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; never changed, never removed."""

    entry_id: str
    kind: EntryKind
    reason: PointsReason
    at: datetime
    postings: tuple[Posting, ...]
    reverses: str | None = None
    active_from: datetime | None = None
    expires_on: date | None = None
    caused_by: str | None = None
    holder: str | None = None
    """The customer id that it is booked under; the member's own when None."""

    def __post_init__(self) -> None:
        if sum(posting.points for posting in self.postings) != 0:
            raise ValueError("the postings of an entry sum to zero")

    @property
    def lot_id(self) -> str | None:
        """The lot that the entry is about; None when it is about several or none."""
        lots = {posting.lot_id for posting in self.postings}
        return lots.pop() if len(lots) == 1 else None

    @property
    def points(self) -> int:
        """How many points the entry moves."""
        return sum(posting.points for posting in self.postings if posting.points > 0)


@dataclass(frozen=True, slots=True)
class Lot:
    """What is left of the points that were given at one time."""

    lot_id: str
    pending: int
    active: int
    earned_at: datetime
    active_from: datetime | None
    expires_on: date | None
    closed: bool
    """Whether it has expired."""


def balance(entries: Iterable[Entry]) -> int:
    """Points that may be spent; below zero after a claw-back of spent points."""
    return _sum(entries, Account.ACTIVE)


def pending(entries: Iterable[Entry]) -> int:
    """Points that are promised but may not be spent yet."""
    return _sum(entries, Account.PENDING)


def lots(entries: Sequence[Entry]) -> list[Lot]:
    """The lots of a member, those that expire first before the others."""
    given = {
        entry.lot_id: entry
        for entry in entries
        if entry.kind is EntryKind.EARN and entry.lot_id is not None
    }
    held: dict[tuple[str, Account], int] = {}
    closed: set[str] = set()
    for entry in entries:
        for posting in entry.postings:
            key = (posting.lot_id, posting.account)
            held[key] = held.get(key, 0) + posting.points
        if entry.kind is EntryKind.EXPIRE:
            closed.update(posting.lot_id for posting in entry.postings)
    found = [
        Lot(
            lot_id,
            held.get((lot_id, Account.PENDING), 0),
            held.get((lot_id, Account.ACTIVE), 0),
            entry.at,
            entry.active_from,
            entry.expires_on,
            lot_id in closed,
        )
        for lot_id, entry in given.items()
    ]
    return sorted(found, key=lambda lot: (lot.expires_on or date.max, lot.earned_at, lot.lot_id))


def earn(
    entries: Sequence[Entry],
    *,
    entry_id: str,
    lot_id: str,
    points: int,
    reason: PointsReason,
    at: datetime,
    active_from: datetime | None = None,
    expires_on: date | None = None,
    caused_by: str | None = None,
    holder: str | None = None,
) -> Entry | None:
    """Give a lot of points, pending until `active_from` if that is set.

    None when the entry is there already, or was undone before it came.
    """
    if _known(entries, entry_id) or is_reversed(entries, entry_id):
        return None
    account = Account.ACTIVE if active_from is None else Account.PENDING
    return Entry(
        entry_id,
        EntryKind.EARN,
        reason,
        at,
        (Posting(account, lot_id, points), Posting(Account.ISSUED, lot_id, -points)),
        active_from=active_from,
        expires_on=expires_on,
        caused_by=caused_by,
        holder=holder,
    )


def activate(entries: Sequence[Entry], lot_id: str, *, entry_id: str, at: datetime) -> Entry | None:
    """Let the pending points of a lot be spent from now on; None when it has none."""
    lot = _lot(entries, lot_id)
    if lot is None or lot.pending <= 0 or _known(entries, entry_id):
        return None
    given = _given(entries, lot_id)
    return Entry(
        entry_id,
        EntryKind.ACTIVATE,
        given.reason,
        at,
        (
            Posting(Account.PENDING, lot_id, -lot.pending),
            Posting(Account.ACTIVE, lot_id, lot.pending),
        ),
        expires_on=lot.expires_on,
        caused_by=given.caused_by,
        holder=given.holder,
    )


def spend(
    entries: Sequence[Entry], *, entry_id: str, points: int, reason: PointsReason, at: datetime
) -> Entry | None:
    """Spend points, those first that expire first; None when the entry is there already.

    Raises `Refusal` (`balance-too-small`) when fewer points than that may be spent.
    """
    if _known(entries, entry_id):
        return None
    available = balance(entries)
    if available < points:
        raise Refusal(
            "balance-too-small",
            f"{points} points were asked for and {available} may be spent; ask for fewer.",
            pointer="/points",
        )
    postings = []
    rest = points
    for lot in lots(entries):
        used = min(rest, max(0, lot.active))
        if used > 0:
            postings.append(Posting(Account.ACTIVE, lot.lot_id, -used))
            postings.append(Posting(Account.REDEEMED, lot.lot_id, used))
            rest -= used
    return Entry(entry_id, EntryKind.SPEND, reason, at, tuple(postings))


def expire(entries: Sequence[Entry], lot_id: str, *, entry_id: str, at: datetime) -> Entry | None:
    """Close a lot and let what is left of it expire; None when it is closed already.

    A member who owes points after a claw-back loses no more than the balance: the rest of the
    lot has gone against the debt.
    """
    lot = _lot(entries, lot_id)
    if lot is None or lot.closed or _known(entries, entry_id):
        return None
    given = _given(entries, lot_id)
    rest = max(0, min(lot.active, balance(entries)))
    return Entry(
        entry_id,
        EntryKind.EXPIRE,
        given.reason,
        at,
        (Posting(Account.ACTIVE, lot_id, -rest), Posting(Account.EXPIRED, lot_id, rest)),
        expires_on=lot.expires_on,
        holder=given.holder,
    )


def reverse(
    entries: Sequence[Entry],
    reversed_id: str,
    *,
    entry_id: str,
    reason: PointsReason,
    at: datetime,
    caused_by: str | None = None,
) -> Entry | None:
    """Undo an entry; None when it has been undone already.

    Points that were given go, except those that expired meanwhile; points that were spent come
    back to their lots. An entry that has not come yet will not count when it comes.

    Raises `Refusal` (`not-reversible`) for an entry that neither gave nor spent points.
    """
    if is_reversed(entries, reversed_id) or _known(entries, entry_id):
        return None
    original = next((entry for entry in entries if entry.entry_id == reversed_id), None)
    postings: tuple[Posting, ...] = ()
    if original is not None and original.kind is EntryKind.EARN:
        postings = _taken_back(entries, original)
    elif original is not None and original.kind is EntryKind.SPEND:
        postings = tuple(Posting(p.account, p.lot_id, -p.points) for p in original.postings)
    elif original is not None:
        raise Refusal(
            "not-reversible",
            f"An entry of kind {original.kind} cannot be undone; undo the one that gave or spent.",
            kind=RefusalKind.INVALID,
            pointer="/entry_id",
        )
    return Entry(
        entry_id,
        EntryKind.REVERSE,
        reason,
        at,
        postings,
        reverses=reversed_id,
        caused_by=caused_by,
        holder=None if original is None else original.holder,
    )


def is_reversed(entries: Iterable[Entry], entry_id: str) -> bool:
    """Whether an entry has been undone."""
    return any(entry.reverses == entry_id for entry in entries)


def touched(entry: Entry) -> PointsState:
    """Which of the member's balances an entry changed."""
    pending_too = any(posting.account is Account.PENDING for posting in entry.postings)
    return PointsState.PENDING if pending_too else PointsState.ACTIVE


def uses(entry: Entry) -> Mapping[str, int]:
    """How many of the member's active points an entry took from each lot."""
    return {
        posting.lot_id: -posting.points
        for posting in entry.postings
        if posting.account is Account.ACTIVE and posting.points < 0
    }


def _taken_back(entries: Sequence[Entry], original: Entry) -> tuple[Posting, ...]:
    lot_id = original.postings[0].lot_id
    held = {
        account: sum(
            posting.points
            for entry in entries
            for posting in entry.postings
            if posting.lot_id == lot_id and posting.account is account
        )
        for account in (Account.PENDING, Account.EXPIRED)
    }
    active = original.points - held[Account.PENDING] - held[Account.EXPIRED]
    moved = ((Account.PENDING, held[Account.PENDING]), (Account.ACTIVE, active))
    taken = tuple(Posting(account, lot_id, -points) for account, points in moved if points > 0)
    return (*taken, Posting(Account.ISSUED, lot_id, -sum(posting.points for posting in taken)))


def _lot(entries: Sequence[Entry], lot_id: str) -> Lot | None:
    return next((lot for lot in lots(entries) if lot.lot_id == lot_id), None)


def _given(entries: Sequence[Entry], lot_id: str) -> Entry:
    return next(e for e in entries if e.kind is EntryKind.EARN and e.lot_id == lot_id)


def _known(entries: Iterable[Entry], entry_id: str) -> bool:
    return any(entry.entry_id == entry_id for entry in entries)


def _sum(entries: Iterable[Entry], account: Account) -> int:
    return sum(
        posting.points
        for entry in entries
        for posting in entry.postings
        if posting.account is account
    )

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain import ledger
from campaigns.domain.ledger import Account, Entry
from campaigns.domain.membership import (
    LotDeadline,
    LotTimer,
    Membership,
    award,
    deadlines,
    enrol,
    lot_due,
    redeem,
    reversal_id,
    undo,
)
from keyturn_events import Event, Refusal
from keyturn_events.campaigns import (
    MemberEnrolled,
    PointsEarned,
    PointsExpired,
    PointsReversed,
    PointsSpent,
    TierChanged,
)
from keyturn_events.vocabulary import PointsReason, PointsState, Tier

AT = datetime(2026, 3, 4, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def earned(entries: list[Entry], name: str, points: int, expires_on: date | None = None) -> None:
    entry = ledger.earn(
        entries,
        entry_id=name,
        lot_id=name,
        points=points,
        reason=PointsReason.REFERRAL,
        at=AT,
        expires_on=expires_on,
    )
    entries += [entry] if entry else []


def spent(entries: list[Entry], name: str, points: int) -> None:
    entry = ledger.spend(entries, entry_id=name, points=points, reason=PointsReason.GIFT, at=AT)
    entries += [entry] if entry else []


def reversed_(entries: list[Entry], name: str) -> None:
    entry = ledger.reverse(
        entries, name, entry_id=f"undo-{name}", reason=PointsReason.CORRECTION, at=AT
    )
    entries += [entry] if entry else []


operations = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.sampled_from("abcd"), st.integers(1, 100)),
        st.tuples(st.just("spend"), st.sampled_from("wxyz"), st.integers(1, 150)),
        st.tuples(st.just("undo"), st.sampled_from("abcdwxyz"), st.just(0)),
        st.tuples(st.just("expire"), st.sampled_from("abcd"), st.just(0)),
    ),
    max_size=25,
)


def applied(entries: list[Entry], operation: tuple[str, str, int]) -> bool:
    kind, name, points = operation
    before = len(entries)
    try:
        match kind:
            case "earn":
                earned(entries, name, points)
            case "spend":
                spent(entries, name, points)
            case "undo":
                reversed_(entries, name)
            case _:
                entry = ledger.expire(entries, name, entry_id=f"expiry-{name}", at=AT)
                entries += [entry] if entry else []
    except Refusal as refusal:
        too_small = refusal.code == "balance-too-small" and ledger.balance(entries) < points
        if not too_small:
            raise
    return len(entries) > before


@given(operations)
def test_every_entry_balances_and_the_balance_is_the_sum_of_the_entries(
    done: list[tuple[str, str, int]],
) -> None:
    entries: list[Entry] = []
    for operation in done:
        before = ledger.balance(entries)
        if applied(entries, operation):
            [last] = entries[-1:]
            assert sum(posting.points for posting in last.postings) == 0
            assert ledger.balance(entries) == before + ledger.balance([last])
            if operation[0] == "spend":
                assert ledger.balance(entries) >= 0
    assert ledger.balance(entries) == sum(lot.active for lot in ledger.lots(entries))


@given(operations)
def test_doing_everything_once_more_changes_nothing(done: list[tuple[str, str, int]]) -> None:
    entries: list[Entry] = []
    accepted = [operation for operation in done if applied(entries, operation)]
    settled = list(entries)
    for kind, name, points in accepted:
        applied(entries, (kind, name, points))
    assert entries == settled


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("earn"), st.sampled_from("abc")),
            st.tuples(st.just("undo"), st.sampled_from("abc")),
        ),
        max_size=6,
    ).flatmap(lambda done: st.tuples(st.just(done), st.permutations(done * 2)))
)
def test_earning_and_undoing_come_to_the_same_in_any_order_and_number(
    orders: tuple[list[tuple[str, str]], list[tuple[str, str]]],
) -> None:
    balances = []
    for order in orders:
        entries: list[Entry] = []
        for kind, name in order:
            applied(entries, (kind, name, ord(name)))
        balances.append(ledger.balance(entries))
    assert balances[0] == balances[1]


def test_a_second_reversal_of_an_entry_is_no_entry() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 100)
    reversed_(entries, "a")
    again = ledger.reverse(
        entries, "a", entry_id="another-id", reason=PointsReason.CORRECTION, at=AT
    )
    assert again is None
    assert ledger.balance(entries) == 0


def test_a_reversal_cannot_itself_be_undone() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 100)
    reversed_(entries, "a")
    with pytest.raises(Refusal, match="not-reversible"):
        reversed_(entries, "undo-a")


def test_the_lot_that_expires_first_is_spent_first() -> None:
    entries: list[Entry] = []
    earned(entries, "late", 50, date(2028, 1, 1))
    earned(entries, "soon", 30, date(2027, 1, 1))
    earned(entries, "never", 20)
    spent(entries, "gift", 60)
    assert ledger.uses(entries[-1]) == {"soon": 30, "late": 30}
    assert [(lot.lot_id, lot.active) for lot in ledger.lots(entries)] == [
        ("soon", 0),
        ("late", 20),
        ("never", 20),
    ]


def test_undoing_a_redemption_gives_each_lot_its_points_back() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 50)
    spent(entries, "gift", 40)
    reversed_(entries, "gift")
    assert ledger.balance(entries) == 50
    assert [lot.active for lot in ledger.lots(entries)] == [50]


def test_taking_back_spent_points_leaves_a_debt_that_new_points_pay() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 100)
    spent(entries, "gift", 80)
    reversed_(entries, "a")
    assert ledger.balance(entries) == -80
    earned(entries, "b", 100)
    with pytest.raises(Refusal, match="20 may be spent"):
        spent(entries, "more", 21)
    spent(entries, "enough", 20)
    assert ledger.balance(entries) == 0


def test_no_more_expires_than_a_debt_has_left_over() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 100)
    spent(entries, "gift", 80)
    reversed_(entries, "a")
    earned(entries, "b", 100)
    entry = ledger.expire(entries, "b", entry_id="expiry-b", at=AT)
    assert entry is not None
    assert entry.points == 20


def test_what_expired_is_not_taken_back_a_second_time() -> None:
    entries: list[Entry] = []
    earned(entries, "a", 100)
    spent(entries, "gift", 40)
    expiry = ledger.expire(entries, "a", entry_id="expiry-a", at=AT)
    entries += [expiry] if expiry else []
    reversed_(entries, "a")
    assert ledger.balance(entries) == -40


def told(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def referral(member: Membership, entry_id: str = "r1") -> tuple[Membership, list[Event]]:
    return award(
        member,
        entry_id=entry_id,
        points=10_000,
        reason=PointsReason.REFERRAL,
        at=AT,
        active_from=AT + 7 * DAY,
    )


def test_a_reward_is_pending_until_the_cooling_off_ends_and_then_active() -> None:
    member, events = referral(Membership("ann"))
    [promised] = events
    assert isinstance(promised, PointsEarned)
    assert (promised.state, promised.balance, promised.pending) == (PointsState.PENDING, 0, 10_000)
    assert promised.expires_on == date(2028, 3, 11)
    [due] = deadlines(member)
    assert due == LotDeadline(LotTimer.ACTIVATE, AT + 7 * DAY, "r1")
    member, events = lot_due(member, due)
    active, risen = events
    assert isinstance(active, PointsEarned)
    assert (active.state, active.balance, active.pending) == (PointsState.ACTIVE, 10_000, 0)
    assert active.lot_id == promised.lot_id
    assert isinstance(risen, TierChanged)
    assert (risen.from_tier, risen.to_tier) == (Tier.BLUE, Tier.SILVER)
    assert lot_due(member, due) == (member, [])


def test_points_expire_when_their_last_day_is_over_in_the_clubs_own_zone() -> None:
    member, _ = award(
        Membership("ann"), entry_id="a", points=100, reason=PointsReason.SURVEY, at=AT
    )
    member, _ = redeem(member, entry_id="s", points=30, reason=PointsReason.GIFT, at=AT)
    [due] = deadlines(member)
    assert due.kind is LotTimer.EXPIRE
    assert due.due_at == datetime(2028, 3, 4, 16, tzinfo=UTC)
    member, events = lot_due(member, due)
    [expired] = events
    assert isinstance(expired, PointsExpired)
    assert (expired.points, expired.expired_on, expired.balance) == (70, date(2028, 3, 4), 0)
    assert deadlines(member) == []


def test_every_kind_of_entry_is_told_with_the_balances_after_it() -> None:
    member, events = enrol(Membership("ann"), "ann", AT)
    assert told(events) == [MemberEnrolled]
    assert enrol(member, "ann", AT + DAY) == (member, [])
    member, _ = award(member, entry_id="a", points=6_000, reason=PointsReason.PROMOTION, at=AT)
    assert member.tier is Tier.SILVER
    member, events = redeem(member, entry_id="s", points=500, reason=PointsReason.GIFT, at=AT)
    [gone] = events
    assert isinstance(gone, PointsSpent)
    assert (gone.points, gone.balance, gone.lots[0].lot_id) == (500, 5_500, "a")
    member, events = undo(member, "a", reason=PointsReason.CORRECTION, at=AT)
    taken, fell = events
    assert isinstance(taken, PointsReversed)
    assert (taken.reverses, taken.entry_id) == ("a", reversal_id("a"))
    assert (taken.points, taken.was_earned, taken.balance) == (6_000, True, -500)
    assert isinstance(fell, TierChanged)
    assert fell.to_tier is Tier.BLUE
    assert undo(member, "a", reason=PointsReason.CORRECTION, at=AT) == (member, [])


def test_a_pending_reward_that_is_taken_back_has_nothing_left_to_wait_for() -> None:
    for order in permutations(["earn", "undo"]):
        member = Membership("ann")
        for step in order:
            if step == "earn":
                member, _ = referral(member)
            else:
                member, _ = undo(member, "r1", reason=PointsReason.RESCISSION, at=AT)
        assert (member.balance, member.pending, deadlines(member)) == (0, 0, [])


def test_an_entry_that_does_not_balance_cannot_be_made() -> None:
    posting = ledger.Posting(Account.ACTIVE, "a", 5)
    with pytest.raises(ValueError, match="sum to zero"):
        Entry("a", ledger.EntryKind.EARN, PointsReason.GIFT, AT, (posting,))

"""Which word of consent counts: an algebra, so that order and repetition do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from intake.domain.consent.consents import (
    LAST_END,
    Consent,
    ConsentGiven,
    differences,
    heard,
    lapse,
    months_after,
    most_restrictive,
    next_end,
)
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DAYS = [NOON + timedelta(days=day) for day in range(-1, 8)]


def word(
    status: ConsentStatus = ConsentStatus.GRANTED,
    basis: ConsentBasis = ConsentBasis.EXPRESS,
    *,
    days: int = 0,
    channel: Channel = Channel.SMS,
    ends: int | None = None,
    through: str = "web-form",
) -> Consent:
    return Consent(
        channel,
        Purpose.MARKETING,
        status,
        basis,
        NOON + timedelta(days=days),
        through,
        expires_at=None if ends is None else NOON + timedelta(days=ends),
    )


single = st.builds(
    word,
    st.sampled_from(ConsentStatus),
    st.sampled_from(ConsentBasis),
    days=st.integers(0, 3),
    channel=st.sampled_from([Channel.SMS, Channel.EMAIL]),
    ends=st.none() | st.integers(0, 6),
    through=st.sampled_from(["web-form", "import"]),
)
words = st.lists(single, max_size=8)


def after(consents: list[Consent]) -> set[Consent]:
    held: tuple[Consent, ...] = ()
    for consent in consents:
        held, _ = heard(held, [consent])
    return set(held)


def allowed(consents: tuple[Consent, ...], at: datetime) -> set[Channel]:
    return {consent.channel for consent in consents if consent.allows(at)}


def spoken_of(consents: tuple[Consent, ...]) -> set[Channel]:
    return {consent.channel for consent in consents}


@given(words, st.randoms())
def test_the_order_of_words_does_not_matter(said: list[Consent], random: object) -> None:
    shuffled = sorted(said, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert after(said) == after(shuffled) == set(heard((), said)[0])


@given(words)
def test_repeating_words_changes_nothing(said: list[Consent]) -> None:
    held, _ = heard((), said)
    assert heard(held, said) == (held, [])


@given(words, words, st.integers(-1, 7), st.integers(-1, 7))
def test_it_does_not_matter_whether_words_come_before_or_after_the_timer(
    early: list[Consent], late: list[Consent], fired: int, at_last: int
) -> None:
    last = DAYS[max(fired, at_last) + 1]
    held, _ = lapse(heard((), early)[0], DAYS[fired + 1])
    assert set(lapse(heard(held, late)[0], last)[0]) == set(
        lapse(heard((), [*early, *late])[0], last)[0]
    )


@given(words)
def test_a_refusal_by_the_person_is_never_overridden_by_what_the_builder_infers(
    said: list[Consent],
) -> None:
    inferred = [w for w in said if w.basis is not ConsentBasis.EXPRESS]
    no = word(ConsentStatus.WITHDRAWN)
    held, _ = heard((), [no, *(w for w in inferred if w.channel is Channel.SMS)])
    assert held == (no,)


@given(words, words)
def test_a_request_that_nobody_confirmed_neither_widens_nor_narrows(
    said: list[Consent], asked: list[Consent]
) -> None:
    requests = [w for w in asked if w.status is ConsentStatus.PENDING]
    spoken = [w for w in said if w.status is not ConsentStatus.PENDING]
    held, _ = heard((), spoken)
    both, _ = heard(held, requests)
    assert all(allowed(both, at) == allowed(held, at) for at in DAYS)


@given(words, single)
def test_a_refusal_said_last_leaves_nothing_allowed(said: list[Consent], last: Consent) -> None:
    no = word(ConsentStatus.WITHDRAWN, days=4, channel=last.channel)
    held, _ = heard((), [*said, no])
    assert all(last.channel not in allowed(held, at) for at in DAYS)


def test_the_later_word_of_the_person_counts() -> None:
    held, changed = heard((word(),), [word(ConsentStatus.WITHDRAWN, days=1)])
    assert held == (word(ConsentStatus.WITHDRAWN, days=1),)
    assert changed == [word(ConsentStatus.WITHDRAWN, days=1)]


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    latest = word(ConsentStatus.WITHDRAWN, days=1)
    assert heard((latest,), [word()]) == ((latest,), [])


def test_of_two_words_at_the_same_moment_the_stricter_counts() -> None:
    assert heard((), [word(ConsentStatus.DENIED), word()])[0] == (word(ConsentStatus.DENIED),)


def test_of_two_words_that_differ_only_in_their_end_the_one_that_ends_sooner_counts() -> None:
    assert heard((), [word(ends=5), word(ends=6), word()])[0] == (word(ends=5),)


def test_the_same_word_again_is_newer_evidence_and_no_change() -> None:
    again = word(days=1)
    assert heard((word(),), [again]) == ((again,), [])


def test_what_is_inferred_holds_as_long_as_any_ground_for_it() -> None:
    contract = word(basis=ConsentBasis.CONTRACT, ends=6)
    inquiry = word(basis=ConsentBasis.IMPLIED, days=2, ends=4)
    assert heard((contract,), [inquiry]) == ((contract,), [])


def test_an_implied_consent_of_an_inquiry_lasts_six_months() -> None:
    implied = ConsentGiven(Channel.SMS, Purpose.MARKETING, basis=ConsentBasis.IMPLIED)
    assert implied.said(NOON, "api").expires_at == datetime(2026, 9, 2, 4, 0, tzinfo=UTC)


def test_an_express_consent_has_no_end() -> None:
    assert ConsentGiven(Channel.SMS, Purpose.MARKETING).said(NOON, "api").expires_at is None


def test_months_end_on_the_last_day_when_the_month_is_shorter() -> None:
    assert months_after(datetime(2025, 8, 31, tzinfo=UTC), 6) == datetime(2026, 2, 28, tzinfo=UTC)


def test_no_end_is_later_than_an_event_can_tell() -> None:
    assert months_after(datetime(2200, 8, 31, tzinfo=UTC), 24) == LAST_END


def test_a_consent_lapses_at_its_end_and_not_before() -> None:
    until = word(ends=5)
    assert lapse((until,), DAYS[5]) == ((until,), [])
    (over,), told = lapse((until,), DAYS[6])
    assert (over.standing, told) == (ConsentStatus.EXPIRED, [over])
    assert lapse((over,), DAYS[7]) == ((over,), [])


def test_the_next_end_is_the_soonest_of_what_has_not_lapsed() -> None:
    late, soon = word(ends=6), word(channel=Channel.EMAIL, ends=5)
    assert next_end((late, soon)) == soon.expires_at
    assert next_end(lapse((late, soon), DAYS[6])[0]) == late.expires_at
    assert next_end((word(), word(ConsentStatus.WITHDRAWN, ends=5))) is None


@given(words, words)
def test_a_merge_is_commutative(a: list[Consent], b: list[Consent]) -> None:
    assert most_restrictive(a, b) == most_restrictive(b, a)


@given(words, words, words)
def test_a_merge_is_associative(a: list[Consent], b: list[Consent], c: list[Consent]) -> None:
    assert most_restrictive(most_restrictive(a, b), c) == most_restrictive(
        a, most_restrictive(b, c)
    )


@given(words)
def test_a_merge_with_oneself_changes_nothing(a: list[Consent]) -> None:
    held = set(heard((), a)[0])
    assert set(most_restrictive(a, a)) == set(most_restrictive(a, ())) == held


@given(words, words, st.integers(-1, 7))
def test_a_merge_never_widens_what_is_allowed(
    a: list[Consent], b: list[Consent], fired: int
) -> None:
    of_a, of_b = (lapse(heard((), said)[0], DAYS[fired + 1])[0] for said in (a, b))
    merged = most_restrictive(of_a, of_b)
    for at in DAYS:
        for of_one in (of_a, of_b):
            assert not (allowed(merged, at) & spoken_of(of_one)) - allowed(of_one, at)


@given(words, words, st.integers(0, 3))
def test_a_word_after_the_merge_counts_as_any_persons_latest_word(
    a: list[Consent], b: list[Consent], merged_on: int
) -> None:
    merged_at = DAYS[merged_on]
    together = most_restrictive(a, b, merged_at=merged_at)
    strict = {consent.channel: consent for consent in most_restrictive(a, b)}
    latest = {consent.channel: consent for consent in heard((), [*a, *b])[0]}
    for consent in together:
        newest = latest[consent.channel]
        expected = newest if newest.at > merged_at else strict[consent.channel]
        assert consent == expected


def test_one_who_refused_before_the_merge_may_grant_after_it() -> None:
    refused, granted = word(ConsentStatus.WITHDRAWN), word(days=2)
    assert most_restrictive([refused], [word()], merged_at=DAYS[2]) == (refused,)
    assert most_restrictive([refused], [granted], merged_at=DAYS[2]) == (granted,)


def test_whoever_said_nothing_does_not_restrict() -> None:
    assert most_restrictive([word()], [word(channel=Channel.EMAIL)]) == (
        word(channel=Channel.EMAIL),
        word(),
    )


def test_what_nobody_says_any_more_is_told_as_expired() -> None:
    gone = word()
    (told,) = differences((gone,), ())
    assert (told.standing, told.subject) == (ConsentStatus.EXPIRED, gone.subject)
    assert differences((gone,), (gone,)) == []
    assert differences((gone,), (word(ConsentStatus.DENIED),)) == [word(ConsentStatus.DENIED)]

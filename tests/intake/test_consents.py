"""Which word of consent counts: an algebra, so that order and repetition do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from intake.domain.consents import Consent, ConsentGiven, heard, months_after
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def word(
    status: ConsentStatus = ConsentStatus.GRANTED,
    basis: ConsentBasis = ConsentBasis.EXPRESS,
    *,
    days: int = 0,
    channel: Channel = Channel.SMS,
) -> Consent:
    return Consent(
        channel, Purpose.MARKETING, status, basis, NOON + timedelta(days=days), "web-form"
    )


words = st.lists(
    st.builds(
        word,
        st.sampled_from(ConsentStatus),
        st.sampled_from(ConsentBasis),
        days=st.integers(0, 3),
        channel=st.sampled_from([Channel.SMS, Channel.EMAIL]),
    ),
    max_size=8,
)


def after(consents: list[Consent]) -> set[Consent]:
    held: tuple[Consent, ...] = ()
    for consent in consents:
        held, _ = heard(held, [consent])
    return set(held)


@given(words, st.randoms())
def test_the_order_of_words_does_not_matter(said: list[Consent], random: object) -> None:
    shuffled = sorted(said, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert after(said) == after(shuffled) == set(heard((), said)[0])


@given(words)
def test_repeating_words_changes_nothing(said: list[Consent]) -> None:
    held, _ = heard((), said)
    assert heard(held, said) == (held, [])


@given(words)
def test_a_refusal_by_the_person_is_never_overridden_by_what_the_builder_infers(
    said: list[Consent],
) -> None:
    inferred = [w for w in said if w.basis is not ConsentBasis.EXPRESS]
    no = word(ConsentStatus.WITHDRAWN)
    held, _ = heard((), [no, *(w for w in inferred if w.channel is Channel.SMS)])
    assert held == (no,)


def test_the_later_word_of_the_person_counts() -> None:
    held, changed = heard((word(),), [word(ConsentStatus.WITHDRAWN, days=1)])
    assert held == (word(ConsentStatus.WITHDRAWN, days=1),)
    assert changed == [word(ConsentStatus.WITHDRAWN, days=1)]


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    latest = word(ConsentStatus.WITHDRAWN, days=1)
    assert heard((latest,), [word()]) == ((latest,), [])


def test_of_two_words_at_the_same_moment_the_stricter_counts() -> None:
    assert heard((), [word(ConsentStatus.DENIED), word()])[0] == (word(ConsentStatus.DENIED),)


def test_the_same_word_again_is_newer_evidence_and_no_change() -> None:
    again = word(days=1)
    assert heard((word(),), [again]) == ((again,), [])


def test_an_implied_consent_of_an_inquiry_lasts_six_months() -> None:
    implied = ConsentGiven(Channel.SMS, Purpose.MARKETING, basis=ConsentBasis.IMPLIED)
    assert implied.said(NOON, "api").expires_at == datetime(2026, 9, 2, 4, 0, tzinfo=UTC)


def test_an_express_consent_has_no_end() -> None:
    assert ConsentGiven(Channel.SMS, Purpose.MARKETING).said(NOON, "api").expires_at is None


def test_months_end_on_the_last_day_when_the_month_is_shorter() -> None:
    assert months_after(datetime(2025, 8, 31, tzinfo=UTC), 6) == datetime(2026, 2, 28, tzinfo=UTC)

"""What a score is good for at the door, and what follows from a review; as pure decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from intake.domain.people.customers import Customer, MergedInto
from intake.domain.people.identity import Identity
from intake.domain.people.matching import Explanation, Field, Level, Verdict, Weight
from intake.domain.people.merges import MergeFile
from intake.domain.people.recognition import MOST_QUESTIONS, Candidate, by_score, explained
from intake.domain.people.reviews import (
    DecideReview,
    Outcome,
    Review,
    ReviewFile,
    decide,
    questions,
)
from intake.reading.known_people import record_of_customer, record_of_identity
from intake.reading.match_model_file import default_model
from intake.reading.matching_keys import gates_of, indexed_keys
from keyturn_chassis.inputs import Cause
from keyturn_events.intake import CustomersMerged
from keyturn_events.refusal import Refusal

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
COMING = Identity(name="单晓东", phone="+8613900139000", birth_date=date(1980, 5, 3))


def candidate(customer_id: str, bits: float, **more: object) -> Candidate:
    customer = Customer(customer_id, NOON - timedelta(days=len(customer_id)), **more)  # type: ignore[arg-type] # any field
    weights = (Weight(Field.BIRTH_DATE, Level.SAME, 14.0),)
    return Candidate(customer, Verdict(bits, Explanation.STRANGERS, bits - 14.0, weights))


def cause(id: str = "request-1") -> Cause:
    return Cause("desk", id, NOON)


def test_above_the_upper_threshold_somebody_is_taken_for_the_customer() -> None:
    known = candidate("ann", 8.0)
    assert by_score(COMING, [candidate("bea", -9.0), known]).known is known


def test_between_the_thresholds_somebody_is_asked() -> None:
    likely, less, least = candidate("ann", 2.0), candidate("bea", -1.0), candidate("cho", -9.0)
    said = by_score(COMING, [least, less, likely])
    assert said.known is None
    assert said.questions == (likely, less)


def test_a_verified_identifier_that_differs_is_a_question_however_high_the_score() -> None:
    known = candidate("ann", 20.0, wechat="openid-1")
    said = by_score(Identity(name="单晓东", wechat="openid-2"), [known])
    assert said.known is None
    assert said.questions == (known,)


def test_two_people_who_both_fit_are_a_question() -> None:
    assert by_score(COMING, [candidate("ann", 9.0), candidate("bea", 8.0)]).known is None


def test_two_records_of_one_merged_person_are_one_answer() -> None:
    survivor = candidate("ann", 8.0)
    merged = candidate("bea", 9.0, merged_into=MergedInto("ann", "merge-1", NOON))
    assert by_score(COMING, [survivor, merged]).known is merged


def test_no_more_questions_are_asked_than_somebody_will_answer() -> None:
    many = [candidate(f"c{number}", 1.0) for number in range(MOST_QUESTIONS + 1)]
    assert len(by_score(COMING, many).questions) == MOST_QUESTIONS
    assert len(by_score(COMING, many[:MOST_QUESTIONS]).questions) == MOST_QUESTIONS


def test_what_a_touch_keeps_adds_up() -> None:
    kept = explained(candidate("ann", 8.0))
    assert kept["rule"] == "score"
    assert kept["prior"] + sum(each["bits"] for each in kept["fields"]) == kept["bits"] == 8.0


def opened() -> tuple[ReviewFile, Review]:
    known, coming = candidate("ann", 1.0), Customer("new", NOON)
    (review,) = questions(coming, by_score(COMING, [known]), cause())
    customers = {"ann": known.customer, "new": coming}
    return ReviewFile(review, MergeFile(customers)), review


def answer(outcome: Outcome) -> DecideReview:
    return DecideReview("any", outcome, by="desk", reason="looked")


def test_a_review_names_both_and_why_it_is_asked() -> None:
    _, review = opened()
    assert (review.customer_id, review.other_customer_id) == ("new", "ann")
    assert review.probability == pytest.approx(2 / 3)
    assert review.explanation["bits"] == 1.0


def test_the_same_person_is_merged_into_whoever_was_known_before() -> None:
    file, review = opened()
    decided, events = decide(file, answer(Outcome.SAME), cause())
    (told,) = events
    assert isinstance(told, CustomersMerged)
    assert (told.customer_id, told.merged_customer_id) == ("ann", "new")
    assert told.score == review.probability
    assert decided.review is not None
    assert decided.review.decision is not None
    assert decided.review.decision.merge_id == told.merge_id
    assert decide(decided, answer(Outcome.SAME), cause("request-2")) == (decided, [])


def test_a_different_person_changes_nobody_and_is_remembered() -> None:
    file, _ = opened()
    decided, events = decide(file, answer(Outcome.DIFFERENT), cause())
    assert events == []
    assert decided.merging == file.merging
    assert decided.review is not None
    assert decided.review.decision is not None
    assert decided.review.decision.outcome is Outcome.DIFFERENT


def test_who_was_merged_is_parted_by_undoing_the_merge() -> None:
    file, _ = opened()
    decided, _ = decide(file, answer(Outcome.SAME), cause())
    with pytest.raises(Refusal) as refused:
        decide(decided, answer(Outcome.DIFFERENT), cause("request-2"))
    assert refused.value.code == "review-decided"


def test_a_review_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        decide(ReviewFile(), answer(Outcome.SAME), cause())
    assert refused.value.code == "review-not-found"


def test_nobody_is_indexed_of_whom_only_a_name_and_a_phone_are_known() -> None:
    ordinary = Customer("ann", NOON, name="张伟", phones=("+8613800138000",))
    assert indexed_keys(record_of_customer(ordinary)) == frozenset()
    assert list(gates_of(record_of_customer(ordinary))) == []


def test_the_same_birth_date_is_the_same_gate_however_the_name_is_written() -> None:
    other = Identity(name="Shan Xiaodong", birth_date=COMING.birth_date)
    assert list(gates_of(record_of_identity(COMING))) == list(gates_of(record_of_identity(other)))


def test_of_several_phones_the_one_in_common_is_compared() -> None:
    known = Customer("ann", NOON, phones=("+8613800138000", "+8613900139000"))
    assert record_of_customer(known, COMING)[Field.PHONE] == "3900139000"
    assert record_of_customer(known)[Field.PHONE] == "3800138000"


def test_the_model_of_the_package_knows_every_explanation_and_keeps_nobodys_phone() -> None:
    model = default_model()
    assert set(model.priors) == set(Explanation)
    assert {Field.GIVEN_NAME, Field.FAMILY_NAME, Field.BIRTH_DATE} <= model.fields.keys()
    for field in (Field.PHONE, Field.EMAIL, Field.BIRTH_DATE):
        assert not model.fields[field].frequencies

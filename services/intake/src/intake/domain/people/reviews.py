"""Reviews: two customers may be one person, and somebody who can look decides.

A review is opened when a new customer is registered whose score against a known one lies between
the thresholds. It is decided once: the same person merges the two; a different one is remembered,
and the pair is not asked about again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from intake.domain.people.merges import BY_REVIEW, MergeCustomers, MergeFile, merge
from intake.domain.people.recognition import Recognised, explanation
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind


class Outcome(StrEnum):
    """What a review came to."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a review, by whom and why."""

    outcome: Outcome
    at: datetime
    by: str
    reason: str
    merge_id: str | None = None
    """The merge that followed."""


@dataclass(frozen=True, slots=True)
class Review:
    """Whether two customers are one person."""

    review_id: str
    customer_id: str
    other_customer_id: str
    """The customer who was known before."""
    opened_at: datetime
    probability: float
    explanation: Mapping[str, Any]
    """The score taken apart, field by field (see recognition.py)."""
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class DecideReview:
    """Somebody looked, and says what they are."""

    review_id: str
    outcome: Outcome
    by: str
    reason: str
    accept_conflicts: bool = False
    """Whether identifiers that contradict each other were looked at and explained."""


@dataclass(frozen=True, slots=True)
class ReviewFile:
    """What a decision on a review looks at, and what it hands back."""

    review: Review | None = None
    merging: MergeFile = field(default_factory=MergeFile)
    """Everybody linked with the two."""


def questions(customer: Customer, recognised: Recognised, occasion: Occasion) -> Iterator[Review]:
    """The reviews that a newly registered customer opens."""
    for candidate in recognised.questions:
        other_id = candidate.customer.customer_id
        yield Review(
            review_id=occasion.derive_id("review", other_id),
            customer_id=customer.customer_id,
            other_customer_id=other_id,
            opened_at=occasion.at,
            probability=candidate.verdict.probability,
            explanation=explanation(candidate.verdict),
        )


def decide(
    file: ReviewFile, command: DecideReview, occasion: Occasion
) -> tuple[ReviewFile, list[Event]]:
    """Decide a review. The same decision again changes nothing; *different* may become *same*.

    Raises `Refusal` `review-not-found`, `review-decided` for who was merged already, and as
    `merges.merge` does.
    """
    review = file.review
    if review is None:
        raise Refusal(
            "review-not-found", "There is no review of this id.", kind=RefusalKind.NOT_FOUND
        )
    if review.decision is not None and review.decision.outcome is command.outcome:
        return file, []
    if review.decision is not None and review.decision.outcome is Outcome.SAME:
        raise Refusal(
            "review-decided",
            f"They were merged by {review.decision.merge_id}; undo that merge instead.",
            pointer="/outcome",
        )
    merging, events, merge_id = file.merging, list[Event](), None
    if command.outcome is Outcome.SAME:
        merging, events = merge(
            merging,
            MergeCustomers(
                review.other_customer_id,
                review.customer_id,
                by=command.by,
                reason=command.reason,
                rule=BY_REVIEW,
                score=review.probability,
                accept_conflicts=command.accept_conflicts,
            ),
            occasion,
        )
        merge_id = None if merging.merge is None else merging.merge.merge_id
    decision = Decision(command.outcome, occasion.at, command.by, command.reason, merge_id)
    return ReviewFile(replace(review, decision=decision), merging), events

"""Somebody decides whether two customers are one person."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.reviews import DecideReview, Review, ReviewFile
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.subjects.merges import LinkedNeeds, Merges, people
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input

_MERGES: Final = Merges()
"""What `same` does is a merge, so a decision looks at what a merge looks at."""


class Reviews(Subject):
    """Decisions on reviews."""

    inputs = (DecideReview,)
    states = (ReviewFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The review."""
        needs.document(Review, input.value.review_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Everybody who is linked with the two, which is known once their review is."""
        wanted = Needs()
        linked = wanted.part(LinkedNeeds)
        for (review_id,) in needs.documents.get(Review, set()):
            review = rows.document(Review, review_id)
            if review is not None:
                linked.customers |= {review.customer_id, review.other_customer_id}
        await _MERGES.load(connection, wanted, rows)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> ReviewFile:
        """The review and both people."""
        review = rows.document(Review, input.value.review_id)
        named = () if review is None else (review.customer_id, review.other_customer_id)
        return ReviewFile(review, people(rows, named))

    def put(self, rows: IntakeWorkingSet, state: ReviewFile) -> None:
        """Keep the decision, and the merge that followed."""
        if state.review is not None:
            rows.put_document(state.review)
        _MERGES.put(rows, state.merging)

"""An erasure in intake: proved by its receipts, once, whatever order they come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.people.customers import Customer, MergedInto
from intake.domain.privacy import erasures
from intake.domain.privacy.erasures import READERS, EraseCustomer, Erasure, LegalBasis
from intake.reactions import reactions
from intake.store.subjects import SUBJECTS
from intake.store.subjects.erasures import ERASURE_OVERDUE, ERASURE_SWEEP
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Cause, Input
from keyturn_events import Message
from keyturn_events.golden import golden_message
from keyturn_events.intake import CustomerErased, ErasureCompleted

if TYPE_CHECKING:
    from tests.convergence.conftest import Fold, Story, Telling

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
DAY = timedelta(days=1)
CUSTOMERS = (
    Customer(customer_id="ann", registered_at=NOON - 2 * DAY),
    Customer(
        customer_id="bea",
        registered_at=NOON - DAY,
        merged_into=MergedInto("ann", "merge-1", NOON - DAY),
    ),
)


@dataclass(frozen=True)
class Asked:
    """Intake when somebody who has come under two ids has asked to be forgotten."""

    service: Fold
    receipts: Story
    """One of each service for each id. Of one id they are told again, and find nothing more."""


@pytest.fixture(scope="session")
def asked(fold: Callable[..., Fold]) -> Callable[[], Asked]:
    """`asked()`: a service of its own each time."""

    def tell() -> Asked:
        rows = IntakeWorkingSet(
            subjects=SUBJECTS,
            identities={},
            owners={},
            customers=Loaded({known.customer_id: (1, known) for known in CUSTOMERS}),
            leads=Loaded({}),
            purchases=Loaded({}),
            documents={},
        )
        service = fold(reactions, rows)
        erase = EraseCustomer("bea", "desk", "asked by letter", LegalBasis.CONSENT_WITHDRAWN)
        service.decide(Input(erase, Cause("desk", "erasure", NOON), erasures.erase))
        told = [event for event in service.events if isinstance(event, CustomerErased)]
        assert sorted(event.customer_id for event in told) == ["ann", "bea"]
        return Asked(service, (*receipts(told, "first"), *receipts(told[:1], "again", counts=())))

    return tell


def receipts(told: Sequence[CustomerErased], id: str, **more: Any) -> Story:
    """What every reader answers."""
    answers = []
    for event in told:
        for kind in READERS:
            golden = golden_message(kind).event.model_dump()
            receipt = kind.model_validate(golden | event.model_dump() | more)
            name = f"{id} {kind.type} of {event.customer_id}"
            answers.append(Message.of(receipt, id=name, source=kind.topic.owner, time=NOON))
    return answers


def erasure(service: Fold) -> Erasure:
    """The one erasure, with its receipts in an order of ours."""
    (known,) = service.working_set.documents[Erasure].values()
    assert isinstance(known, Erasure)
    by_service = sorted(known.receipts, key=lambda given: (given.service, given.customer_id))
    return replace(known, receipts=tuple(by_service))


def completions(service: Fold) -> list[ErasureCompleted]:
    return [event for event in service.events if isinstance(event, ErasureCompleted)]


def test_every_timer_of_an_erasure_fires_when_no_receipt_comes(asked: Callable[[], Asked]) -> None:
    service = asked().service
    service.let_time_pass(NOON + DAY)
    assert service.fired == {ERASURE_OVERDUE, ERASURE_SWEEP}
    assert (erasure(service).status, completions(service)) == ("overdue", [])


@settings(derandomize=True, max_examples=50, deadline=None)
@given(data=st.data())
def test_receipts_in_any_order_complete_an_erasure_once(
    telling: type[Telling], asked: Callable[[], Asked], data: st.DataObject
) -> None:
    ours, theirs = asked(), asked()
    for message in ours.receipts:
        ours.service.hear(message)
    ours.service.let_time_pass(NOON + 2 * DAY)
    told = data.draw(telling.as_kafka_may(theirs.receipts))
    swept = data.draw(st.integers(0, len(told)))
    for place, message in enumerate(told):
        if place == swept:
            theirs.service.let_time_pass(NOON + DAY / 2)
        theirs.service.hear(message)
    theirs.service.let_time_pass(NOON + 2 * DAY)
    assert erasure(theirs.service) == erasure(ours.service)
    assert completions(theirs.service) == completions(ours.service)
    assert [completed.late for completed in completions(ours.service)] == [False]
    assert erasure(ours.service).swept


@settings(derandomize=True, max_examples=50, deadline=None)
@given(data=st.data())
def test_an_erasure_is_late_when_any_receipt_is_missing_at_the_deadline(
    telling: type[Telling], asked: Callable[[], Asked], data: st.DataObject
) -> None:
    asking = asked()
    told = data.draw(telling.as_kafka_may(asking.receipts, repeated=False))
    last = max(place for place, message in enumerate(told) if "first" in message.envelope.id)
    due = data.draw(st.integers(0, last))
    for place, message in enumerate(told):
        if place == due:
            asking.service.let_time_pass(NOON + DAY)
        asking.service.hear(message)
    assert [completed.late for completed in completions(asking.service)] == [True]
    assert len(erasure(asking.service).receipts) == len(CUSTOMERS) * len(READERS)

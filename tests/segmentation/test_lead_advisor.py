"""Who has a lead, by what intake tells of it in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from keyturn_events import CustomerEvent
from keyturn_events.intake import LeadAssigned, LeadReleased, LeadResponseOverdue
from keyturn_events.vocabulary import AssignmentReason
from segmentation.domain.facts import Facts, learn, stamp
from segmentation.domain.profile import profile_of
from segmentation.domain.telling import told_by

AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
LEAD: dict[str, Any] = {"customer_id": "zhang", "lead_id": "lead-1"}


def given(advisor_id: str) -> LeadAssigned:
    return LeadAssigned(**LEAD, advisor_id=advisor_id, reason=AssignmentReason.ROTATION)


def released(advisor_id: str | None, partner_id: str | None = None) -> LeadReleased:
    return LeadReleased(
        **LEAD, reason="protection-ended", advisor_id=advisor_id, partner_id=partner_id
    )


def advisors(*told: tuple[int, str, CustomerEvent]) -> set[str | None]:
    """Who has the lead, for every order in which the events may be heard."""
    found = set()
    for order in permutations(told):
        facts: Facts = {}
        for day, id, event in order:
            facts = learn(facts, told_by(event), stamp(AT + timedelta(days=day), None, id))
        (lead,) = profile_of("zhang", (), facts).leads
        found.add(lead.advisor_id)
    return found


def test_a_released_lead_is_nobodys() -> None:
    assert advisors((0, "a", given("wang")), (15, "b", released("wang"))) == {None}


def test_a_lead_that_goes_on_in_the_same_moment_is_the_next_ones() -> None:
    for names in ("bc", "cb"):
        assert advisors(
            (0, "a", given("wang")),
            (15, names[0], released("wang")),
            (15, names[1], given("liu")),
        ) == {"liu"}


def test_a_lead_may_come_back_to_whom_it_was_taken_from() -> None:
    assert advisors(
        (0, "a", given("wang")), (15, "b", released("wang")), (16, "c", given("wang"))
    ) == {"wang"}


def test_the_end_of_an_agencys_protection_and_a_late_response_leave_the_advisor() -> None:
    late = LeadResponseOverdue(**LEAD, first_response_due=AT, advisor_id="wang")
    assert advisors(
        (0, "a", given("wang")), (1, "b", late), (7, "c", released(None, "lianjia"))
    ) == {"wang"}

"""The deadlines of a lead: first response, end of protection, stalling.

Only the earliest is kept as a timer; passing it makes the next one the earliest. Every decision on
a lead first passes what fell due before it, in order and as of the time when it was due, so that a
late timer changes no outcome: neither who owns the lead, nor what is said of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from intake.domain.leads import leads
from intake.domain.leads.lead_ownership import At, Course, Situation, place, release
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.ownership import PartyKind
from intake.domain.occasion import Occasion
from keyturn_events.intake import LeadResponseOverdue

FIRST_RESPONSE: Final = "first-response-due"
PROTECTION: Final = "protection-ends"
STALLED: Final = "lead-stalled"

COLD_AFTER: Final = timedelta(days=90)
"""A lead on which nothing has happened for so long waits in the pool when its protection ends,
instead of going from advisor to advisor for ever."""


def next_deadline(lead: Lead) -> tuple[str, datetime] | None:
    """What falls due first on a lead, and when."""
    due: list[tuple[datetime, str]] = []
    if lead.status is LeadStatus.OPEN:
        if lead.response_due is not None:
            due.append((lead.response_due, FIRST_RESPONSE))
        if lead.stalls_at is not None:
            due.append((lead.stalls_at, STALLED))
    if lead.protected_until is not None and lead.status in (LeadStatus.OPEN, LeadStatus.LOST):
        due.append((lead.protected_until, PROTECTION))
    if not due:
        return None
    at, kind = min(due)
    return kind, at


def catch_up(lead: Lead, situation: Situation, occasion: Occasion) -> Course:
    """The lead after everything that fell due on it until now."""
    course = Course(lead)
    while True:
        following = next_deadline(course.lead)
        if following is None or following[1] > occasion.at:
            return course
        kind, due = following
        course = course.then(_passed(course.lead, kind, situation, At(occasion, due)))


def _passed(lead: Lead, kind: str, situation: Situation, occasion: At) -> Course:
    if kind == FIRST_RESPONSE:
        return _overdue(lead, situation, occasion)
    if kind == PROTECTION:
        return _unprotected(lead, situation, occasion)
    after, step, event = leads.stall(lead, occasion)
    return Course(after, (step,), (), (event,))


def _overdue(lead: Lead, situation: Situation, occasion: At) -> Course:
    after = replace(lead, response_due=None)
    event = LeadResponseOverdue(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        first_response_due=occasion.at,
        advisor_id=lead.advisor_id,
    )
    step = leads.step(lead, after, "overdue", "response-overdue", occasion)
    course = Course(after, (step,), (), (event,))
    if lead.advisor_id is not None and not situation.community.reassigns_overdue:
        return course
    return course.then(
        place(after, situation, occasion, cause="response-overdue", not_to=lead.advisor_id)
    )


def _unprotected(lead: Lead, situation: Situation, occasion: At) -> Course:
    owner = lead.ownership.owner
    course = release(lead, situation, occasion)
    after = course.lead
    cold = after.idle_since + COLD_AFTER <= occasion.at
    if after.status is not LeadStatus.OPEN or after.advisor_id is not None or cold:
        return course
    former = owner.id if owner is not None and owner.kind is PartyKind.ADVISOR else None
    return course.then(place(after, situation, occasion, cause="protection-ended", not_to=former))

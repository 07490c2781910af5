"""Which customers, messages and codes an input names: what has to be loaded for it."""

from __future__ import annotations

from typing import Any

from campaigns.domain import desk, dispatch
from campaigns.domain.referral_codes import candidates, normalised
from keyturn_chassis.inputs import TimerFired
from keyturn_events import CustomerEvent
from keyturn_events.intake import CustomersMerged, CustomersUnmerged, LeadCaptured, PurchaseSigned
from keyturn_events.service_desk import HandoverCompleted

TIMER_OWNER = "member/"
"""What the owner of a timer begins with; a customer id follows."""


def customers_in(value: Any) -> tuple[str, ...]:
    """The customers whom an input is about, the one whose file it is first."""
    match value:
        case CustomersMerged():
            return (value.customer_id, value.merged_customer_id)
        case CustomersUnmerged():
            return (value.customer_id, value.restored_customer_id)
        case CustomerEvent() | desk.Suppress():
            return (value.customer_id,)
        case desk.Award() | desk.Redeem() | desk.Undo():
            return (value.member_id,)
        case TimerFired():
            return (value.owner.removeprefix(TIMER_OWNER),)
        case _:
            return ()


def messages_in(value: Any) -> tuple[str, ...]:
    """The messages that an input is about."""
    match value:
        case dispatch.Claim() | dispatch.Delivered() | dispatch.Failed() | dispatch.Lost():
            return (value.message_id,)
        case _:
            return ()


def codes_in(value: Any) -> tuple[str, ...]:
    """The referral codes that an input mentions, and those that it may bring an owner."""
    match value:
        case LeadCaptured() if value.referral_code is not None:
            return (normalised(value.referral_code),)
        case PurchaseSigned() | HandoverCompleted():
            return candidates(value.customer_id)
        case _:
            return ()

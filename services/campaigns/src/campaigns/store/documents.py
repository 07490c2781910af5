"""How states become documents and rows, and documents states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from campaigns.domain import ledger
from campaigns.domain.campaign import Campaign
from campaigns.domain.ledger import Entry
from campaigns.domain.people import Person
from campaigns.domain.policy import Policy
from campaigns.domain.referral import Referral
from campaigns.domain.sending import Send
from campaigns.domain.template import Template
from keyturn_events.vocabulary import Tier

Row: TypeAlias = Mapping[str, Any]

POLICY_NAME: Final = "sending"
"""The name of the one policy there is."""


@dataclass(frozen=True, slots=True)
class Located:
    """A record with the surviving id of the person to whom it belongs."""

    root: str
    person: Person


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What is kept of a member beside the ledger.

    `revision` grows with every entry, so that two writers of one member's ledger meet in this row.
    """

    enrolled_at: datetime | None
    tier: Tier
    revision: int


PERSON: Final = TypeAdapter(Person)
CAMPAIGN: Final = TypeAdapter(Campaign)
TEMPLATE: Final = TypeAdapter(Template)
POLICY: Final = TypeAdapter(Policy)
SEND: Final = TypeAdapter(Send)
REFERRAL: Final = TypeAdapter(Referral)
MEMBER: Final = TypeAdapter(MemberRecord)
ENTRY: Final = TypeAdapter(Entry)


def person_row(version: int, located: Located) -> Row:
    """A row of `people`."""
    return {
        "customer_id": located.person.customer_id,
        "root": located.root,
        "version": version,
        "document": PERSON.dump_python(located.person, mode="json"),
    }


def campaign_row(version: int, campaign: Campaign) -> Row:
    """A row of `campaigns`."""
    return {
        "code": campaign.code,
        "version": version,
        "document": CAMPAIGN.dump_python(campaign, mode="json"),
    }


def template_row(version: int, template: Template) -> Row:
    """A row of `templates`."""
    return {
        "code": template.code,
        "version": version,
        "document": TEMPLATE.dump_python(template, mode="json"),
    }


def policy_row(version: int, policy: Policy) -> Row:
    """The row of `policies`."""
    return {
        "name": POLICY_NAME,
        "version": version,
        "document": POLICY.dump_python(policy, mode="json"),
    }


def send_row(version: int, send: Send) -> Row:
    """A row of `sends`."""
    return {
        "message_id": send.message_id,
        "campaign": send.campaign,
        "step": send.step,
        "customer_id": send.customer_id,
        "occurrence": send.occurrence,
        "purpose": send.purpose,
        "entered_at": send.entered_at,
        "state": send.state,
        "reason": send.decisions[-1].reason if send.decisions else None,
        "due_at": send.due_at,
        "leased_until": send.leased_until,
        "version": version,
        "document": SEND.dump_python(send, mode="json"),
    }


def referral_row(version: int, referral: Referral) -> Row:
    """A row of `referrals`."""
    return {
        "referral_id": referral.referral_id,
        "code": referral.code,
        "referred_id": referral.referred_id,
        "owner_id": referral.owner_id,
        "state": referral.state,
        "refusal": referral.refusal,
        "rewarded_purchase_id": (None if referral.reward is None else referral.reward.purchase_id),
        "version": version,
        "document": REFERRAL.dump_python(referral, mode="json"),
    }


def member_row(version: int, customer_id: str, record: MemberRecord) -> Row:
    """A row of `members`."""
    return {
        "customer_id": customer_id,
        "version": version,
        "document": MEMBER.dump_python(record, mode="json"),
    }


def entry_row(member_id: str, entry: Entry) -> Row:
    """A row of `ledger_entries`."""
    return {
        "entry_id": entry.entry_id,
        "member_id": member_id,
        "kind": entry.kind,
        "active": ledger.balance([entry]),
        "pending": ledger.pending([entry]),
        "reverses": entry.reverses,
        "document": ENTRY.dump_python(entry, mode="json"),
    }

"""Writes what a batch of decisions changed: one statement a table."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.domain import ledger
from campaigns.store import tables
from campaigns.store.tables import (
    CAMPAIGN,
    ENTRY,
    MEMBER,
    PERSON,
    POLICY,
    REFERRAL,
    SEND,
    TEMPLATE,
)
from campaigns.store.working_set import CampaignsWorkingSet
from keyturn_chassis.database import insert_rows, save_versioned


async def save(connection: AsyncConnection, working_set: CampaignsWorkingSet, /) -> None:
    """Write all changes.

    Raises `ConcurrentUpdate`, or an integrity error, when somebody else was quicker: a person, a
    message, a member's ledger or a referral that was written meanwhile, a code or a purchase that
    belongs to somebody else by now.
    """
    await save_versioned(
        connection,
        tables.people,
        [
            {
                "customer_id": key,
                "root": located.root,
                "version": version,
                "document": PERSON.dump_python(located.person, mode="json"),
            }
            for key, version, located in working_set.people.changes()
        ],
    )
    await _save_catalogue(connection, working_set)
    await _save_sends(connection, working_set)
    await insert_rows(
        connection,
        tables.referral_codes,
        [{"code": code, "customer_id": owner} for code, owner in working_set.new_owners.items()],
    )
    await _save_referrals(connection, working_set)
    await _save_ledger(connection, working_set)


async def _save_catalogue(connection: AsyncConnection, working_set: CampaignsWorkingSet) -> None:
    await save_versioned(
        connection,
        tables.campaigns,
        [
            {
                "code": key,
                "version": version,
                "document": CAMPAIGN.dump_python(campaign, mode="json"),
            }
            for key, version, campaign in working_set.campaigns.changes()
        ],
    )
    await save_versioned(
        connection,
        tables.templates,
        [
            {
                "code": key,
                "version": version,
                "document": TEMPLATE.dump_python(template, mode="json"),
            }
            for key, version, template in working_set.templates.changes()
        ],
    )
    await save_versioned(
        connection,
        tables.policies,
        [
            {"name": key, "version": version, "document": POLICY.dump_python(policy, mode="json")}
            for key, version, policy in working_set.policies.changes()
        ],
    )


async def _save_sends(connection: AsyncConnection, working_set: CampaignsWorkingSet) -> None:
    await save_versioned(
        connection,
        tables.sends,
        [
            {
                "message_id": key,
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
            for key, version, send in working_set.sends.changes()
        ],
    )


async def _save_referrals(connection: AsyncConnection, working_set: CampaignsWorkingSet) -> None:
    await save_versioned(
        connection,
        tables.referrals,
        [
            {
                "referral_id": key,
                "code": referral.code,
                "referred_id": referral.referred_id,
                "owner_id": referral.owner_id,
                "state": referral.state,
                "refusal": referral.refusal,
                "rewarded_purchase_id": (
                    None if referral.reward is None else referral.reward.purchase_id
                ),
                "version": version,
                "document": REFERRAL.dump_python(referral, mode="json"),
            }
            for key, version, referral in working_set.referrals.changes()
        ],
    )


async def _save_ledger(connection: AsyncConnection, working_set: CampaignsWorkingSet) -> None:
    await save_versioned(
        connection,
        tables.members,
        [
            {
                "customer_id": key,
                "version": version,
                "document": MEMBER.dump_python(record, mode="json"),
            }
            for key, version, record in working_set.members.changes()
        ],
    )
    await insert_rows(
        connection,
        tables.ledger_entries,
        [
            {
                "entry_id": entry.entry_id,
                "member_id": member_id,
                "kind": entry.kind,
                "active": ledger.balance([entry]),
                "pending": ledger.pending([entry]),
                "reverses": entry.reverses,
                "document": ENTRY.dump_python(entry, mode="json"),
            }
            for member_id, entry in working_set.new_entries
        ],
    )

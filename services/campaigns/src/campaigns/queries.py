"""The read side: campaigns, messages with their reasons, members, and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.domain.campaign import Campaign
from campaigns.domain.ledger import Entry
from campaigns.domain.policy import Policy
from campaigns.domain.sending import Send
from campaigns.domain.template import Template
from campaigns.store.documents import CAMPAIGN, ENTRY, MEMBER, POLICY, SEND, TEMPLATE
from keyturn_chassis.pagination import Keyset
from keyturn_events.vocabulary import Tier

by_code: Final = Keyset(tuple[str])
newest_message_first: Final = Keyset(tuple[datetime, str])
newest_entry_first: Final = Keyset(tuple[int])


async def campaign(connection: AsyncConnection, code: str) -> Campaign | None:
    """The campaign of this code."""
    row = await _one(connection, "SELECT document FROM campaigns WHERE code = :code", code=code)
    return None if row is None else CAMPAIGN.validate_python(row.document)


async def campaigns(
    connection: AsyncConnection, after: tuple[str] | None, limit: int
) -> list[Campaign]:
    """Up to `limit` + 1 campaigns, by code."""
    rows = await connection.execute(
        text("SELECT document FROM campaigns WHERE code > :after ORDER BY code LIMIT :limit"),
        {"after": "" if after is None else after[0], "limit": limit + 1},
    )
    return [CAMPAIGN.validate_python(row.document) for row in rows]


async def template(connection: AsyncConnection, code: str) -> Template | None:
    """The template of this code."""
    row = await _one(connection, "SELECT document FROM templates WHERE code = :code", code=code)
    return None if row is None else TEMPLATE.validate_python(row.document)


async def templates(
    connection: AsyncConnection, after: tuple[str] | None, limit: int
) -> list[Template]:
    """Up to `limit` + 1 templates, by code."""
    rows = await connection.execute(
        text("SELECT document FROM templates WHERE code > :after ORDER BY code LIMIT :limit"),
        {"after": "" if after is None else after[0], "limit": limit + 1},
    )
    return [TEMPLATE.validate_python(row.document) for row in rows]


async def policy(connection: AsyncConnection) -> Policy:
    """The sending policy."""
    row = await _one(connection, "SELECT document FROM policies")
    return Policy() if row is None else POLICY.validate_python(row.document)


async def messages(
    connection: AsyncConnection,
    customer_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Send]:
    """Up to `limit` + 1 messages for a person, by whatever id, the newest entry first."""
    rows = await connection.execute(
        text(
            "SELECT document FROM sends WHERE customer_id = ANY(CAST(:ids AS text[]))"
            " AND (CAST(:at AS timestamptz) IS NULL OR (entered_at, message_id) < (:at, :id))"
            " ORDER BY entered_at DESC, message_id DESC LIMIT :limit"
        ),
        {
            "ids": await ids_of(connection, customer_id),
            "at": None if after is None else after[0],
            "id": "" if after is None else after[1],
            "limit": limit + 1,
        },
    )
    return [SEND.validate_python(row.document) for row in rows]


async def ids_of(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Every id of the person to whom `customer_id` belongs."""
    rows = await connection.execute(
        text(
            "SELECT customer_id FROM people WHERE root ="
            " (SELECT root FROM people WHERE customer_id = :id)"
        ),
        {"id": customer_id},
    )
    return sorted({customer_id, *(row.customer_id for row in rows)})


async def referral_code(connection: AsyncConnection, customer_id: str) -> str | None:
    """The code of a person; of the surviving id, if several ids have one."""
    row = await _one(
        connection,
        "SELECT c.code FROM referral_codes AS c LEFT JOIN people AS p USING (customer_id)"
        " WHERE c.customer_id = ANY(CAST(:ids AS text[]))"
        " ORDER BY p.root IS DISTINCT FROM c.customer_id, c.code LIMIT 1",
        ids=await ids_of(connection, customer_id),
    )
    return None if row is None else row.code


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member, with balances that are the sums of their entries."""

    member_id: str
    tier: Tier
    enrolled_at: datetime | None
    balance: int
    pending: int


async def member(connection: AsyncConnection, member_id: str) -> MemberView | None:
    """A member by any id of the person."""
    root = await _one(connection, "SELECT root FROM people WHERE customer_id = :id", id=member_id)
    surviving = member_id if root is None else root.root
    ids = await ids_of(connection, member_id)
    rows = await connection.execute(
        text("SELECT document FROM members WHERE customer_id = ANY(CAST(:ids AS text[]))"),
        {"ids": ids},
    )
    records = [MEMBER.validate_python(row.document) for row in rows]
    if not records:
        return None
    enrolled = (record.enrolled_at for record in records if record.enrolled_at is not None)
    sums = await _one(
        connection,
        "SELECT coalesce(sum(active), 0) AS active, coalesce(sum(pending), 0) AS pending"
        " FROM ledger_entries WHERE member_id = ANY(CAST(:ids AS text[]))",
        ids=ids,
    )
    return MemberView(
        surviving,
        records[0].tier,
        min(enrolled, default=None),
        int(sums.active),
        int(sums.pending),
    )


async def entries(
    connection: AsyncConnection, member_id: str, after: tuple[int] | None, limit: int
) -> list[tuple[int, Entry]]:
    """Up to `limit` + 1 entries with their sequence numbers, the newest first."""
    rows = await connection.execute(
        text(
            "SELECT sequence, document FROM ledger_entries"
            " WHERE member_id = ANY(CAST(:ids AS text[]))"
            " AND (CAST(:after AS bigint) IS NULL OR sequence < :after)"
            " ORDER BY sequence DESC LIMIT :limit"
        ),
        {
            "ids": await ids_of(connection, member_id),
            "after": None if after is None else after[0],
            "limit": limit + 1,
        },
    )
    return [(row.sequence, ENTRY.validate_python(row.document)) for row in rows]


async def message_counts(connection: AsyncConnection) -> Sequence[Any]:
    """Messages by campaign, state and the reason last given."""
    rows = await connection.execute(
        text(
            "SELECT campaign, purpose, state, reason, count(*) AS messages FROM sends"
            " GROUP BY campaign, purpose, state, reason"
            " ORDER BY campaign, state, reason NULLS FIRST"
        )
    )
    return rows.all()


@dataclass(frozen=True, slots=True)
class ReferralReport:
    """How referrals do."""

    purchases: int
    by_referral: int
    rewarded: int
    states: Mapping[str, int]
    refusals: Mapping[str, int]


async def referral_report(connection: AsyncConnection) -> ReferralReport:
    """Purchases that stand, how many of them came by referral, and what became of referrals.

    A purchase counts as by referral when the owner who recommended the buyer has a reward for it.
    """
    purchases = await _one(
        connection,
        "SELECT count(DISTINCT p.key) AS standing FROM people,"
        " jsonb_each(people.document -> 'purchases') AS p"
        " WHERE p.value ->> 'signed_at' IS NOT NULL AND NOT EXISTS ("
        " SELECT FROM people AS other WHERE other.root = people.root"
        " AND (other.document -> 'purchases' -> p.key ->> 'rescinded')::boolean)",
    )
    counted = await connection.execute(
        text(
            "SELECT state, refusal, count(*) AS referrals, count(rewarded_purchase_id) AS rewarded"
            " FROM referrals GROUP BY state, refusal ORDER BY state, refusal"
        )
    )
    states: dict[str, int] = {}
    refusals: dict[str, int] = {}
    rewarded = 0
    for row in counted:
        states[row.state] = states.get(row.state, 0) + row.referrals
        rewarded += row.rewarded
        if row.refusal is not None:
            refusals[row.refusal] = row.referrals
    return ReferralReport(purchases.standing, rewarded, rewarded, states, refusals)


async def _one(connection: AsyncConnection, statement: str, **parameters: Any) -> Any:
    return (await connection.execute(text(statement), parameters)).one_or_none()

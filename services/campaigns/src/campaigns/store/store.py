"""Loads what a batch of inputs looks at, and saves what became of it.

Both take a number of statements that does not grow with the batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from asyncpg import Record
from pydantic import TypeAdapter
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.domain.campaign import Entered
from campaigns.domain.ledger import Entry
from campaigns.domain.referral import Referral
from campaigns.domain.sending import Send, SendState
from campaigns.store import documents, tables
from campaigns.store.documents import (
    CAMPAIGN,
    ENTRY,
    MEMBER,
    PERSON,
    POLICY,
    REFERRAL,
    SEND,
    TEMPLATE,
    Located,
    MemberRecord,
    Row,
)
from campaigns.store.needs import codes_in, customers_in, messages_in
from campaigns.store.working_set import CampaignsWorkingSet
from keyturn_chassis.database import Loaded, insert_rows, save_versioned
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input
from keyturn_chassis.wakeup import notify
from keyturn_events.intake import CustomerErased

V = TypeVar("V")

WORK: Final = "sends"
"""What the sender listens to: messages wait that did not before, or wait for another time."""


@dataclass(slots=True)
class _Found:
    """What was found of the people whom a batch is about."""

    people: dict[str, tuple[int, Located]] = field(default_factory=dict)
    sends: dict[str, tuple[int, Send]] = field(default_factory=dict)
    referrals: dict[str, tuple[int, Referral]] = field(default_factory=dict)
    members: dict[str, tuple[int, MemberRecord]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    entered: dict[str, list[Entered]] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)


class CampaignsStore:
    """Loads and saves what decisions look at."""

    metadata = tables.metadata

    def __init__(self) -> None:
        self._campaigns = _Catalogue("campaigns", "code", CAMPAIGN)
        self._templates = _Catalogue("templates", "code", TEMPLATE)
        self._policies = _Catalogue("policies", "name", POLICY)

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]], /
    ) -> CampaignsWorkingSet:
        """The working set that covers all of `inputs`: the sender's, or anybody else's."""
        values = [input.value for input in inputs]
        messages = {message for value in values for message in messages_in(value)}
        customers = {customer for value in values for customer in customers_in(value)}
        codes = {code for value in values for code in codes_in(value)}
        erased = {value.customer_id for value in values if isinstance(value, CustomerErased)}
        if messages:
            found = await _for_messages(connection, messages)
        elif customers:
            found = await _for_customers(connection, customers, codes, erased)
        else:
            found = _Found()
        return CampaignsWorkingSet(
            people=Loaded(found.people),
            campaigns=Loaded(await self._campaigns.load(connection)),
            templates=Loaded(await self._templates.load(connection)),
            policies=Loaded(await self._policies.load(connection)),
            sends=Loaded(found.sends),
            referrals=Loaded(found.referrals),
            members=Loaded(found.members),
            owners=found.owners,
            entered=found.entered,
            entries=found.entries,
        )

    async def save(self, connection: AsyncConnection, working_set: CampaignsWorkingSet, /) -> None:
        """Write what changed, one statement a table.

        Raises `ConcurrentUpdate`, or an integrity error, when somebody else was quicker: a person,
        a message, a member's ledger or a referral that was written meanwhile, a code or a purchase
        that belongs to somebody else by now.
        """
        changed: Iterable[tuple[Table, list[Row]]] = (
            (tables.people, _rows(working_set.people, documents.person_row)),
            (tables.campaigns, _rows(working_set.campaigns, documents.campaign_row)),
            (tables.templates, _rows(working_set.templates, documents.template_row)),
            (tables.policies, _rows(working_set.policies, documents.policy_row)),
            (tables.sends, _rows(working_set.sends, documents.send_row)),
        )
        for table, rows in changed:
            await save_versioned(connection, table, rows)
        if any(send.state is SendState.WAITING for _, _, send in working_set.sends.changes()):
            await notify(connection, WORK)
        await insert_rows(
            connection,
            tables.referral_codes,
            [
                {"code": code, "customer_id": owner}
                for code, owner in working_set.new_owners.items()
            ],
        )
        await save_versioned(
            connection, tables.referrals, _rows(working_set.referrals, documents.referral_row)
        )
        await save_versioned(
            connection,
            tables.members,
            [
                documents.member_row(version, customer_id, record)
                for customer_id, version, record in working_set.members.changes()
            ],
        )
        await insert_rows(
            connection,
            tables.ledger_entries,
            [documents.entry_row(member_id, entry) for member_id, entry in working_set.new_entries],
        )


def _rows(loaded: Loaded[str, V], row: Callable[[int, V], Row]) -> list[Row]:
    return [row(version, state) for _, version, state in loaded.changes()]


async def _for_messages(connection: AsyncConnection, messages: Collection[str]) -> _Found:
    """What the sender looks at: the messages, and those to whom they go."""
    sends = await _sends(connection, messages)
    customers = {send.customer_id for _, send in sends.values()}
    people = await _people(connection, customers)
    owners = await _owners(connection, customers | people.keys(), ())
    return _Found(people=people, sends=sends, owners=owners)


async def _for_customers(
    connection: AsyncConnection,
    customers: Collection[str],
    codes: Collection[str],
    erased: Collection[str],
) -> _Found:
    """What everything else looks at: the customers, and those whom their referrals concern."""
    people = await _people(connection, customers)
    ids = set(customers) | people.keys()
    owners = await _owners(connection, ids, codes)
    own_codes = {code for code, owner in owners.items() if owner in ids}
    referrals = await _referrals(connection, ids, own_codes | set(codes))
    came = {referral.referred_id for _, referral in referrals.values()} - ids
    if came:
        # Who came with one owner's code may have come with another's before.
        people |= await _people(connection, came)
        came |= people.keys() - ids
        referrals |= await _referrals(connection, came, ())
        owners |= await _owners(connection, (), {r.code for _, r in referrals.values()})
    ids.update(owners.values(), came)
    if ids - people.keys():
        people |= await _people(connection, ids - people.keys())
        ids |= people.keys()
    return _Found(
        people,
        await _parked(connection, ids) | await _all_sends(connection, erased),
        referrals,
        await _members(connection, ids),
        owners,
        await _entered(connection, ids),
        await _entries(connection, ids),
    )


class _Catalogue(Generic[V]):
    """A small table that every batch needs whole; a document is parsed once, while it is the same.

    It is told by its digest, not by its version: a process may see more than one database.
    """

    def __init__(self, table: str, key: str, adapter: TypeAdapter[V]) -> None:
        self._digests = (
            f"SELECT {key} AS key, version, md5(document::text) AS digest"  # noqa: S608 - our names
            f" FROM {table} ORDER BY {key}"
        )
        self._documents = f"SELECT document, md5(document::text) AS digest FROM {table}"  # noqa: S608
        self._adapter = adapter
        self._known: dict[str, V] = {}

    async def load(self, connection: AsyncConnection) -> dict[str, tuple[int, V]]:
        """Version and value of every row, by key."""
        driver = await driver_of(connection)
        rows = await driver.fetch(self._digests)
        if any(row["digest"] not in self._known for row in rows):
            self._known = {
                row["digest"]: self._adapter.validate_python(row["document"])
                for row in await driver.fetch(self._documents)
            }
        return {row["key"]: (row["version"], self._known[row["digest"]]) for row in rows}


async def _members(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, tuple[int, MemberRecord]]:
    rows = await _of_customers(
        connection,
        "SELECT customer_id, version, document FROM members WHERE customer_id = ANY($1::text[])",
        customers,
    )
    return {
        row["customer_id"]: (row["version"], MEMBER.validate_python(row["document"]))
        for row in rows
    }


async def _people(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, tuple[int, Located]]:
    """The records of these customers, and of all who are one person with them."""
    rows = await _of_customers(
        connection,
        "SELECT customer_id, root, version, document FROM people WHERE root IN"
        " (SELECT root FROM people WHERE customer_id = ANY($1::text[]))",
        customers,
    )
    return {
        row["customer_id"]: (
            row["version"],
            Located(row["root"], PERSON.validate_python(row["document"])),
        )
        for row in rows
    }


async def _owners(
    connection: AsyncConnection, customers: Collection[str], codes: Collection[str]
) -> dict[str, str]:
    """Whose the codes are that these customers have, mention or came with."""
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT code, customer_id FROM referral_codes WHERE customer_id = ANY($1::text[])"
        " OR code = ANY($2::text[] || ARRAY(SELECT code FROM referrals"
        " WHERE referred_id = ANY($1::text[])))",
        sorted(customers),
        sorted(codes),
    )
    return {row["code"]: row["customer_id"] for row in rows}


async def _referrals(
    connection: AsyncConnection, customers: Collection[str], codes: Collection[str]
) -> dict[str, tuple[int, Referral]]:
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT referral_id, version, document FROM referrals"
        " WHERE referred_id = ANY($1::text[]) OR code = ANY($2::text[])",
        sorted(customers),
        sorted(codes),
    )
    return {
        row["referral_id"]: (row["version"], REFERRAL.validate_python(row["document"]))
        for row in rows
    }


async def _sends(
    connection: AsyncConnection, messages: Collection[str]
) -> dict[str, tuple[int, Send]]:
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT message_id, version, document FROM sends WHERE message_id = ANY($1::text[])",
        sorted(messages),
    )
    return _decoded(rows)


async def _parked(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, tuple[int, Send]]:
    """The messages to these customers that wait for an event."""
    rows = await _of_customers(
        connection,
        "SELECT message_id, version, document FROM sends"
        " WHERE customer_id = ANY($1::text[])"
        " AND state = 'waiting' AND due_at IS NULL",
        customers,
    )
    return _decoded(rows)


async def _all_sends(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, tuple[int, Send]]:
    """Every message to these customers, who are to be forgotten."""
    if not customers:
        return {}
    rows = await _of_customers(
        connection,
        "SELECT message_id, version, document FROM sends WHERE customer_id = ANY($1::text[])",
        customers,
    )
    return _decoded(rows)


def _decoded(rows: Sequence[Record]) -> dict[str, tuple[int, Send]]:
    return {
        row["message_id"]: (row["version"], SEND.validate_python(row["document"])) for row in rows
    }


async def _entered(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, list[Entered]]:
    """The campaigns that these customers went into, by customer."""
    rows = await _of_customers(
        connection,
        "SELECT DISTINCT customer_id, campaign, occurrence, entered_at FROM sends"
        " WHERE customer_id = ANY($1::text[])",
        customers,
    )
    entered: dict[str, list[Entered]] = {customer: [] for customer in customers}
    for row in rows:
        entered[row["customer_id"]].append(
            Entered(row["campaign"], row["occurrence"], row["entered_at"])
        )
    return entered


async def _entries(
    connection: AsyncConnection, customers: Collection[str]
) -> dict[str, list[Entry]]:
    rows = await _of_customers(
        connection,
        "SELECT member_id, document FROM ledger_entries"
        " WHERE member_id = ANY($1::text[]) ORDER BY sequence",
        customers,
    )
    entries: dict[str, list[Entry]] = defaultdict(list)
    for row in rows:
        entries[row["member_id"]].append(ENTRY.validate_python(row["document"]))
    return dict(entries)


async def _of_customers(
    connection: AsyncConnection, statement: str, customers: Collection[str]
) -> Sequence[Record]:
    driver = await driver_of(connection)
    rows: Sequence[Record] = await driver.fetch(statement, sorted(customers))
    return rows

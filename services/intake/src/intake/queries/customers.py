"""A customer whole: who it is, what it allows, what it answered, and with whom it was merged."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.consent.consents import Consent
from intake.domain.people.merges import Merge
from intake.domain.people.persons import person_of
from intake.queries.statements import MOST_HISTORY, RowBody, one
from intake.store.documents import CUSTOMER, MERGE
from intake.store.subjects.merges import LINKED
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events import Affordability, Household
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    Purpose,
)

_oldest_touches: Final = Keyset(tuple[int])
_merge_order: Final = Keyset(tuple[str])


class ConsentBody(RowBody):
    """What a customer allows on one channel for one purpose, with the evidence."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    basis: ConsentBasis
    at: datetime
    collected_through: str
    wording: str | None
    expires_at: datetime | None

    @classmethod
    def of(cls, consent: Consent) -> ConsentBody:
        """The consent as it is shown."""
        return cls(
            channel=consent.channel,
            purpose=consent.purpose,
            status=consent.standing,
            basis=consent.basis,
            at=consent.at,
            collected_through=consent.collected_through,
            wording=consent.wording,
            expires_at=consent.expires_at,
        )


class AnswerBody(BaseModel):
    """What a person answered at one touch, as it was given, with its source and time."""

    customer_id: str = Field(description="Of the person's customers, the one who was recognised.")
    lead_id: str
    channel: LeadChannel
    captured_at: datetime
    recorded_at: datetime
    partner_id: str | None
    import_id: str | None
    source_reference: str | None
    answers: dict[str, Any]


class AddressBody(RowBody):
    """Where a person lives."""

    street: str | None
    city: str | None
    region: str | None
    postcode: str | None


class CustomerBody(BaseModel):
    """One person, with contact details."""

    customer_id: str = Field(description="Of merged customers, the one that survives.")
    merged_customer_ids: list[str] = Field(description="The others that are this person.")
    registered_at: datetime
    name: str | None
    phones: list[str]
    emails: list[str]
    wechat: str | None
    birth_date: date | None
    address: AddressBody | None
    household: Household
    affordability: Affordability
    language: str | None
    time_zone: str | None
    consents: list[ConsentBody]
    lead_ids: list[str]
    purchase_ids: list[str]


async def customer(connection: AsyncConnection, customer_id: str) -> CustomerBody | None:
    """The person whom this id means, with contact details, consents, leads and purchases."""
    driver = await driver_of(connection)
    linked = await driver.fetch(LINKED, [customer_id])
    records = {row["customer_id"]: CUSTOMER.validate_json(row["document"]) for row in linked}
    person = person_of(records, customer_id)
    if person is None or person.survivor.withdrawn_at is not None:
        return None
    ids = list(person.customer_ids)
    lead_rows = await driver.fetch(
        "SELECT lead_id FROM leads WHERE customer_id = ANY($1) ORDER BY captured_at LIMIT $2",
        ids,
        MOST_HISTORY,
    )
    purchase_rows = await driver.fetch(
        "SELECT purchase_id FROM purchases WHERE customer_id = ANY($1)"
        " ORDER BY purchase_id LIMIT $2",
        ids,
        MOST_HISTORY,
    )
    facts = person.facts
    return CustomerBody(
        customer_id=person.survivor.customer_id,
        merged_customer_ids=ids[1:],
        registered_at=person.survivor.registered_at,
        name=person.name,
        phones=list(person.phones),
        emails=list(person.emails),
        wechat=person.wechat,
        birth_date=person.birth_date,
        address=None if person.address is None else AddressBody.model_validate(person.address),
        household=facts.household,
        affordability=facts.affordability,
        language=facts.language,
        time_zone=facts.time_zone,
        consents=[ConsentBody.of(consent) for consent in person.consents],
        lead_ids=[row["lead_id"] for row in lead_rows],
        purchase_ids=[row["purchase_id"] for row in purchase_rows],
    )


async def answers_of(
    connection: AsyncConnection, customer_id: str, limit: int, cursor: str | None
) -> Page[AnswerBody] | None:
    """A page of everything the person ever answered, the oldest first; None for a stranger."""
    driver = await driver_of(connection)
    ids = [row["customer_id"] for row in await driver.fetch(LINKED, [customer_id])]
    if not ids:
        return None
    after = _oldest_touches.decode(cursor)
    rows = await driver.fetch(
        "SELECT t.* FROM touches AS t JOIN leads AS l USING (lead_id)"
        " WHERE l.customer_id = ANY($1) AND t.position > $2 ORDER BY t.position LIMIT $3",
        ids,
        0 if after is None else after[0],
        limit + 1,
    )
    items, next_cursor = _oldest_touches.page(rows, limit, lambda row: (row["position"],))
    return Page(
        items=[AnswerBody.model_validate(dict(row)) for row in items], next_cursor=next_cursor
    )


async def merge(connection: AsyncConnection, merge_id: str) -> Merge | None:
    """A merge."""
    row = await one(
        connection,
        "SELECT CAST(document AS text) AS document FROM merges WHERE merge_id = :id",
        merge_id,
    )
    return None if row is None else MERGE.validate_json(row.document)


async def merges_of(
    connection: AsyncConnection, customer_id: str, limit: int, cursor: str | None
) -> tuple[list[Merge], str | None]:
    """Merges that a customer was ever part of, by their ids, and the cursor of the next page."""
    after = _merge_order.decode(cursor)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT merge_id, document::text FROM merges"
        " WHERE (survivor_id = $1 OR merged_id = $1) AND merge_id > $2 ORDER BY merge_id LIMIT $3",
        customer_id,
        "" if after is None else after[0],
        limit + 1,
    )
    items, next_cursor = _merge_order.page(rows, limit, lambda row: (row["merge_id"],))
    return [MERGE.validate_json(row["document"]) for row in items], next_cursor

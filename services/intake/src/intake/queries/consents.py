"""The read side of consent: how it stands and why, every word, and what a person's own page shows.

Where a customer was merged, what is shown is the one person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.consent.consent_accounts import Account, Because, accounts
from intake.domain.consent.consent_words import ConsentWord
from intake.domain.consent.consents import Consent
from intake.domain.consent.opt_ins import OptInState, RequestedOptIn, contact_points
from intake.domain.people.persons import Person, person_of
from intake.reading.masked import masked
from intake.store.documents import CUSTOMER
from intake.store.subjects.merges import LINKED
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

MOST_WORDS: Final = 500
"""Words that an account looks at: the latest. The history has them all."""

LABELS: Final[Mapping[Channel | Purpose, tuple[str, str]]] = {
    Channel.SMS: ("Text messages", "短信"),
    Channel.EMAIL: ("E-mail", "电子邮件"),
    Channel.PHONE: ("Telephone calls", "电话"),
    Channel.WECHAT: ("WeChat", "微信"),
    Channel.POST: ("Letters", "信函"),
    Purpose.SERVICE: ("About my home and my contract", "房屋与合同服务"),
    Purpose.MARKETING: ("Offers and invitations", "优惠与活动邀请"),
    Purpose.SURVEY: ("Surveys", "满意度调查"),
    Purpose.PROFILING: ("Suggestions that fit me", "个性化推荐"),
}
"""What people read, in English and Chinese."""

_newest_words = Keyset(tuple[int])


class WordBody(BaseModel):
    """One word of consent with its evidence."""

    word_id: str
    customer_id: str = Field(description="The record that it was said of.")
    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    basis: ConsentBasis
    said_at: datetime
    expires_at: datetime | None
    wording: str | None = Field(description="Version of the words that were shown.")
    collected_through: str
    recorded_at: datetime
    recorded_by: str | None = Field(description="Who wrote it down; nobody did for a link.")

    @classmethod
    def of(cls, word: ConsentWord) -> WordBody:
        """The word as it is shown."""
        consent = word.consent
        return cls(
            word_id=word.word_id,
            customer_id=word.customer_id,
            channel=consent.channel,
            purpose=consent.purpose,
            status=consent.status,
            basis=consent.basis,
            said_at=consent.at,
            expires_at=consent.expires_at,
            wording=consent.wording,
            collected_through=consent.collected_through,
            recorded_at=word.recorded_at,
            recorded_by=word.recorded_by,
        )


class BeatenWord(WordBody):
    """A word that does not count."""

    because: Because = Field(description="Why it does not count.")


class ConsentAccount(BaseModel):
    """How one consent stands, and why."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus = Field(description="How it stands; only granted allows anything.")
    expires_at: datetime | None
    counts: WordBody | None = Field(description="The word that counts.")
    beaten: list[BeatenWord] = Field(description="The words that it outweighs, the latest first.")

    @classmethod
    def of(cls, account: Account) -> ConsentAccount:
        """The account as it is shown."""
        consent, counts = account.consent, account.counts
        return cls(
            channel=consent.channel,
            purpose=consent.purpose,
            status=consent.standing,
            expires_at=consent.expires_at,
            counts=None if counts is None else WordBody.of(counts),
            beaten=[
                BeatenWord(**WordBody.of(beaten.word).model_dump(), because=beaten.because)
                for beaten in account.beaten
            ],
        )


class RequestBody(BaseModel):
    """A consent that was to be confirmed (double opt-in)."""

    opt_in_id: str
    channel: Channel
    purpose: Purpose
    state: OptInState
    sent_to: str = Field(description="The contact point, most of it hidden.")
    requested_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, request: RequestedOptIn) -> RequestBody:
        """The request as it is shown."""
        return cls(
            opt_in_id=request.opt_in_id,
            channel=request.channel,
            purpose=request.purpose,
            state=request.state,
            sent_to=masked(request.contact_point),
            requested_at=request.requested_at,
            expires_at=request.expires_at,
        )


class ConsentsOverview(BaseModel):
    """What a person allows, and why."""

    customer_id: str
    consents: list[ConsentAccount]
    requests: list[RequestBody]


class Labels(BaseModel):
    """What people read."""

    en: str
    zh: str

    @classmethod
    def of(cls, name: Channel | Purpose) -> Labels:
        """The labels of a channel or purpose."""
        en, zh = LABELS[name]
        return cls(en=en, zh=zh)


class Preference(BaseModel):
    """One thing that a person can allow or not."""

    channel: Channel
    purpose: Purpose
    channel_label: Labels
    purpose_label: Labels
    allowed: bool
    status: ConsentStatus | None = Field(description="Null when nothing was ever said of it.")
    awaits_confirmation: bool
    can_be_allowed: bool = Field(
        description="Whether it can be allowed here; what cannot be confirmed by a link cannot."
    )


class ShownContactPoint(BaseModel):
    """A contact point, most of it hidden."""

    channel: Channel
    shown: str


class Preferences(BaseModel):
    """A person's own page: what they allow, without anything that tells who they are."""

    preferences: list[Preference]
    contact_points: list[ShownContactPoint]


class ConfirmationBody(BaseModel):
    """What a link confirms, and how far that is."""

    channel: Channel
    purpose: Purpose
    channel_label: Labels
    purpose_label: Labels
    state: Literal["waiting", "confirmed", "lapsed", "void"]
    expires_at: datetime

    @classmethod
    def of(cls, request: RequestedOptIn) -> ConfirmationBody:
        """The request as whoever has the link sees it."""
        return cls(
            channel=request.channel,
            purpose=request.purpose,
            channel_label=Labels.of(request.channel),
            purpose_label=Labels.of(request.purpose),
            state=request.state.value,
            expires_at=request.expires_at,
        )


async def person(connection: AsyncConnection, customer_id: str) -> Person | None:
    """The person whom this id means."""
    driver = await driver_of(connection)
    rows = await driver.fetch(LINKED, [customer_id])
    records = {row["customer_id"]: CUSTOMER.validate_json(row["document"]) for row in rows}
    return person_of(records, customer_id)


async def overview(connection: AsyncConnection, customer_id: str) -> ConsentsOverview | None:
    """What a person allows and why; None for a stranger."""
    found = await person(connection, customer_id)
    if found is None:
        return None
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT * FROM consent_words WHERE customer_id = ANY($1) ORDER BY position DESC LIMIT $2",
        list(found.customer_ids),
        MOST_WORDS,
    )
    words = [_word(row) for row in rows]
    return ConsentsOverview(
        customer_id=found.survivor.customer_id,
        consents=[ConsentAccount.of(account) for account in accounts(found.consents, words)],
        requests=[RequestBody.of(request) for request in _requests(found)],
    )


async def history(
    connection: AsyncConnection, customer_id: str, limit: int, cursor: str | None
) -> Page[WordBody] | None:
    """A page of everything that a person ever said of consent, the newest first."""
    found = await person(connection, customer_id)
    if found is None:
        return None
    before = _newest_words.decode(cursor)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT * FROM consent_words WHERE customer_id = ANY($1)"
        " AND ($2::bigint IS NULL OR position < $2) ORDER BY position DESC LIMIT $3",
        list(found.customer_ids),
        None if before is None else before[0],
        limit + 1,
    )
    items, next_cursor = _newest_words.page(rows, limit, lambda row: (row["position"],))
    return Page(items=[WordBody.of(_word(row)) for row in items], next_cursor=next_cursor)


def preferences_of(person: Person, at: datetime) -> Preferences:
    """A person's own page."""
    held = {consent.subject: consent for consent in person.consents}
    waiting = {one.subject for one in _requests(person) if one.waiting and at < one.expires_at}
    points = {channel: contact_points(person, channel) for channel in Channel}

    def preference(channel: Channel, purpose: Purpose) -> Preference:
        consent = held.get((channel, purpose))
        return Preference(
            channel=channel,
            purpose=purpose,
            channel_label=Labels.of(channel),
            purpose_label=Labels.of(purpose),
            allowed=consent is not None and consent.allows(at),
            status=None if consent is None else consent.standing,
            awaits_confirmation=(channel, purpose) in waiting,
            can_be_allowed=bool(points[channel]),
        )

    return Preferences(
        preferences=[
            preference(channel, purpose)
            for channel in Channel
            for purpose in Purpose
            if points[channel] or (channel, purpose) in held
        ],
        contact_points=[
            ShownContactPoint(channel=channel, shown=masked(point))
            for channel in (Channel.EMAIL, Channel.SMS, Channel.WECHAT)
            for point in points[channel]
        ],
    )


def _requests(person: Person) -> list[RequestedOptIn]:
    return sorted(
        (request for record in person.records for request in record.opt_ins),
        key=lambda request: (request.requested_at, request.opt_in_id),
    )


def _word(row: Any) -> ConsentWord:
    return ConsentWord(
        word_id=row["word_id"],
        customer_id=row["customer_id"],
        consent=Consent(
            channel=Channel(row["channel"]),
            purpose=Purpose(row["purpose"]),
            status=ConsentStatus(row["status"]),
            basis=ConsentBasis(row["basis"]),
            at=row["said_at"],
            collected_through=row["collected_through"],
            wording=row["wording"],
            expires_at=row["expires_at"],
        ),
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
    )

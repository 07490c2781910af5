"""Partner systems: what each may send, with which keys, and how its events fare."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import uuid4

import orjson
from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.domain.partners.partner_commands import (
    IssueKey,
    RegisterPartner,
    RevokeKey,
    issue_key,
    register_partner,
    revoke_key,
)
from intake.domain.partners.partners import PARTNER_TYPES, Partner
from intake.keyring import keyring
from intake.queries import PartnerBody, PartnerDay, PartnerRejection, PartnerSummary
from intake.reading.partner_records import secret_of
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.preconditions import etag
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Line, PartnerId

router = APIRouter(prefix="/partners", tags=["partners"])

Writer = Annotated[commands.Caller, Security(commands.editor, scopes=["partners:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["partners:read"])]

LARGEST_QUOTA: Final = 10_000_000
"""Events a day that a quota can allow, at most."""
MOST_DAYS: Final = 366
"""Days of counts in one answer, at most."""


class PartnerForm(BaseModel):
    """A partner system and what it may send."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Sales ledger",
                    "allowed_types": ["partner.sale.recorded.v1"],
                    "daily_quota": 50_000,
                }
            ]
        },
    )

    name: Line
    allowed_types: Annotated[tuple[Line, ...], Field(max_length=20)] = Field(
        description=f"Of {', '.join(sorted(PARTNER_TYPES))}."
    )
    daily_quota: Annotated[int, Field(strict=True, ge=1, le=LARGEST_QUOTA)] | None = Field(
        default=None, description="Events a day (UTC) that are accepted at most."
    )
    suspended: bool = Field(default=False, description="Accept nothing for the time being.")


class KeyBody(BaseModel):
    """A key with which a partner signs."""

    model_config = ConfigDict(from_attributes=True)

    key_id: str
    issued_at: datetime
    revoked_at: datetime | None


class KeyIssued(KeyBody):
    """A new key with its secret, which is shown this once."""

    secret: str = Field(description="Base64 of the key of the HMAC.")


class PartnerRegistered(PartnerForm):
    """A partner as it is registered now."""

    partner_id: str
    source: str = Field(description="The CloudEvents source of its events.")
    keys: list[KeyBody]

    @classmethod
    def of(cls, partner: Partner, _: Sequence[Event]) -> PartnerRegistered:
        """The answer to a registration."""
        return cls(
            partner_id=partner.partner_id,
            source=f"/partners/{partner.partner_id}",
            name=partner.name,
            allowed_types=partner.allowed_types,
            daily_quota=partner.daily_quota,
            suspended=partner.suspended,
            keys=[KeyBody.model_validate(key) for key in partner.keys],
        )


@router.put("/{partner_id}", summary="Register a partner", response_model=PartnerRegistered)
async def put_partner(partner_id: PartnerId, body: PartnerForm, caller: Writer) -> Response:
    """Let a partner system send these event types, and no others, from now on. Its keys stay."""
    command = RegisterPartner(
        partner_id, body.name, body.allowed_types, body.daily_quota, body.suspended
    )
    return await caller.execute(register_partner, command, PartnerRegistered.of)


@router.post("/{partner_id}/keys", status_code=201, summary="Issue a key", response_model=KeyIssued)
async def post_key(partner_id: PartnerId, caller: Writer) -> Response:
    """Give the partner a key: from now on it must sign what it sends.

    The secret is not kept here; a repetition with the same Idempotency-Key shows it again. To
    change keys without a gap, issue the new one, let the partner use it, and revoke the old one.
    """
    key_id = f"{keyring().newest}.{uuid4().hex[:16]}"
    answer = await caller.decided(issue_key, IssueKey(partner_id, key_id), _newest, status=201)
    issued = orjson.loads(answer.body)
    # Added after the commit, so that no table ever holds it.
    issued["secret"] = base64.b64encode(secret_of(partner_id, issued["key_id"])).decode()
    return Response(
        orjson.dumps(issued),
        status_code=answer.status,
        media_type=answer.media_type,
        headers={"cache-control": "no-store"},
    )


@router.delete(
    "/{partner_id}/keys/{key_id}", summary="Revoke a key", response_model=PartnerRegistered
)
async def delete_key(
    partner_id: PartnerId, key_id: Annotated[str, Field(max_length=128)], caller: Writer
) -> Response:
    """Nothing signed with that key is accepted any more; the partner goes on having to sign."""
    return await caller.execute(revoke_key, RevokeKey(partner_id, key_id), PartnerRegistered.of)


@router.get("", summary="Partners", response_model=Page[PartnerSummary])
async def list_partners(
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[PartnerSummary]:
    """All partner systems by their ids."""
    return await queries.partners(connection, limit, cursor)


@router.get("/{partner_id}", summary="A partner", response_model=PartnerBody)
async def show_partner(
    partner_id: PartnerId, _: Reader, connection: commands.Reading, response: Response
) -> PartnerBody:
    """A partner system, and how many of its events were accepted, repeated and rejected."""
    found = await queries.partner(connection, partner_id)
    if found is None:
        raise Refusal(
            "partner-not-found",
            "No partner of this id is registered.",
            kind=RefusalKind.NOT_FOUND,
        )
    body, version = found
    response.headers["etag"] = etag(version)
    return body


@router.get(
    "/{partner_id}/counts", summary="A partner's events day by day", response_model=list[PartnerDay]
)
async def show_counts(
    partner_id: PartnerId,
    _: Reader,
    connection: commands.Reading,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="The latest so many.")] = 30,
) -> list[PartnerDay]:
    """What became of the partner's records on each day (UTC) by type and reason, the latest first.

    The partner `unknown` counts the records that do not say who sent them.
    """
    return await queries.partner_days(connection, partner_id, days)


@router.get(
    "/{partner_id}/rejections",
    summary="A partner's rejected records",
    response_model=Page[PartnerRejection],
)
async def list_rejections(
    partner_id: PartnerId,
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[PartnerRejection]:
    """Which records were rejected and why, the latest first.

    The records themselves, with what to mend, are on the topic partners.rejected.
    """
    return await queries.partner_rejections(connection, partner_id, limit, cursor)


def _newest(partner: Partner, _: Sequence[Event]) -> KeyBody:
    return KeyBody.model_validate(partner.keys[-1])

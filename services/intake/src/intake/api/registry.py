"""What intake must know before anybody comes: partner systems, and the communities' rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.domain.communities import STALLED_AFTER_DAYS, Community
from intake.domain.partners import PARTNER_TYPES, Partner
from intake.domain.registry import (
    RegisterCommunity,
    RegisterPartner,
    register_community,
    register_partner,
)
from intake.queries import PartnerBody
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import CommunityId, Line, PartnerId, TimeZone
from keyturn_events.vocabulary import LeadStage

router = APIRouter(tags=["registry"])

PartnerWriter = Annotated[commands.Caller, Security(commands.caller, scopes=["partners:write"])]
PartnerReader = Annotated[Principal, Security(principal, scopes=["partners:read"])]
CommunityWriter = Annotated[
    commands.Caller, Security(commands.caller, scopes=["communities:write"])
]
CommunityReader = Annotated[Principal, Security(principal, scopes=["communities:read"])]


class PartnerForm(BaseModel):
    """A partner system and what it may send."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Sales ledger", "allowed_types": ["partner.sale.recorded.v1"]}]
        },
    )

    name: Line
    allowed_types: Annotated[tuple[Line, ...], Field(max_length=20)] = Field(
        description=f"Of {', '.join(sorted(PARTNER_TYPES))}."
    )


class PartnerRegistered(PartnerForm):
    """A partner as it is registered now."""

    partner_id: str
    source: str = Field(description="The CloudEvents source of its events.")

    @classmethod
    def of(cls, partner: Partner, _: Sequence[Event]) -> PartnerRegistered:
        """The answer to a registration."""
        return cls(
            partner_id=partner.partner_id,
            source=f"/partners/{partner.partner_id}",
            name=partner.name,
            allowed_types=partner.allowed_types,
        )


class CommunityForm(BaseModel):
    """The rules of a community. What is left out is as for every community."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Riverside 河畔家园", "time_zone": "Asia/Shanghai", "region": "CN"}
            ]
        },
    )

    name: Line | None = None
    time_zone: TimeZone = "Asia/Shanghai"
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="CN", description="Country (ISO 3166) of phone numbers without country code."
    )
    cooling_off_days: Annotated[int, Field(strict=True, ge=0, le=90)] = 7
    stalled_after_days: dict[LeadStage, Annotated[int, Field(strict=True, ge=1, le=3650)]] = Field(
        default=dict(STALLED_AFTER_DAYS),
        description="Idle days after which a lead of this stage has stalled.",
    )


class CommunityBody(CommunityForm):
    """A community's rules as they are now."""

    community_id: str

    @classmethod
    def of(cls, community: Community, _: Sequence[Event]) -> CommunityBody:
        """The rules of a community."""
        return cls(
            community_id=str(community.community_id),
            name=community.name,
            time_zone=community.time_zone,
            region=community.region,
            cooling_off_days=community.cooling_off_days,
            stalled_after_days=dict(community.stalled_after_days),
        )


@router.put(
    "/partners/{partner_id}", summary="Register a partner", response_model=PartnerRegistered
)
async def put_partner(partner_id: PartnerId, body: PartnerForm, caller: PartnerWriter) -> Response:
    """Let a partner system send these event types, and no others, from now on."""
    command = RegisterPartner(Partner(partner_id, body.name, body.allowed_types))
    return await caller.execute(register_partner, command, PartnerRegistered.of)


@router.get("/partners/{partner_id}", summary="A partner", response_model=PartnerBody)
async def show_partner(
    partner_id: PartnerId, _: PartnerReader, connection: commands.Reading
) -> PartnerBody:
    """A partner system, and how many of its events were accepted, repeated and rejected."""
    found = await queries.partner(connection, partner_id)
    if found is None:
        raise Refusal(
            "partner-not-found",
            "No partner of this id is registered.",
            kind=RefusalKind.NOT_FOUND,
        )
    return found


@router.put(
    "/communities/{community_id}", summary="Set a community's rules", response_model=CommunityBody
)
async def put_community(
    community_id: CommunityId, body: CommunityForm, caller: CommunityWriter
) -> Response:
    """Rules for what comes from now on; what was decided before stays."""
    community = Community(
        community_id,
        body.name,
        body.time_zone,
        body.region,
        body.cooling_off_days,
        body.stalled_after_days,
    )
    return await caller.execute(register_community, RegisterCommunity(community), CommunityBody.of)


@router.get(
    "/communities/{community_id}", summary="A community's rules", response_model=CommunityBody
)
async def show_community(
    community_id: CommunityId, _: CommunityReader, connection: commands.Reading
) -> CommunityBody:
    """The rules by which leads and purchases of a community go."""
    found = await queries.community(connection, community_id)
    if found is None:
        raise Refusal(
            "community-not-found",
            "No community of this id is registered; the rules of every community hold for it.",
            kind=RefusalKind.NOT_FOUND,
        )
    return CommunityBody.of(found, ())

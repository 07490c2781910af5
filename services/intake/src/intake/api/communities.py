"""The rules of communities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.api.week import PeriodForm
from intake.domain.communities import (
    FIRST_RESPONSE_MINUTES,
    MOST_RESPONSE_MINUTES,
    PROTECTION_DAYS,
    STALLED_AFTER_DAYS,
    Community,
)
from intake.domain.community_commands import RegisterCommunity, register_community
from intake.domain.leads.opening_hours import MOST_PERIODS
from intake.domain.leads.ownership import ContactKind
from intake.reading.lead_form import MOST_CONSENTS
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.preconditions import etag
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import CommunityId, Flag, Line, TimeZone
from keyturn_events.vocabulary import Channel, LeadStage, Purpose

router = APIRouter(tags=["registry"])

CommunityWriter = Annotated[
    commands.Caller, Security(commands.editor, scopes=["communities:write"])
]
CommunityReader = Annotated[Principal, Security(principal, scopes=["communities:read"])]


class ConsentKind(BaseModel):
    """One channel for one purpose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Channel
    purpose: Purpose


ResponseMinutes: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MOST_RESPONSE_MINUTES)]


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
    reservation_days: Annotated[int, Field(strict=True, ge=1, le=365)] | None = Field(
        default=None,
        description="Days after which a reserved home is free again unless it is subscribed.",
    )
    double_opt_in: Annotated[tuple[ConsentKind, ...], Field(max_length=MOST_CONSENTS)] = Field(
        default=(), description="Consents that hold only once the person has confirmed them."
    )
    contract_allows: Annotated[tuple[Purpose, ...], Field(max_length=len(Purpose))] = Field(
        default=(Purpose.SERVICE,),
        description="Purposes for which a signed contract implies consent, for two years.",
    )
    opening_hours: Annotated[tuple[PeriodForm, ...], Field(max_length=MOST_PERIODS)] = Field(
        default=(), description="When the showroom is open; without any, always."
    )
    first_response_minutes: ResponseMinutes = Field(
        default=FIRST_RESPONSE_MINUTES,
        description="Within opening hours, until it is told that a lead was not contacted.",
    )
    reassigns_overdue: Flag = Field(
        default=False, description="Whether such a lead then goes to another advisor on duty."
    )
    protection_days: dict[ContactKind, Annotated[int, Field(strict=True, ge=1, le=365)]] = Field(
        default=dict(PROTECTION_DAYS),
        description="For how long a contact protects a lead; other kinds stay as usual, and a"
        " message protects none.",
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
            reservation_days=community.reservation_days,
            double_opt_in=tuple(
                ConsentKind(channel=channel, purpose=purpose)
                for channel, purpose in community.double_opt_in
            ),
            contract_allows=community.contract_allows,
            opening_hours=tuple(PeriodForm.of(period) for period in community.opening_hours),
            first_response_minutes=community.first_response_minutes,
            reassigns_overdue=community.reassigns_overdue,
            protection_days=dict(community.protection_days),
        )


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
        reservation_days=body.reservation_days,
        double_opt_in=tuple((kind.channel, kind.purpose) for kind in body.double_opt_in),
        contract_allows=tuple(dict.fromkeys(body.contract_allows)),
        opening_hours=tuple(period.period() for period in body.opening_hours),
        first_response_minutes=body.first_response_minutes,
        reassigns_overdue=body.reassigns_overdue,
        protection_days={**PROTECTION_DAYS, **body.protection_days},
    )
    return await caller.execute(register_community, RegisterCommunity(community), CommunityBody.of)


@router.get(
    "/communities/{community_id}", summary="A community's rules", response_model=CommunityBody
)
async def show_community(
    community_id: CommunityId,
    _: CommunityReader,
    connection: commands.Reading,
    response: Response,
) -> CommunityBody:
    """The rules by which leads and purchases of a community go."""
    found = await queries.community(connection, community_id)
    if found is None:
        raise Refusal(
            "community-not-found",
            "No community of this id is registered; the rules of every community hold for it.",
            kind=RefusalKind.NOT_FOUND,
        )
    community, version = found
    response.headers["etag"] = etag(version)
    return CommunityBody.of(community, ())

"""Campaigns: what starts them, what they send."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from campaigns import queries
from campaigns.api.doors import CampaignReader, CampaignWriter, CodePath, ExpectedVersion
from campaigns.domain import desk
from campaigns.domain.campaign import (
    LONGEST_WAIT_DAYS,
    MOST_STEPS,
    Campaign,
    Reentry,
    Step,
    Trigger,
)
from campaigns.reactions import reactions
from keyturn_chassis.commands import Reading
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import CATALOGUE
from keyturn_events.scalars import Code, Line
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.vocabulary import Channel, Purpose

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

EVENTS: Final = tuple(sorted(reactions.events))
"""The types of events that can start or stop a campaign: all that campaigns reacts to."""

Value = Annotated[str, Field(max_length=200)] | bool | int | float


class EventTrigger(BaseModel):
    """Starts with an event."""

    model_config = ConfigDict(extra="forbid")

    event: Line = Field(description="A type such as keyturn.purchase.signed.v1.")
    where: dict[Line, Annotated[list[Value], Field(min_length=1, max_length=50)]] = Field(
        default_factory=dict,
        max_length=20,
        description="Per field of the event the values that match; every field has to match.",
    )
    occurrence: Line | None = Field(
        default=None, description="The field that tells occurrences apart, such as purchase_id."
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.event not in EVENTS:
            raise ValueError(f"event should be one of {', '.join(EVENTS)}")
        fields = CATALOGUE[self.event].model_fields
        for name in (*self.where, *([self.occurrence] if self.occurrence else [])):
            if name not in fields:
                raise ValueError(f"{self.event} has no field {name}; it has {', '.join(fields)}")
        return self

    def trigger(self) -> Trigger:
        """The trigger as the domain knows it."""
        where = {name: tuple(values) for name, values in self.where.items()}
        return Trigger(self.event, where, self.occurrence)


class SegmentTrigger(BaseModel):
    """Starts with a move to one of some segments of a model."""

    model_config = ConfigDict(extra="forbid")

    model: Code
    to_segments: list[Code] = Field(min_length=1, max_length=50)

    def trigger(self) -> Trigger:
        """The trigger as the domain knows it: such a move is an event too."""
        where = {"model": (self.model,), "to_segment": tuple(self.to_segments)}
        return Trigger(CustomerSegmented.type, where)


def _sort_of(value: object) -> str:
    segment = isinstance(value, SegmentTrigger) or (isinstance(value, dict) and "model" in value)
    return "segment" if segment else "event"


AnyTrigger = Annotated[
    Annotated[EventTrigger, Tag("event")] | Annotated[SegmentTrigger, Tag("segment")],
    Discriminator(_sort_of),
]


class StepBody(BaseModel):
    """One message of a campaign."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    template: Code
    channels: list[Channel] = Field(
        min_length=1, max_length=5, description="In the order in which they are tried."
    )
    wait_days: int = Field(default=0, ge=0, le=LONGEST_WAIT_DAYS)
    valid_days: int = Field(default=30, ge=1, le=LONGEST_WAIT_DAYS)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("channels should name each channel once")
        return self


class Names(BaseModel):
    """What people see, in both languages."""

    model_config = ConfigDict(extra="forbid")

    en: Line
    zh: Line


class CampaignChange(BaseModel):
    """A campaign as it is to be."""

    model_config = ConfigDict(extra="forbid")

    name: Names
    trigger: AnyTrigger
    purpose: Literal[Purpose.SERVICE, Purpose.MARKETING, Purpose.SURVEY]
    transactional: bool = False
    reentry: Reentry = Reentry.PER_OCCURRENCE
    reentry_days: int | None = Field(default=None, ge=1, le=LONGEST_WAIT_DAYS)
    steps: list[StepBody] = Field(min_length=1, max_length=MOST_STEPS)
    stop_on: list[Line] = Field(default_factory=list, max_length=20)
    active: bool = True
    expected_version: ExpectedVersion = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.reentry is Reentry.AFTER_DAYS) != (self.reentry_days is not None):
            raise ValueError("reentry_days goes with reentry after-days, and only with it")
        if self.transactional and self.purpose is Purpose.MARKETING:
            raise ValueError("marketing is never transactional")
        codes = [step.code for step in self.steps]
        if len(set(codes)) < len(codes):
            raise ValueError("steps should each have a code of their own")
        about = self.trigger.occurrence if isinstance(self.trigger, EventTrigger) else None
        for event in self.stop_on:
            if event not in EVENTS:
                raise ValueError(f"stop_on should name some of {', '.join(EVENTS)}")
            if self.reentry is not Reentry.ONCE and about not in CATALOGUE[event].model_fields:
                raise ValueError(
                    f"stop_on {event} needs a trigger with an occurrence field that {event} has"
                )
        return self

    def campaign(self, code: str) -> Campaign:
        """The campaign as the domain knows it; its version is the decision's."""
        return Campaign(
            code=code,
            version=1,
            name=self.name.model_dump(),
            trigger=self.trigger.trigger(),
            purpose=self.purpose,
            transactional=self.transactional,
            reentry=self.reentry,
            reentry_days=self.reentry_days,
            steps=tuple(
                Step(
                    step.code,
                    step.template,
                    tuple(step.channels),
                    step.wait_days,
                    step.valid_days,
                )
                for step in self.steps
            ),
            stop_on=tuple(self.stop_on),
            active=self.active,
        )


_EXAMPLE: Final[dict[str, JsonValue]] = {
    "name": {"en": "Thanks for the visit", "zh": "感谢到访"},
    "trigger": {
        "event": "keyturn.lead.advanced.v1",
        "where": {"to_stage": ["visited"]},
        "occurrence": "lead_id",
    },
    "purpose": "service",
    "transactional": True,
    "reentry": "per-occurrence",
    "steps": [
        {"code": "thanks", "template": "welcome", "channels": ["email", "sms"], "wait_days": 1}
    ],
    "stop_on": ["keyturn.lead.lost.v1"],
}

CampaignChange.model_config["json_schema_extra"] = {"examples": [_EXAMPLE]}


class NewCampaign(CampaignChange):
    """A campaign that is to be added."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "visit-thanks", **_EXAMPLE}]}
    )

    code: Code


class TriggerBody(BaseModel):
    """What starts a campaign."""

    event: str
    where: dict[str, list[Value]]
    occurrence: str | None


class CampaignBody(BaseModel):
    """A campaign as it is."""

    code: str
    version: int
    name: Names
    trigger: TriggerBody
    purpose: Purpose
    transactional: bool
    reentry: Reentry
    reentry_days: int | None
    steps: list[StepBody]
    stop_on: list[str]
    active: bool

    @classmethod
    def of(cls, campaign: Campaign) -> CampaignBody:
        """The body of a campaign."""
        return cls(
            code=campaign.code,
            version=campaign.version,
            name=Names(en=campaign.name["en"], zh=campaign.name["zh"]),
            trigger=TriggerBody(
                event=campaign.trigger.event,
                where={name: list(values) for name, values in campaign.trigger.where.items()},
                occurrence=campaign.trigger.occurrence,
            ),
            purpose=campaign.purpose,
            transactional=campaign.transactional,
            reentry=campaign.reentry,
            reentry_days=campaign.reentry_days,
            steps=[
                StepBody(
                    code=step.code,
                    template=step.template,
                    channels=list(step.channels),
                    wait_days=step.wait_days,
                    valid_days=step.valid_days,
                )
                for step in campaign.steps
            ],
            stop_on=list(campaign.stop_on),
            active=campaign.active,
        )


def _body(state: desk.Catalogue, _: object) -> CampaignBody:
    if state.campaign is None:
        raise desk.no_campaign()
    return CampaignBody.of(state.campaign)


@router.post("", status_code=201, response_model=CampaignBody, summary="Add a campaign")
async def add_campaign(body: NewCampaign, caller: CampaignWriter) -> Response:
    """Add a campaign; it starts with the next event that matches."""
    command = desk.CreateCampaign(body.campaign(body.code))
    return await caller.execute(desk.create_campaign, command, _body, status=201)


@router.put("/{code}", response_model=CampaignBody, summary="Change a campaign")
async def change_campaign(code: CodePath, body: CampaignChange, caller: CampaignWriter) -> Response:
    """Change a campaign. Messages that wait follow the new version when they are decided on."""
    command = desk.ChangeCampaign(body.campaign(code), body.expected_version)
    return await caller.execute(desk.change_campaign, command, _body)


@router.get("", summary="List campaigns")
async def list_campaigns(
    connection: Reading,
    _: CampaignReader,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CampaignBody]:
    """All campaigns, by code."""
    rows = await queries.campaigns(connection, queries.by_code.decode(cursor), limit)
    items, following = queries.by_code.page(rows, limit, lambda campaign: (campaign.code,))
    return Page(items=[CampaignBody.of(item) for item in items], next_cursor=following)


@router.get("/{code}", summary="Read a campaign")
async def read_campaign(code: CodePath, connection: Reading, _: CampaignReader) -> CampaignBody:
    """One campaign, with the version to change it by."""
    campaign = await queries.campaign(connection, code)
    if campaign is None:
        raise desk.no_campaign()
    return CampaignBody.of(campaign)

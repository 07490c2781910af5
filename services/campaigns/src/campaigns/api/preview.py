"""Shows a campaign as people would see it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from campaigns import queries
from campaigns.api.campaigns import Value
from campaigns.api.doors import CampaignReader, CodePath
from campaigns.domain import desk
from campaigns.domain.template import Content
from campaigns.rendering import UnfitTemplate, render
from keyturn_chassis.commands import Reading
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import Line

router = APIRouter(prefix="/campaigns", tags=["campaigns"])


class Sample(BaseModel):
    """The values with which a campaign is to be shown."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "王小明",
                    "referral_code": "K7QF-2M9P",
                    "event": {"home_id": "B3-1201", "community_id": "lakeside"},
                }
            ]
        },
    )

    name: Line = "王小明"
    referral_code: Line = "K7QF-2M9P"
    event: dict[Line, Value] = Field(default_factory=dict, max_length=50)


class PreviewedMessage(BaseModel):
    """A message as a person would see it."""

    subject: str
    body: str


class PreviewedStep(BaseModel):
    """A step in both languages."""

    step: str
    template: str
    template_version: int
    en: PreviewedMessage
    zh: PreviewedMessage


class Preview(BaseModel):
    """A campaign as people would see it."""

    code: str
    version: int
    steps: list[PreviewedStep]


@router.post("/{code}/preview", summary="Preview a campaign")
async def preview_campaign(
    code: CodePath, body: Sample, connection: Reading, _: CampaignReader
) -> Preview:
    """Every step in both languages with sample values; nothing is sent or kept."""
    campaign = await queries.campaign(connection, code)
    if campaign is None:
        raise desk.no_campaign()
    steps = []
    for step in campaign.steps:
        template = await queries.template(connection, step.template)
        if template is None:
            raise Refusal("no-such-template", f"There is no template {step.template}.")
        steps.append(
            PreviewedStep(
                step=step.code,
                template=template.code,
                template_version=template.version,
                en=_previewed(template.content["en"], body),
                zh=_previewed(template.content["zh"], body),
            )
        )
    return Preview(code=campaign.code, version=campaign.version, steps=steps)


def _previewed(content: Content, sample: Sample) -> PreviewedMessage:
    try:
        rendered = render(
            content,
            {
                "name": sample.name,
                "referral_code": sample.referral_code,
                "event": sample.event,
            },
        )
    except UnfitTemplate as error:
        raise Refusal(
            "sample-incomplete",
            f"The template cannot be shown with these values: {error}",
            kind=RefusalKind.INVALID,
            pointer="/event",
        ) from error
    return PreviewedMessage(subject=rendered.subject, body=rendered.body)

"""Templates, and the policy that every send is held to."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from campaigns import queries
from campaigns.api.doors import CampaignReader, CampaignWriter, CodePath, ExpectedVersion
from campaigns.domain import desk
from campaigns.domain.frequency import Cap
from campaigns.domain.policy import Policy
from campaigns.domain.quiet_hours import Window, zone_named
from campaigns.domain.template import Content, Template
from campaigns.rendering import UnfitTemplate, check
from keyturn_chassis.commands import Reading
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import TimeZone
from keyturn_events.vocabulary import Purpose

router = APIRouter(tags=["campaigns"])


def _fit(source: str) -> str:
    try:
        check(source)
    except UnfitTemplate as error:
        raise ValueError(str(error)) from error
    return source


Source = Annotated[str, AfterValidator(_fit)]


class ContentBody(BaseModel):
    """A message in one language; both texts are Jinja2 templates."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[Source, Field(min_length=1, max_length=200)]
    body: Annotated[Source, Field(min_length=1, max_length=10_000)]


class TemplateChange(BaseModel):
    """A template as it is to be, in both languages.

    It may show `name`, `referral_code`, the fields of the campaign's event, such as
    `event.home_id`, and `links.preferences`, `links.unsubscribe` and `links.confirm`, where there
    are such; it may use conditions and simple filters.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "en": {"subject": "Thank you", "body": "Dear {{ name }}, thank you."},
                    "zh": {"subject": "感谢您", "body": "{{ name }}，您好！感谢您的到访。"},
                }
            ]
        },
    )

    en: ContentBody
    zh: ContentBody
    expected_version: ExpectedVersion = None


class TemplateBody(BaseModel):
    """A template as it is."""

    code: str
    version: int
    en: ContentBody
    zh: ContentBody

    @classmethod
    def of(cls, template: Template) -> TemplateBody:
        """The body of a template."""
        en, zh = template.content["en"], template.content["zh"]
        return cls(
            code=template.code,
            version=template.version,
            en=ContentBody(subject=en.subject, body=en.body),
            zh=ContentBody(subject=zh.subject, body=zh.body),
        )


def _no_template() -> Refusal:
    return Refusal(
        "no-such-template",
        "No template has this code; GET /templates lists those that there are.",
        kind=RefusalKind.NOT_FOUND,
    )


def _template_body(state: desk.Catalogue, _: object) -> TemplateBody:
    if state.template is None:
        raise _no_template()
    return TemplateBody.of(state.template)


@router.put("/templates/{code}", response_model=TemplateBody, summary="Write a template")
async def put_template(code: CodePath, body: TemplateChange, caller: CampaignWriter) -> Response:
    """Add or change a template; what is sent from now on uses it."""
    content = {
        "en": Content(body.en.subject, body.en.body),
        "zh": Content(body.zh.subject, body.zh.body),
    }
    command = desk.PutTemplate(Template(code, 1, content), body.expected_version)
    return await caller.execute(desk.put_template, command, _template_body)


@router.get("/templates", summary="List templates")
async def list_templates(
    connection: Reading,
    _: CampaignReader,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[TemplateBody]:
    """All templates, by code."""
    rows = await queries.templates(connection, queries.by_code.decode(cursor), limit)
    items, following = queries.by_code.page(rows, limit, lambda template: (template.code,))
    return Page(items=[TemplateBody.of(item) for item in items], next_cursor=following)


@router.get("/templates/{code}", summary="Read a template")
async def read_template(code: CodePath, connection: Reading, _: CampaignReader) -> TemplateBody:
    """One template, with the version to change it by."""
    template = await queries.template(connection, code)
    if template is None:
        raise _no_template()
    return TemplateBody.of(template)


class CapBody(BaseModel):
    """At most `count` messages for `purpose` in any `days` days in a row."""

    model_config = ConfigDict(extra="forbid")

    purpose: Literal[Purpose.MARKETING, Purpose.SURVEY]
    count: int = Field(ge=1, le=1_000)
    days: int = Field(ge=1, le=366)


def _zone(name: str) -> str:
    if zone_named([name]) is None:
        raise ValueError("should be an IANA time zone such as Asia/Shanghai")
    return name


WallTime = Annotated[
    time,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?$",
        }
    ),
]
"""A time of day by the clock on the wall; JSON Schema's own `time` is one with an offset."""


class PolicyChange(BaseModel):
    """The sending policy as it is to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "opens": "09:00:00",
                    "closes": "21:00:00",
                    "time_zone": "Asia/Shanghai",
                    "language": "zh",
                    "caps": [{"purpose": "marketing", "count": 3, "days": 7}],
                }
            ]
        },
    )

    opens: WallTime = Field(description="From when people may be written to, by their own clock.")
    closes: WallTime = Field(description="Until when, on the same day.")
    time_zone: Annotated[TimeZone, AfterValidator(_zone)] = Field(
        description="Taken for people of whom neither a zone nor a community's zone is known."
    )
    language: Literal["en", "zh"]
    caps: list[CapBody] = Field(max_length=20)
    expected_version: ExpectedVersion = None

    @model_validator(mode="after")
    def _in_order(self) -> PolicyChange:
        if self.opens.tzinfo is not None or self.closes.tzinfo is not None:
            raise ValueError("opens and closes are wall-clock times, without an offset")
        if self.opens >= self.closes:
            raise ValueError("opens should be before closes")
        return self


class PolicyBody(BaseModel):
    """The sending policy as it is."""

    version: int
    opens: WallTime
    closes: WallTime
    time_zone: str
    language: str
    caps: list[CapBody]

    @classmethod
    def of(cls, policy: Policy) -> PolicyBody:
        """The body of a policy."""
        return cls(
            version=policy.version,
            opens=policy.window.opens,
            closes=policy.window.closes,
            time_zone=policy.time_zone,
            language=policy.language,
            caps=[
                CapBody.model_validate(
                    {"purpose": cap.purpose, "count": cap.count, "days": cap.days}
                )
                for cap in policy.caps
            ],
        )


@router.get("/sending-policy", summary="Read the sending policy")
async def read_policy(connection: Reading, _: CampaignReader) -> PolicyBody:
    """When, and how often, people may be written to."""
    return PolicyBody.of(await queries.policy(connection))


@router.put("/sending-policy", response_model=PolicyBody, summary="Change the sending policy")
async def put_policy(body: PolicyChange, caller: CampaignWriter) -> Response:
    """Change it for every message that is decided on from now on."""
    policy = Policy(
        window=Window(body.opens, body.closes),
        time_zone=body.time_zone,
        language=body.language,
        caps=tuple(Cap(cap.purpose, cap.count, cap.days) for cap in body.caps),
    )
    command = desk.PutPolicy(policy, body.expected_version)
    return await caller.execute(
        desk.put_policy, command, lambda state, _: PolicyBody.of(state.policy)
    )

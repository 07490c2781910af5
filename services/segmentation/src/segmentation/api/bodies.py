"""What travels over HTTP: the bodies of requests and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, TypeAdapter

from keyturn_events.scalars import Code, Line, Moment
from keyturn_events.values import AMOUNT_PATTERN, Currency
from keyturn_events.vocabulary import ProductLine
from segmentation.domain.answers import Answer
from segmentation.domain.models import Comparison, Labels, Segment, SegmentModel, SilenceModel
from segmentation.domain.profile import Profile
from segmentation.domain.standing import Membership, Standing
from segmentation.queries import Member

MOST_SEGMENTS = 100
MOST_RULES = 200
MOST_CONDITIONS = 20
"""With `MOST_SEGMENTS` and `MOST_RULES`: how large a model may be."""

_MODEL = TypeAdapter(SegmentModel)


class CustomerBody(BaseModel):
    """A customer's profile, and what their timeline adds up to."""

    profile: Profile
    dormant_since: datetime | None
    touches: int = Field(description="How often the customer was captured as a lead.")
    messages: dict[str, int] = Field(description="Messages by outcome: sent, held, skipped, failed")
    events: dict[str, int] = Field(description="Lines of the timeline by event type.")

    @classmethod
    def of(cls, profile: Profile, standing: Standing, lines: Mapping[str, int]) -> Self:
        """The body for a profile, a standing and the timeline's lines by type."""
        return cls(
            profile=profile,
            dormant_since=standing.dormant_since,
            touches=lines.get("keyturn.lead.captured.v1", 0),
            messages={
                outcome: lines.get(f"keyturn.message.{outcome}.v1", 0)
                for outcome in ("sent", "held", "skipped", "failed")
            },
            events=dict(lines),
        )


class TimelineEntryBody(BaseModel):
    """One event of a customer's timeline."""

    at: datetime
    type: str
    event_id: str
    customer_id: str = Field(description="The id under which it happened.")
    facts: dict[str, Any] = Field(description="The event's data.")


class MembershipBody(BaseModel):
    """Where a customer stands in a model, and why."""

    customer_id: str
    model: str
    version: int
    segment: str
    labels: Labels
    product_line: ProductLine | None
    rule: str
    inputs: dict[str, Answer] = Field(description="What the rule looked at.")
    missing: list[str] = Field(description="The answers that an unclassified customer still owes.")
    since: datetime
    caused_by: str = Field(description="The event, or the timer, that led to the move.")

    @classmethod
    def of(cls, customer_id: str, model: SegmentModel, membership: Membership) -> Self:
        """The body for a membership of `model`."""
        segment = model.segment(membership.segment)
        return cls(
            customer_id=customer_id,
            model=model.model,
            version=membership.version,
            segment=membership.segment,
            labels=segment.labels,
            product_line=segment.product_line,
            rule=membership.rule,
            inputs=dict(membership.inputs),
            missing=list(membership.missing),
            since=membership.since,
            caused_by=membership.caused_by,
        )


class MemberBody(BaseModel):
    """A customer in a segment."""

    customer_id: str
    segment: str
    labels: Labels
    since: datetime

    @classmethod
    def of(cls, member: Member, model: SegmentModel) -> Self:
        """The body for a member of one of the model's segments."""
        return cls(
            customer_id=member.customer_id,
            segment=member.segment,
            labels=model.segment(member.segment).labels,
            since=member.since,
        )


class SegmentCountBody(BaseModel):
    """A segment, and how many customers are in it."""

    segment: str
    labels: Labels
    product_line: ProductLine | None
    ability_rank: int | None
    customers: int
    share: float = Field(description="Of all customers of the model, from 0 to 1.")

    @classmethod
    def of(cls, segment: Segment, customers: int, total: int) -> Self:
        """The body for `customers` out of `total`."""
        return cls(
            segment=segment.segment,
            labels=segment.labels,
            product_line=segment.product_line,
            ability_rank=segment.ability_rank,
            customers=customers,
            share=round(customers / total, 4) if total else 0.0,
        )


class SegmentCountsBody(BaseModel):
    """A model, and its customers by segment."""

    model: str
    version: int
    labels: Labels
    customers: int
    segments: list[SegmentCountBody]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LabelsBody(_Strict):
    """What people read."""

    en: Line
    zh: Line


class ConditionBody(_Strict):
    """One input held against one value."""

    input: Code
    compare: Comparison
    value: StrictBool | StrictInt | Line


class RuleBody(_Strict):
    """All conditions together lead to the segment."""

    rule: Code
    segment: Code
    when: Annotated[list[ConditionBody], Field(min_length=1, max_length=MOST_CONDITIONS)]


class SegmentBody(_Strict):
    """A segment of the model."""

    segment: Code
    labels: LabelsBody
    product_line: ProductLine | None = None
    ability_rank: int | None = Field(default=None, ge=1, le=MOST_SEGMENTS)


Price = Annotated[str, Field(pattern=AMOUNT_PATTERN)]
Share = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$", examples=["0.28"])]


class LendingTermsBody(_Strict):
    """What a lender asks, and the prices at which each next band of ability begins."""

    front_ratio: Share
    back_ratio: Share
    annual_rate: Share
    term_months: int = Field(ge=1, le=600)
    bands: Annotated[list[Code], Field(min_length=1, max_length=10)]
    markets: Annotated[dict[Currency, list[Price]], Field(max_length=200)]


_EXAMPLE: Final[dict[str, JsonValue]] = {
    "version": 2,
    "labels": {"en": "First home", "zh": "首次置业"},
    "segments": [{"segment": "first-time-buyer", "labels": {"en": "First-time", "zh": "首次"}}],
    "rules": [
        {
            "rule": "no-home-yet",
            "segment": "first-time-buyer",
            "when": [{"input": "homes_owned", "compare": "equals", "value": 0}],
        }
    ],
}


class ModelBody(_Strict):
    """A version of a segment model: the first rule that holds decides."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    model: Code | None = None
    version: int = Field(ge=1, le=1_000_000)
    labels: LabelsBody
    segments: Annotated[list[SegmentBody], Field(min_length=1, max_length=MOST_SEGMENTS)]
    rules: Annotated[list[RuleBody], Field(min_length=1, max_length=MOST_RULES)]
    affordability: LendingTermsBody | None = None

    def model_of(self, name: str) -> SegmentModel:
        """The model of this name that the body describes; not yet checked."""
        document = self.model_dump(mode="json")
        return _MODEL.validate_python({**document, "model": name})

    @classmethod
    def of(cls, model: SegmentModel) -> Self:
        """The body that describes `model`."""
        return cls.model_validate(_MODEL.dump_python(model, mode="json"))


class SilenceBody(_Strict):
    """A version of when customers count as dormant."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "version": 2,
                    "labels": {"en": "Silence", "zh": "沉默客户"},
                    "dormant_after_days": 180,
                }
            ]
        },
    )

    model: Code | None = None
    version: int = Field(ge=1, le=1_000_000)
    labels: LabelsBody
    dormant_after_days: int = Field(ge=1, le=36_500)

    def model_of(self, name: str) -> SilenceModel:
        """The model of this name that the body describes."""
        labels = Labels(self.labels.en, self.labels.zh)
        return SilenceModel(name, self.version, labels, self.dormant_after_days)

    @classmethod
    def of(cls, model: SilenceModel) -> Self:
        """The body that describes `model`."""
        return cls(
            model=model.model,
            version=model.version,
            labels=LabelsBody(en=model.labels.en, zh=model.labels.zh),
            dormant_after_days=model.dormant_after_days,
        )


class PublishedBody(BaseModel):
    """What was published."""

    model: str
    version: int
    published_at: Moment


class MoveBody(BaseModel):
    """How many customers would move from one segment to another."""

    from_segment: str
    to_segment: str
    customers: int


class MovesBody(BaseModel):
    """What a version would change, were it published now."""

    model: str
    version: int
    customers: int = Field(description="How many customers would move.")
    moves: list[MoveBody]

    @classmethod
    def of(cls, model: SegmentModel, moves: Counter[tuple[str, str]]) -> Self:
        """The body for counted moves, the largest first."""
        return cls(
            model=model.model,
            version=model.version,
            customers=moves.total(),
            moves=[
                MoveBody(from_segment=before, to_segment=after, customers=customers)
                for (before, after), customers in moves.most_common()
            ],
        )

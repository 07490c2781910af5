"""What goes in and out of the complaint routes."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keyturn_events import Money
from keyturn_events.scalars import (
    BuildingId,
    Code,
    CommunityId,
    CustomerId,
    DefectId,
    Flag,
    HomeId,
    Line,
    Moment,
    StaffId,
)
from keyturn_events.vocabulary import CaseChannel, Priority, Severity, SlaTarget, Verdict
from service_desk.api.fields import Body, Prose
from service_desk.domain import cases
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case, CaseState
from service_desk.domain.handling import NOT_SOLVED
from service_desk.domain.promises import LADDER
from service_desk.domain.raising import RaiseComplaint


class NewComplaint(Body):
    """A complaint, from whichever channel it came.

    A case that was kept in another system brings its own promise along: give `due_at`, or
    `promised_elsewhere` when that system promised nothing. The desk's own targets then do not run
    for it, until it is reopened.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-1042",
                    "category": "quality.leak",
                    "severity": "major",
                    "channel": "wechat",
                    "community_id": "riverside",
                    "home_id": "riverside-3-1201",
                    "source_reference": "wx-20260703-77",
                    "description": "Water comes through the bathroom ceiling",
                },
                {
                    "customer_id": "c-1042",
                    "category": "environment.sanitation",
                    "severity": "minor",
                    "channel": "phone",
                    "source_reference": "24-00405873",
                    "received_at": "2024-06-03T12:37:14-04:00",
                    "due_at": "2024-06-18T12:37:14-04:00",
                },
            ]
        }
    )

    customer_id: CustomerId
    category: Code = Field(description="A code of GET /complaint-categories.")
    severity: Severity
    channel: CaseChannel
    home_id: HomeId | None = None
    community_id: CommunityId | None = Field(
        default=None, description="That of the home if its owner is known."
    )
    building: BuildingId | None = None
    defect_id: DefectId | None = None
    received_at: Moment | None = Field(
        default=None, description="Now if not given; at most ten years ago, never to come."
    )
    source_reference: Line | None = Field(
        default=None,
        description="The channel's own reference. One person and reference is one case.",
    )
    description: Prose = ""
    due_at: Moment | None = Field(
        default=None, description="When the system it comes from promised the resolution."
    )
    promised_elsewhere: Flag = False

    def command(self) -> RaiseComplaint:
        """The command that this body asks for."""
        return RaiseComplaint(**dict(self))


class Acknowledgement(Body):
    """The desk's first answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"by": "agent-5"}]})

    by: StaffId | None = None


class Update(Body):
    """What the desk tells the owner."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"by": "agent-5", "text": "The plumber comes on Friday"}]}
    )

    text: Prose = Field(min_length=1)
    by: StaffId | None = None


class Assignment(Body):
    """Who answers for the case."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent_id": "agent-5"}]})

    agent_id: StaffId


class ResolutionRequest(Body):
    """What the desk offers; with a verdict, what the owner said of it at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cause": "pipe-joint",
                    "remedy": "repaired",
                    "compensation": {"amount": "800.00", "currency": "CNY"},
                    "by": "agent-5",
                }
            ]
        }
    )

    cause: Code
    remedy: Code
    compensation: Money | None = None
    by: StaffId | None = None
    verdict: Verdict | None = Field(
        default=None,
        description="The owner's, if it is known already; `no-answer` closes without one.",
    )


class VerdictRequest(Body):
    """What the owner says of the resolution."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"verdict": "accepted"}]})

    verdict: Verdict
    reason: Code = Field(default=NOT_SOLVED, description="Why the case is reopened, if rejected.")


class Reopening(Body):
    """Why the owner comes back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "came-back"}]})

    reason: Code


class PauseBody(BaseModel):
    """A time during which the case waited for the owner."""

    began: AwareDatetime
    ended: AwareDatetime | None


class DeadlineBody(BaseModel):
    """A promise on a case, and how its due time comes about."""

    target: SlaTarget
    since: AwareDatetime = Field(description="When the promise was made.")
    promised_minutes: int | None = Field(description="Working time; absent for a fixed due time.")
    calendar: str
    calendar_version: int
    time_zone: str
    pauses: list[PauseBody]
    due_at: AwareDatetime | None = Field(
        description="Absent while the case waits for the owner: the clock stands still."
    )
    fixed: bool = Field(description="Whether the case brought its due time along.")
    broken: bool


class EscalationBody(BaseModel):
    """A broken promise and the rung that it was taken to."""

    target: SlaTarget
    level: int
    escalated_to: str
    due_at: AwareDatetime


class NoteBody(BaseModel):
    """What the owner was told."""

    at: AwareDatetime
    by: str | None
    text: str


class ResolutionBody(BaseModel):
    """What was offered."""

    at: AwareDatetime
    by: str | None
    cause: str
    remedy: str
    compensation: Money | None
    due_at: AwareDatetime | None
    late: bool


class ComplaintBody(BaseModel):
    """A complaint case as it stands."""

    complaint_id: str
    revision: int = Field(description="What If-Match compares, quoted, as in the ETag.")
    customer_id: str
    category: str
    severity: Severity
    priority: Priority
    channel: CaseChannel
    state: CaseState
    community_id: str | None
    building: str | None
    home_id: str | None
    defect_id: str | None
    source_reference: str | None
    description: str
    received_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    agent_id: str | None
    deadlines: list[DeadlineBody]
    escalations: list[EscalationBody]
    level: int
    updates: list[NoteBody]
    resolution: ResolutionBody | None
    verdict: Verdict | None
    closed_at: AwareDatetime | None
    reopenings: int
    joined: bool = Field(default=False, description="Whether the message was one known already.")

    @classmethod
    def of(cls, case: Case, calendar: BusinessCalendar, *, joined: bool = False) -> ComplaintBody:
        """The body that shows `case`."""
        resolution = case.resolution
        return cls(
            complaint_id=case.case_id,
            revision=case.revision,
            customer_id=case.customer_id,
            category=case.category,
            severity=case.severity,
            priority=case.priority,
            channel=case.channel,
            state=case.state,
            community_id=case.community_id,
            building=case.building,
            home_id=case.home_id,
            defect_id=case.defect_id,
            source_reference=case.source_reference,
            description=case.description,
            received_at=case.received_at,
            acknowledged_at=case.acknowledged_at,
            agent_id=case.agent_id,
            deadlines=[
                _deadline(case, target, calendar) for target in SlaTarget if case.promised(target)
            ],
            escalations=[
                EscalationBody(
                    target=escalation.target,
                    level=escalation.level,
                    escalated_to=LADDER[escalation.level - 1].role,
                    due_at=escalation.due_at,
                )
                for escalation in case.escalations
            ],
            level=case.level,
            updates=[NoteBody(at=note.at, by=note.by, text=note.text) for note in case.notes],
            resolution=None
            if resolution is None
            else ResolutionBody(
                at=resolution.at,
                by=resolution.by,
                cause=resolution.cause,
                remedy=resolution.remedy,
                compensation=resolution.compensation,
                due_at=resolution.due_at,
                late=resolution.late,
            ),
            verdict=case.verdict,
            closed_at=case.closed_at,
            reopenings=case.reopenings,
            joined=joined,
        )


class CategoryBody(BaseModel):
    """A category of complaints."""

    code: str
    label: str = Field(description="In the language of Accept-Language: English or Chinese.")
    label_en: str
    label_zh: str


def _deadline(case: Case, target: SlaTarget, calendar: BusinessCalendar) -> DeadlineBody:
    fixed = target is SlaTarget.RESOLUTION and case.fixed_due_at is not None
    budget = None if fixed else case.promises.budget(target)
    since = case.since(target)
    return DeadlineBody(
        target=target,
        since=since,
        promised_minutes=None if budget is None else budget // timedelta(minutes=1),
        calendar=case.calendar.code,
        calendar_version=case.calendar.version,
        time_zone=case.calendar.zone,
        pauses=[PauseBody(began=pause.began, ended=pause.ended) for pause in case.pauses],
        due_at=cases.due_at(case, target, calendar),
        fixed=fixed,
        broken=any(e.target is target and e.since == since for e in case.escalations),
    )

"""Handovers: plans, gates, and customer relations' veto."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import PROBLEM_BASE, ProblemDetails, problem_responses
from keyturn_events import Event
from keyturn_events.scalars import CommunityId, CustomerId, HomeId, Line, PurchaseId, StaffId
from keyturn_events.service_desk import HandoverGateRefused
from keyturn_events.vocabulary import Gate, GateRefusal
from service_desk import queries
from service_desk.api.fields import Body, IdPath
from service_desk.domain import decisions
from service_desk.domain.files import HomeFile
from service_desk.domain.gates import LiftVeto, PassGate, SetVeto
from service_desk.domain.handovers import Handover, HandoverState

router = APIRouter(tags=["handovers"])

Reader = Annotated[Principal, Security(principal, scopes=["handovers:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["handovers:write"])]
Vetoer = Annotated[commands.Caller, Security(commands.caller, scopes=["vetoes:write"])]


class GateBody(BaseModel):
    """A gate of a plan."""

    gate: Gate
    due_on: date
    passed_on: date | None = None
    passed_by: str | None = None


class VetoBody(BaseModel):
    """Customer relations' veto on the site open day."""

    by: str
    reason: str
    at: AwareDatetime


class HandoverBody(BaseModel):
    """A handover plan as it stands."""

    handover_id: str
    purchase_id: str
    customer_id: str
    home_id: str
    building: str | None
    community_id: str
    time_zone: str
    state: HandoverState
    template: str
    template_version: int
    signed_on: date | None
    promised_on: date | None = Field(description="The day that the contract names.")
    handover_on: date | None = Field(description="The day on which the keys are due now.")
    completed_on: date | None
    gates: list[GateBody]
    next_gate: Gate | None
    veto: VetoBody | None
    critical_defects: list[str] = Field(description="Open defects that keep every gate closed.")
    open_defects: int

    @classmethod
    def of(cls, handover: Handover) -> HandoverBody:
        """The body that shows `handover`."""
        veto, following = handover.veto, handover.next_gate
        return cls(
            handover_id=handover.handover_id,
            purchase_id=handover.purchase_id,
            customer_id=handover.customer_id,
            home_id=handover.home_id,
            building=handover.building,
            community_id=handover.community_id,
            time_zone=handover.zone,
            state=handover.state,
            template=handover.template,
            template_version=handover.template_version,
            signed_on=handover.signed_on,
            promised_on=handover.promised_on,
            handover_on=handover.handover_on,
            completed_on=handover.completed_on,
            gates=[
                GateBody(
                    gate=step.gate,
                    due_on=step.due_on,
                    passed_on=step.passed_on,
                    passed_by=step.passed_by,
                )
                for step in handover.gates
            ],
            next_gate=following.gate if following else None,
            veto=VetoBody(by=veto.by, reason=veto.reason, at=veto.at) if veto else None,
            critical_defects=list(handover.critical_defects),
            open_defects=len(handover.open_defects),
        )


class GateClosed(ProblemDetails):
    """Why a gate stays closed. The refusal is on record as an event."""

    reason: GateRefusal
    blocking_defects: list[str]
    missing_gates: list[Gate]


class PassBody(Body):
    """Who says that the gate is passed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"by": "inspector-7"}]})

    by: StaffId | None = None


class VetoRequest(Body):
    """Who vetoes the open day, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"by": "relations-2", "reason": "The lobby is still a building site"}]
        }
    )

    by: StaffId
    reason: Line


class GateCount(BaseModel):
    """How many handovers wait at a gate."""

    gate: Gate
    waiting: int
    overdue: int = Field(description="Of these, how many are past the gate's due day.")
    blocked: int = Field(description="Of these, how many have a critical defect open.")


class GateCounts(BaseModel):
    """Where the handovers stand."""

    planned: int
    completed: int
    cancelled: int
    gates: list[GateCount]


@router.get(
    "/handovers/{handover_id}",
    summary="A handover plan",
    responses=problem_responses(404),
)
async def get_handover(
    handover_id: IdPath, _: Reader, connection: commands.Reading
) -> HandoverBody:
    """The plan with the due day of each gate, what was passed, and what keeps a gate closed."""
    return HandoverBody.of(await queries.handover(connection, handover_id))


@router.get("/handovers", summary="Handover plans")
async def list_handovers(
    *,
    _: Reader,
    connection: commands.Reading,
    customer_id: Annotated[CustomerId | None, Query()] = None,
    purchase_id: Annotated[PurchaseId | None, Query()] = None,
    home_id: Annotated[HomeId | None, Query()] = None,
    community_id: Annotated[CommunityId | None, Query()] = None,
    state: Annotated[HandoverState | None, Query()] = None,
    next_gate: Annotated[Gate | None, Query()] = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[HandoverBody]:
    """In the order of their days. A merged customer's handovers are the survivor's too."""
    found, following = await queries.handovers(
        connection,
        queries.HandoverFilter(customer_id, purchase_id, home_id, community_id, state, next_gate),
        cursor,
        limit,
    )
    return Page(items=[HandoverBody.of(each) for each in found], next_cursor=following)


@router.get("/gates", summary="Handovers by gate")
async def count_gates(
    request: Request,
    _: Reader,
    connection: commands.Reading,
    community_id: Annotated[CommunityId | None, Query()] = None,
) -> GateCounts:
    """How many handovers wait at each gate, are overdue there, or are blocked by a defect."""
    now = await request.app.state.runtime.clock.now(connection)
    states, gates = await queries.gate_counts(connection, community_id, now.date())
    return GateCounts(
        planned=states.get(HandoverState.PLANNED.value, 0),
        completed=states.get(HandoverState.COMPLETED.value, 0),
        cancelled=states.get(HandoverState.CANCELLED.value, 0),
        gates=[
            GateCount(gate=gate, waiting=waiting, overdue=overdue, blocked=blocked)
            for gate, (waiting, overdue, blocked) in gates.items()
        ],
    )


@router.post(
    "/handovers/{handover_id}/gates/{gate}/passes",
    status_code=201,
    summary="Pass a gate",
    response_model=HandoverBody,
    responses={**problem_responses(404), 409: {"model": GateClosed}},
)
async def pass_gate(handover_id: IdPath, gate: Gate, body: PassBody, caller: Writer) -> Response:
    """Pass the gate, or learn what keeps it closed.

    A gate is closed while a critical defect is open, an earlier gate is not passed, or, for the
    open day, customer relations veto it. The refusal (409) is itself published as an event.
    """
    return await caller.execute(
        decisions.pass_gate, PassGate(handover_id, gate, body.by), _passed_or_closed, status=201
    )


@router.put(
    "/handovers/{handover_id}/veto",
    summary="Veto the site open day",
    response_model=HandoverBody,
    responses=problem_responses(404, 409),
)
async def set_veto(handover_id: IdPath, body: VetoRequest, caller: Vetoer) -> Response:
    """Customer relations keep the open day closed (一票否决)."""
    return await caller.execute(
        decisions.set_veto, SetVeto(handover_id, body.by, body.reason), _handover
    )


@router.delete(
    "/handovers/{handover_id}/veto",
    summary="Lift the veto",
    response_model=HandoverBody,
    responses=problem_responses(404),
)
async def lift_veto(handover_id: IdPath, caller: Vetoer) -> Response:
    """Let the open day go ahead; without a veto nothing changes."""
    return await caller.execute(decisions.lift_veto, LiftVeto(handover_id), _handover)


def _handover(file: HomeFile, _: Sequence[Event]) -> HandoverBody:
    return HandoverBody.of(file.required_handover())


def _passed_or_closed(file: HomeFile, events: Sequence[Event]) -> HandoverBody | Answer:
    refused = next((event for event in events if isinstance(event, HandoverGateRefused)), None)
    if refused is None:
        return _handover(file, events)
    causes = [
        *(f"critical defect {defect_id} is open" for defect_id in refused.blocking_defects),
        *(f"gate {gate.value} is not passed" for gate in refused.missing_gates),
        *(["customer relations veto it"] if refused.reason is GateRefusal.VETO else []),
    ]
    problem = GateClosed(
        type=f"{PROBLEM_BASE}gate-closed",
        title="The gate stays closed",
        status=409,
        detail=f"Gate {refused.gate.value} stays closed: {'; '.join(causes)}.",
        reason=refused.reason,
        blocking_defects=list(refused.blocking_defects),
        missing_gates=list(refused.missing_gates),
    )
    return Answer(409, problem.model_dump_json(exclude_none=True))

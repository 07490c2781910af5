"""Everything that the desk decides on request, each of a file and a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from keyturn_events import Event, Refusal, RefusalKind
from service_desk.domain import (
    communities,
    crises,
    defects,
    gates,
    handling,
    raising,
    satisfaction,
    templates,
)
from service_desk.domain.cases import Case, Circumstances
from service_desk.domain.communities import SetCalendar, SetCommunity, SetTemplate
from service_desk.domain.crises import DeclareCrisis, LiftCrisis
from service_desk.domain.defects import RectifyDefect, ReportDefect
from service_desk.domain.files import CaseFile, CrisisFile, HomeFile, SettingsFile, SurveyFile
from service_desk.domain.gates import LiftVeto, PassGate, SetVeto
from service_desk.domain.handling import CaseCommand
from service_desk.domain.occasion import Occasion
from service_desk.domain.raising import RaiseComplaint
from service_desk.domain.satisfaction import ActOnResponse, AnswerSurvey

C = TypeVar("C", bound=CaseCommand)


def pass_gate(file: HomeFile, command: PassGate, cause: Occasion) -> tuple[HomeFile, list[Event]]:
    """Pass a gate, or put on record that it stays closed."""
    handover = file.required_handover()
    handover, events = gates.pass_gate(handover, command, _owner(file), cause.at)
    return replace(file, handover=handover), events


def set_veto(file: HomeFile, command: SetVeto, cause: Occasion) -> tuple[HomeFile, list[Event]]:
    """Veto the open day."""
    handover = gates.set_veto(file.required_handover(), command, cause.at)
    return replace(file, handover=handover), []


def lift_veto(file: HomeFile, _: LiftVeto, __: Occasion) -> tuple[HomeFile, list[Event]]:
    """Take the veto back."""
    return replace(file, handover=gates.lift_veto(file.required_handover())), []


def report_defect(
    file: HomeFile, command: ReportDefect, cause: Occasion
) -> tuple[HomeFile, list[Event]]:
    """Put a defect of a home on record."""
    handover = file.handover_of_home()
    defect, handover, events = defects.report(
        handover,
        command,
        file.calendar,
        _owner(file),
        defect_id=cause.derive_id("defect"),
        at=cause.at,
    )
    return replace(file, defect=defect, handover=handover), events


def rectify_defect(
    file: HomeFile, command: RectifyDefect, cause: Occasion
) -> tuple[HomeFile, list[Event]]:
    """Record that a defect is mended."""
    defect, handover, events = defects.rectify(
        file.required_defect(), file.required_handover(), command, _owner(file), cause.at
    )
    return replace(file, defect=defect, handover=handover), events


def raise_complaint(
    file: CaseFile, command: RaiseComplaint, cause: Occasion
) -> tuple[CaseFile, list[Event]]:
    """Open a case, or join the one that is open for the same message."""
    file.family.require_present(command.customer_id)
    owner = file.family.survivor(command.customer_id)
    same = file.family.ids_of(command.customer_id)
    for known, calendar in file.related:
        if known.customer_id in same and raising.joined(known, command, cause.at):
            return replace(file, case=known, calendar=calendar), []
    if file.handover is not None:
        command = replace(
            command,
            community_id=file.handover.community_id,
            building=file.handover.building,
        )
    case, events = raising.raise_complaint(
        command,
        Circumstances(file.calendar, owner.customer_id, cause.at),
        case_id=cause.derive_id("complaint"),
        segments=file.family.segments(command.customer_id),
    )
    counted = replace(owner, cases_raised=owner.cases_raised + 1)
    return replace(file, case=case, family=file.family.with_(counted)), events


def on_case(
    decide: Callable[[Case, C, Circumstances], tuple[Case, list[Event]]],
) -> Callable[[CaseFile, C, Occasion], tuple[CaseFile, list[Event]]]:
    """A decision on a known case, from one of `handling`."""

    def decided(file: CaseFile, command: C, cause: Occasion) -> tuple[CaseFile, list[Event]]:
        case = file.required()
        owner_id = file.family.survivor(case.customer_id).customer_id
        case, events = decide(case, command, Circumstances(file.calendar, owner_id, cause.at))
        return file.with_case(case), events

    return decided


acknowledge = on_case(handling.acknowledge)
tell_owner = on_case(handling.tell_owner)
wait_for_owner = on_case(handling.wait_for_owner)
owner_answered = on_case(handling.owner_answered)
assign = on_case(handling.assign)
resolve = on_case(handling.resolve)
judge = on_case(handling.judge)
reopen = on_case(handling.reopen)


def answer_survey(
    file: SurveyFile, command: AnswerSurvey, cause: Occasion
) -> tuple[SurveyFile, list[Event]]:
    """Record an answer, once a reference."""
    file.family.require_present(command.customer_id)
    if file.response is not None:
        raise Refusal(
            "survey-already-answered",
            "This survey was answered under the same reference; each may be used once.",
            pointer="/response_reference",
        )
    response, events = satisfaction.answer_survey(
        command,
        file.calendar,
        file.family.survivor(command.customer_id).customer_id,
        response_id=cause.derive_id("response"),
        at=cause.at,
    )
    return replace(file, response=response), events


def act_on_response(
    file: SurveyFile, command: ActOnResponse, cause: Occasion
) -> tuple[SurveyFile, list[Event]]:
    """Record what was done about a bad answer."""
    return replace(file, response=satisfaction.act_on(file.required(), command, cause.at)), []


def declare_crisis(
    file: CrisisFile, command: DeclareCrisis, cause: Occasion
) -> tuple[CrisisFile, list[Event]]:
    """Declare a crisis of a place."""
    crisis, events = crises.declare(
        command,
        file.crisis,
        file.rate,
        file.owners,
        crisis_id=cause.derive_id("crisis"),
        at=cause.at,
    )
    return replace(file, crisis=crisis), events


def lift_crisis(
    file: CrisisFile, command: LiftCrisis, cause: Occasion
) -> tuple[CrisisFile, list[Event]]:
    """End a crisis."""
    crisis, events = crises.lift(file.required(), command, cause.at)
    return replace(file, crisis=crisis), events


def set_community(
    file: SettingsFile, command: SetCommunity, _: Occasion
) -> tuple[SettingsFile, list[Event]]:
    """Set how the desk works in a community."""
    if file.calendar is None:
        raise _unknown("calendar", "/calendar")
    if file.template is None:
        raise _unknown("template", "/template")
    known = file.community or communities.Community(command.community_id)
    return replace(file, community=communities.set_community(known, command)), []


def set_calendar(
    file: SettingsFile, command: SetCalendar, _: Occasion
) -> tuple[SettingsFile, list[Event]]:
    """Write a calendar, or another version of it."""
    return replace(file, calendar=communities.next_calendar(file.calendar, command)), []


def set_template(
    file: SettingsFile, command: SetTemplate, _: Occasion
) -> tuple[SettingsFile, list[Event]]:
    """Write a handover template, or another version of it."""
    template = templates.next_template(
        file.template, command.code, command.gates, command.completion_days
    )
    return replace(file, template=template), []


def _owner(file: HomeFile) -> str:
    customer_id = file.required_handover().customer_id
    return file.family.survivor(customer_id).customer_id


def _unknown(noun: str, pointer: str) -> Refusal:
    return Refusal(
        f"{noun}-unknown",
        f"There is no {noun} with this code; write it with PUT first.",
        kind=RefusalKind.INVALID,
        pointer=pointer,
    )

"""Which file each kind of input is decided on, and where the parts of a file go back to."""

from __future__ import annotations

from functools import singledispatch

from keyturn_chassis.inputs import TimerFired
from keyturn_events.intake import (
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    CustomerWithdrawn,
    PurchaseEvent,
)
from keyturn_events.segmentation import CustomerSegmented
from service_desk.domain.communities import SetCalendar, SetCommunity, SetTemplate
from service_desk.domain.crises import DeclareCrisis, LiftCrisis
from service_desk.domain.customers import Family
from service_desk.domain.defects import Defect, RectifyDefect, ReportDefect
from service_desk.domain.files import (
    CaseFile,
    CrisisFile,
    HomeFile,
    PersonFile,
    SettingsFile,
    SurveyFile,
)
from service_desk.domain.gates import LiftVeto, PassGate, SetVeto
from service_desk.domain.handling import CaseCommand
from service_desk.domain.handovers import Handover, handover_id_of
from service_desk.domain.raising import RaiseComplaint
from service_desk.domain.satisfaction import ActOnResponse, AnswerSurvey
from service_desk.store.desk import Desk
from service_desk.store.needs import CASE_OWNER


@singledispatch
def file_for(value: object, desk: Desk) -> object:  # noqa: ARG001 - for those registered
    """The file that a decision on `value` looks at."""
    raise TypeError(f"the desk keeps no file for {type(value).__name__}")


@file_for.register(PurchaseEvent)
def _(event: PurchaseEvent, desk: Desk) -> HomeFile:
    handover = desk.handovers.get(handover_id_of(event.purchase_id))
    customer_ids = {event.customer_id, handover.customer_id if handover else event.customer_id}
    return _home_file(desk, handover, event.community_id, customer_ids)


@file_for.register(CustomersMerged)
def _(event: CustomersMerged, desk: Desk) -> PersonFile:
    return PersonFile(family=desk.family(event.customer_id, event.merged_customer_id))


@file_for.register(CustomerErased)
@file_for.register(CustomerWithdrawn)
def _(event: CustomerErased | CustomerWithdrawn, desk: Desk) -> PersonFile:
    id = event.customer_id
    return PersonFile(
        family=desk.family(id),
        handovers=tuple(h for h in desk.handovers.values() if h.customer_id == id),
        cases=tuple((c, desk.calendar_of(c)) for c in desk.cases.values() if c.customer_id == id),
        defects=tuple(d for d in desk.defects.values() if d.customer_id == id),
        responses=tuple(r for r in desk.responses.values() if r.customer_id == id),
    )


@file_for.register(CustomersUnmerged)
def _(event: CustomersUnmerged, desk: Desk) -> PersonFile:
    return PersonFile(family=desk.family(event.customer_id, event.restored_customer_id))


@file_for.register(CustomerSegmented)
def _(event: CustomerSegmented, desk: Desk) -> PersonFile:
    return PersonFile(family=desk.family(event.customer_id))


@file_for.register(TimerFired)
def _(timer: TimerFired, desk: Desk) -> CaseFile:
    return _case_file(desk, timer.owner.removeprefix(CASE_OWNER))


@file_for.register(CaseCommand)
def _(command: CaseCommand, desk: Desk) -> CaseFile:
    return _case_file(desk, command.case_id)


@file_for.register(RaiseComplaint)
def _(command: RaiseComplaint, desk: Desk) -> CaseFile:
    family = desk.family(command.customer_id)
    handover = None if command.home_id is None else desk.owned(command.home_id)
    community_id = handover.community_id if handover else command.community_id
    return CaseFile(
        case=None,
        family=family,
        calendar=desk.calendar_in(community_id),
        related=tuple(
            (case, desk.calendar_of(case))
            for case in desk.cases.values()
            if case.customer_id in family.members
        ),
        handover=handover,
    )


@file_for.register(PassGate)
@file_for.register(SetVeto)
@file_for.register(LiftVeto)
def _(command: PassGate | SetVeto | LiftVeto, desk: Desk) -> HomeFile:
    return _known_home_file(desk, desk.handovers.get(command.handover_id))


@file_for.register(ReportDefect)
def _(command: ReportDefect, desk: Desk) -> HomeFile:
    return _known_home_file(desk, desk.owned(command.home_id))


@file_for.register(RectifyDefect)
def _(command: RectifyDefect, desk: Desk) -> HomeFile:
    defect = desk.defects.get(command.defect_id)
    handover = desk.handovers.get(defect.handover_id) if defect else None
    return _known_home_file(desk, handover, defect)


@file_for.register(AnswerSurvey)
def _(command: AnswerSurvey, desk: Desk) -> SurveyFile:
    reference = (command.survey, command.response_reference)
    known = (
        response
        for response in desk.responses.values()
        if (response.said.survey, response.said.response_reference) == reference
    )
    return SurveyFile(
        response=None if command.response_reference is None else next(known, None),
        family=desk.family(command.customer_id),
        calendar=desk.calendar_in(command.community_id),
    )


@file_for.register(ActOnResponse)
def _(command: ActOnResponse, desk: Desk) -> SurveyFile:
    response = desk.responses.get(command.response_id)
    family = desk.family(response.customer_id) if response else Family()
    return SurveyFile(response=response, family=family, calendar=desk.calendar_in(None))


@file_for.register(DeclareCrisis)
def _(command: DeclareCrisis, desk: Desk) -> CrisisFile:
    place = (command.community_id, command.building, command.category)
    live = (
        crisis
        for crisis in desk.crises.values()
        if crisis.lifted_at is None
        and (crisis.community_id, crisis.building, crisis.category) == place
    )
    family = desk.family(*desk.owners[command])
    owners = {family.survivor(owner).customer_id for owner in desk.owners[command]}
    return CrisisFile(
        crisis=next(live, None), rate=desk.rates[command], owners=tuple(sorted(owners))
    )


@file_for.register(LiftCrisis)
def _(command: LiftCrisis, desk: Desk) -> CrisisFile:
    return CrisisFile(crisis=desk.crises.get(command.crisis_id))


@file_for.register(SetCommunity)
def _(command: SetCommunity, desk: Desk) -> SettingsFile:
    return SettingsFile(
        community=desk.community(command.community_id),
        calendar=desk.newest_calendar(command.calendar),
        template=desk.newest_template(command.template),
    )


@file_for.register(SetCalendar)
def _(command: SetCalendar, desk: Desk) -> SettingsFile:
    return SettingsFile(calendar=desk.newest_calendar(command.code))


@file_for.register(SetTemplate)
def _(command: SetTemplate, desk: Desk) -> SettingsFile:
    return SettingsFile(template=desk.newest_template(command.code))


@singledispatch
def take_back(state: object, desk: Desk) -> None:  # noqa: ARG001 - for those registered
    """Put the parts of a file back to where they belong."""
    raise TypeError(f"the desk keeps no {type(state).__name__}")


@take_back.register(HomeFile)
def _(file: HomeFile, desk: Desk) -> None:
    desk.put_community(file.community)
    if file.handover is not None:
        desk.handovers.put(file.handover.handover_id, file.handover)
    if file.defect is not None:
        desk.defects.put(file.defect.defect_id, file.defect)


@take_back.register(CaseFile)
def _(file: CaseFile, desk: Desk) -> None:
    desk.put_family(file.family)
    if file.case is not None:
        desk.cases.put(file.case.case_id, file.case)


@take_back.register(PersonFile)
def _(file: PersonFile, desk: Desk) -> None:
    desk.put_family(file.family)
    for handover in file.handovers:
        desk.handovers.put(handover.handover_id, handover)
    for case, _ in file.cases:
        desk.cases.put(case.case_id, case)
    for defect in file.defects:
        desk.defects.put(defect.defect_id, defect)
    for response in file.responses:
        desk.responses.put(response.response_id, response)


@take_back.register(SurveyFile)
def _(file: SurveyFile, desk: Desk) -> None:
    if file.response is not None:
        desk.responses.put(file.response.response_id, file.response)


@take_back.register(CrisisFile)
def _(file: CrisisFile, desk: Desk) -> None:
    if file.crisis is not None:
        desk.crises.put(file.crisis.crisis_id, file.crisis)


@take_back.register(SettingsFile)
def _(file: SettingsFile, desk: Desk) -> None:
    if file.community is not None:
        desk.put_community(file.community)
    if file.calendar is not None:
        desk.put_calendar(file.calendar)
    if file.template is not None:
        desk.put_template(file.template)


def _home_file(
    desk: Desk,
    handover: Handover | None,
    community_id: str | None,
    customer_ids: set[str],
    defect: Defect | None = None,
) -> HomeFile:
    return HomeFile(
        handover=handover,
        family=desk.family(*customer_ids),
        community=desk.community(community_id),
        template=desk.template_in(community_id),
        calendar=desk.calendar_in(community_id),
        defect=defect,
    )


def _known_home_file(
    desk: Desk, handover: Handover | None, defect: Defect | None = None
) -> HomeFile:
    community_id = handover.community_id if handover else None
    customer_ids = {handover.customer_id} if handover else set()
    return _home_file(desk, handover, community_id, customer_ids, defect)


def _case_file(desk: Desk, case_id: str) -> CaseFile:
    case = desk.cases.get(case_id)
    if case is None:
        return CaseFile(case=None, family=Family(), calendar=desk.calendar_in(None))
    family = desk.family(case.customer_id)
    return CaseFile(case=case, family=family, calendar=desk.calendar_of(case))

"""What a decision looks at: the part of the desk's store that one input concerns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from keyturn_events import Refusal, RefusalKind
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case
from service_desk.domain.communities import Community
from service_desk.domain.crises import Crisis, Rate
from service_desk.domain.customers import Family
from service_desk.domain.defects import Defect
from service_desk.domain.handovers import Handover
from service_desk.domain.satisfaction import Response
from service_desk.domain.templates import HandoverTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFile:
    """A home's handover, and the defect that is spoken of."""

    handover: Handover | None
    family: Family
    community: Community
    template: HandoverTemplate
    calendar: BusinessCalendar
    defect: Defect | None = None

    def required_handover(self) -> Handover:
        """The handover; raises `Refusal` when there is none."""
        if self.handover is None:
            raise _not_found("handover-unknown", "No signed purchase with this handover is known.")
        return self.handover

    def handover_of_home(self) -> Handover:
        """The handover of the home; raises `Refusal` when the home has no owner."""
        if self.handover is None:
            raise _not_found("home-unknown", "No signed purchase of this home is known.")
        return self.handover

    def required_defect(self) -> Defect:
        """The defect; raises `Refusal` when there is none."""
        if self.defect is None:
            raise _not_found("defect-unknown", "There is no defect with this id.")
        return self.defect


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case, or what may prove to be one: the owner's other cases, and the home."""

    case: Case | None
    family: Family
    calendar: BusinessCalendar
    related: tuple[tuple[Case, BusinessCalendar], ...] = ()
    """The owner's other cases, each with the calendar by which it was opened."""
    handover: Handover | None = None

    def required(self) -> Case:
        """The case; raises `Refusal` when there is none."""
        if self.case is None:
            raise _not_found("complaint-unknown", "There is no complaint with this id.")
        return self.case

    def with_case(self, case: Case) -> CaseFile:
        """The file with the case as it is now."""
        return replace(self, case=case)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFile:
    """A person, with all that the desk holds under the id in question when that is asked for."""

    family: Family
    handovers: tuple[Handover, ...] = ()
    cases: tuple[tuple[Case, BusinessCalendar], ...] = ()
    """Each with the calendar by which it was opened."""
    defects: tuple[Defect, ...] = ()
    responses: tuple[Response, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFile:
    """An answered survey, if it was answered already."""

    response: Response | None
    family: Family
    calendar: BusinessCalendar

    def required(self) -> Response:
        """The answer; raises `Refusal` when there is none."""
        if self.response is None:
            raise _not_found("answer-unknown", "There is no survey answer with this id.")
        return self.response


@dataclass(frozen=True, slots=True, kw_only=True)
class CrisisFile:
    """A crisis, or the place for which one is to be declared."""

    crisis: Crisis | None
    rate: Rate = field(default=Rate(0, 0))
    owners: tuple[str, ...] = ()

    def required(self) -> Crisis:
        """The crisis; raises `Refusal` when there is none."""
        if self.crisis is None:
            raise _not_found("crisis-unknown", "There is no crisis with this id.")
        return self.crisis


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """What can be set: one of them at a time."""

    community: Community | None = None
    calendar: BusinessCalendar | None = None
    template: HandoverTemplate | None = None

    def required_community(self) -> Community:
        """The community; raises `Refusal` when there is none."""
        if self.community is None:
            raise _not_found("community-unknown", "Nothing is set for this community.")
        return self.community

    def required_calendar(self) -> BusinessCalendar:
        """The calendar; raises `Refusal` when there is none."""
        if self.calendar is None:
            raise _not_found("calendar-unknown", "There is no calendar with this code.")
        return self.calendar

    def required_template(self) -> HandoverTemplate:
        """The template; raises `Refusal` when there is none."""
        if self.template is None:
            raise _not_found("template-unknown", "There is no template with this code.")
        return self.template


def _not_found(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.NOT_FOUND)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Refusal
from keyturn_events.intake import CustomerErased
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import (
    HandoverCancelled,
    HandoverCompleted,
    HandoverGatePassed,
    HandoverGateRefused,
    HandoverPlanned,
    HandoverRescheduled,
)
from keyturn_events.vocabulary import CancellationReason, Gate, GateRefusal, Severity
from service_desk.domain import customers
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.communities import Community
from service_desk.domain.customers import Customer, Family
from service_desk.domain.files import HomeFile, PersonFile
from service_desk.domain.gates import (
    PassGate,
    SetVeto,
    found,
    lift_veto,
    mended,
    pass_gate,
    set_veto,
)
from service_desk.domain.handovers import Handover, HandoverState, OpenDefect
from service_desk.domain.templates import HandoverTemplate, TemplateGate, next_template
from service_desk.reactions import reactions

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAY = timedelta(days=1)
TEMPLATE = HandoverTemplate(
    "standard",
    1,
    tuple(TemplateGate(gate, days) for gate, days in zip(Gate, (90, 60, 45, 30, 0), strict=True)),
    365,
)

Facts = Callable[..., Any]


def tell(
    file: HomeFile | None, office: BusinessCalendar, *facts: tuple[Event, datetime]
) -> tuple[HomeFile, list[Event]]:
    """The home's file after facts, by the service's own reactions."""
    said: list[Event] = []
    file = file or HomeFile(
        handover=None,
        family=Family(),
        community=Community("lakeside"),
        template=TEMPLATE,
        calendar=office,
    )
    for number, (event, at) in enumerate(facts):
        decide = reactions.events[event.type][1]
        cause = Cause("intake", f"event-{number}", at)
        if isinstance(event, CustomerErased):
            handovers = (file.handover,) if file.handover else ()
            person, events = decide(
                PersonFile(family=file.family, handovers=handovers), event, cause
            )
            handover = person.handovers[0] if person.handovers else None
            file = HomeFile(
                handover=handover,
                family=person.family,
                community=file.community,
                template=file.template,
                calendar=file.calendar,
            )
        else:
            file, events = decide(file, event, cause)
        said += events
    return file, said


@pytest.fixture
def planned(office: BusinessCalendar, signed: Facts) -> Handover:
    file, _ = tell(None, office, (signed(), AT))
    return file.required_handover()


def test_a_signed_purchase_has_each_gate_due_so_many_days_before_completion(
    office: BusinessCalendar, signed: Facts
) -> None:
    file, (event,) = tell(None, office, (signed(), AT))
    assert isinstance(event, HandoverPlanned)
    assert event.handover_on == date(2027, 3, 31)
    assert [(each.gate.value, each.due_on) for each in event.gates] == [
        ("risk-inspection", date(2026, 12, 31)),
        ("mock-acceptance", date(2027, 1, 30)),
        ("open-day", date(2027, 2, 14)),
        ("recheck", date(2027, 3, 1)),
        ("keys", date(2027, 3, 31)),
    ]
    assert file.required_handover().zone == "Asia/Shanghai"


def test_a_contract_without_a_day_is_planned_by_the_template(
    office: BusinessCalendar, signed: Facts
) -> None:
    _, (event,) = tell(None, office, (signed(expected_completion=None), AT))
    assert isinstance(event, HandoverPlanned)
    assert event.handover_on == date(2027, 3, 2)


def test_no_gate_is_due_before_the_contract(office: BusinessCalendar, signed: Facts) -> None:
    _, (event,) = tell(None, office, (signed(expected_completion=date(2026, 4, 1)), AT))
    assert isinstance(event, HandoverPlanned)
    assert [each.due_on for each in event.gates] == [date(2026, 3, 2)] * 4 + [date(2026, 4, 1)]


def test_a_later_completion_moves_the_gates_that_are_still_open(
    office: BusinessCalendar, signed: Facts, moved: Facts, planned: Handover
) -> None:
    passed, _ = pass_gate(planned, PassGate("h", Gate.RISK_INSPECTION), "ann", AT)
    file, _ = tell(None, office, (signed(), AT))
    file = HomeFile(
        handover=passed,
        family=file.family,
        community=file.community,
        template=TEMPLATE,
        calendar=office,
    )
    file, (event,) = tell(file, office, (moved(date(2027, 4, 30)), AT + DAY))
    assert isinstance(event, HandoverRescheduled)
    assert (event.previous_handover_on, event.handover_on) == (
        date(2027, 3, 31),
        date(2027, 4, 30),
    )
    assert [each.gate for each in event.gates] == list(Gate)[1:]
    assert file.required_handover().gates[0].due_on == date(2026, 12, 31)


def test_the_same_completion_again_says_nothing(
    office: BusinessCalendar, signed: Facts, moved: Facts
) -> None:
    facts = [(signed(), AT), (moved(date(2027, 3, 31)), AT + DAY)]
    _, events = tell(None, office, *facts)
    assert [event.type for event in events] == [HandoverPlanned.type]


def test_an_undone_purchase_has_no_handover(
    office: BusinessCalendar, signed: Facts, rescinded: Facts
) -> None:
    file, events = tell(None, office, (signed(), AT), (rescinded(), AT + DAY))
    assert isinstance(events[1], HandoverCancelled)
    assert events[1].reason is CancellationReason.PURCHASE_RESCINDED
    assert file.required_handover().state is HandoverState.CANCELLED


def test_facts_in_any_order_and_told_twice_end_in_the_same_plan(
    office: BusinessCalendar, signed: Facts, moved: Facts, rescinded: Facts
) -> None:
    facts = [
        (signed(), AT),
        (moved(date(2027, 4, 30)), AT + DAY),
        (moved(date(2027, 6, 30)), AT + 2 * DAY),
        (rescinded(), AT + 3 * DAY),
        (CustomerErased(customer_id="ann", erasure_id="e1"), AT + 4 * DAY),
    ]
    ends = set()
    for order in permutations(facts):
        file, events = tell(None, office, *order, order[0])
        ends.add(file.required_handover())
        assert [type(e) for e in events].count(HandoverPlanned) == 1
        assert [type(e) for e in events].count(HandoverCancelled) == 1
    (end,) = ends
    assert end.handover_on == date(2027, 6, 30)


def test_what_is_said_later_about_completion_counts_however_it_arrives(
    office: BusinessCalendar, signed: Facts, moved: Facts
) -> None:
    facts = [
        (moved(date(2027, 1, 31)), AT - DAY),
        (signed(), AT),
        (moved(date(2027, 5, 31)), AT + DAY),
    ]
    ends = {tell(None, office, *order)[0].required_handover() for order in permutations(facts)}
    (end,) = ends
    assert end.handover_on == date(2027, 5, 31)


def test_the_contract_says_whose_home_it_is_whoever_was_heard_of_first(
    office: BusinessCalendar, signed: Facts, moved: Facts
) -> None:
    facts = [(signed(customer_id="bea"), AT), (moved(date(2027, 4, 30)), AT + DAY)]
    ends = {tell(None, office, *order)[0].required_handover() for order in permutations(facts)}
    (end,) = ends
    assert (end.customer_id, end.handover_on) == ("bea", date(2027, 4, 30))


def test_a_home_is_in_the_zone_of_its_own_contract_whatever_others_say_of_the_community(
    office: BusinessCalendar, signed: Facts
) -> None:
    other, _ = tell(None, office, (signed("p2", community_time_zone="Asia/Hong_Kong"), AT))
    file, _ = tell(replace(other, handover=None), office, (signed(), AT))
    assert file.required_handover().zone == "Asia/Shanghai"


def test_a_segment_that_is_heard_of_after_an_erasure_is_not_kept() -> None:
    segmented = CustomerSegmented(
        customer_id="ann",
        model="pulte",
        model_version=1,
        to_segment="empty-nester",
        rule="children-moved-out",
        caused_by="e1",
    )
    kept = customers.segmented(customers.erased(Customer("ann")), segmented, AT, None)
    assert kept == Customer("ann", erased=True)


def test_gates_pass_in_order_until_the_household_has_its_keys(planned: Handover) -> None:
    handover, said = planned, list[Event]()
    for gate in Gate:
        handover, events = pass_gate(handover, PassGate("h", gate, "inspector"), "ann", AT)
        said += events
    assert [type(event) for event in said] == [HandoverGatePassed] * 5 + [HandoverCompleted]
    completed = said[-1]
    assert isinstance(completed, HandoverCompleted)
    assert (completed.promised_on, completed.completed_on) == (
        date(2027, 3, 31),
        date(2026, 3, 2),
    )
    assert not completed.late
    assert handover.state is HandoverState.COMPLETED


def test_a_gate_is_passed_on_the_day_of_the_community(planned: Handover) -> None:
    night = datetime(2026, 3, 2, 17, tzinfo=UTC)
    _, (event,) = pass_gate(planned, PassGate("h", Gate.RISK_INSPECTION), "ann", night)
    assert isinstance(event, HandoverGatePassed)
    assert event.passed_on == date(2026, 3, 3)


def test_a_gate_names_every_critical_defect_that_keeps_it_closed(planned: Handover) -> None:
    handover = planned
    for defect_id, severity in (("d1", "critical"), ("d2", "minor"), ("d3", "critical")):
        handover = found(handover, OpenDefect(defect_id, Severity(severity)))
    closed, (event,) = pass_gate(handover, PassGate("h", Gate.RISK_INSPECTION), "ann", AT)
    assert isinstance(event, HandoverGateRefused)
    assert event.reason is GateRefusal.CRITICAL_DEFECT
    assert event.blocking_defects == ("d1", "d3")
    assert closed == handover
    for defect_id in ("d1", "d3"):
        handover = mended(handover, defect_id)
    _, (event,) = pass_gate(handover, PassGate("h", Gate.RISK_INSPECTION), "ann", AT)
    assert isinstance(event, HandoverGatePassed)


def test_a_gate_names_the_gates_that_come_first(planned: Handover) -> None:
    _, (event,) = pass_gate(planned, PassGate("h", Gate.OPEN_DAY), "ann", AT)
    assert isinstance(event, HandoverGateRefused)
    assert event.reason is GateRefusal.EARLIER_GATE
    assert event.missing_gates == (Gate.RISK_INSPECTION, Gate.MOCK_ACCEPTANCE)


def test_customer_relations_veto_closes_the_open_day_and_no_other_gate(planned: Handover) -> None:
    handover = set_veto(planned, SetVeto("h", "relations-2", "mud"), AT)
    for gate in (Gate.RISK_INSPECTION, Gate.MOCK_ACCEPTANCE):
        handover, (event,) = pass_gate(handover, PassGate("h", gate), "ann", AT)
        assert isinstance(event, HandoverGatePassed)
    _, (event,) = pass_gate(handover, PassGate("h", Gate.OPEN_DAY), "ann", AT)
    assert isinstance(event, HandoverGateRefused)
    assert event.reason is GateRefusal.VETO
    _, (event,) = pass_gate(lift_veto(handover), PassGate("h", Gate.OPEN_DAY), "ann", AT)
    assert isinstance(event, HandoverGatePassed)


def test_a_home_is_accepted_with_its_minor_defects(planned: Handover) -> None:
    handover = found(planned, OpenDefect("d1", Severity.MINOR))
    for gate in list(Gate)[:-1]:
        handover, _ = pass_gate(handover, PassGate("h", gate), "ann", AT)
    _, (_, completed) = pass_gate(handover, PassGate("h", Gate.KEYS), "ann", AT)
    assert isinstance(completed, HandoverCompleted)
    assert completed.open_defects == 1


def test_a_gate_passes_once(planned: Handover) -> None:
    handover, _ = pass_gate(planned, PassGate("h", Gate.RISK_INSPECTION), "ann", AT)
    with pytest.raises(Refusal) as refused:
        pass_gate(handover, PassGate("h", Gate.RISK_INSPECTION), "ann", AT)
    assert refused.value.code == "gate-already-passed"


@pytest.mark.parametrize(
    "gates",
    [
        (),
        (TemplateGate(Gate.OPEN_DAY, 0),),
        (TemplateGate(Gate.KEYS, 0), TemplateGate(Gate.KEYS, 0)),
        (
            TemplateGate(Gate.RECHECK, 10),
            TemplateGate(Gate.OPEN_DAY, 20),
            TemplateGate(Gate.KEYS, 0),
        ),
        (TemplateGate(Gate.KEYS, 5),),
    ],
)
def test_a_template_that_cannot_be_passed_in_order_is_refused(
    gates: tuple[TemplateGate, ...],
) -> None:
    with pytest.raises(Refusal) as refused:
        next_template(None, "short", gates, 365)
    assert refused.value.code == "template-unusable"


def test_a_template_that_changes_is_another_version() -> None:
    assert next_template(TEMPLATE, "standard", TEMPLATE.gates, 365) == TEMPLATE
    assert next_template(TEMPLATE, "standard", TEMPLATE.gates[1:], 365).version == 2

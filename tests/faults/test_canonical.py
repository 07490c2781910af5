"""The comparable form of a state: what may differ is left out, everything else is compared."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.kill_and_count.canonical import (
    LEFT_OUT,
    Snapshot,
    Table,
    canonical,
    differences,
    digests,
)


def state(service: str, table: str, key: tuple[str, ...], *rows: dict[str, Any]) -> Snapshot:
    return {service: {table: Table(key, rows)}}


def customer(id: str, **fields: Any) -> dict[str, Any]:
    return {"customer_id": id, **fields}


def customers(*rows: dict[str, Any]) -> Snapshot:
    return state("intake", "customers", ("customer_id",), *rows)


def said(one: Snapshot, other: Snapshot) -> list[str]:
    return [str(d) for d in differences(canonical(one), canonical(other))]


def test_the_order_of_rows_does_not_matter() -> None:
    one = customers(customer("a", name="甲"), customer("b", name="乙"))
    other = customers(customer("b", name="乙"), customer("a", name="甲"))
    assert said(one, other) == []
    assert digests(canonical(one)) == digests(canonical(other))


def test_the_first_difference_names_service_table_key_field_and_both_values() -> None:
    one = customers(customer("a", document={"phones": ["1"], "name": "甲"}))
    other = customers(customer("a", document={"phones": ["2"], "name": "甲"}))
    assert said(one, other) == [
        'intake.customers [a] document.phones.0: "1" without faults, "2" with them'
    ]
    assert digests(canonical(one)) != digests(canonical(other))


def test_a_row_that_is_missing_and_a_row_too_many_are_told_apart() -> None:
    one, none = customers(customer("a")), customers()
    assert said(one, none) == [
        "intake.customers [a] *: a row without faults, no such row with them"
    ]
    assert said(none, one) == [
        "intake.customers [a] *: no such row without faults, a row with them"
    ]


def test_a_field_that_only_one_has_differs_from_none() -> None:
    assert said(customers(customer("a", x=1)), customers(customer("a"))) == [
        "intake.customers [a] x: 1 without faults, null with them"
    ]


def test_lists_of_other_lengths_differ_as_a_whole() -> None:
    assert said(customers(customer("a", x=[1])), customers(customer("a", x=[1, 2]))) == [
        "intake.customers [a] x: [1] without faults, [1,2] with them"
    ]


def test_how_often_a_row_was_saved_is_left_out() -> None:
    assert said(customers(customer("a", version=3)), customers(customer("a", version=5))) == []


def test_a_version_within_a_document_is_compared() -> None:
    one, other = ({"template": {"version": number}} for number in (1, 2))
    assert said(customers(customer("a", document=one)), customers(customer("a", document=other)))


def test_the_outbox_is_left_out() -> None:
    one = state("intake", "outbox", ("id",), {"id": "x", "payload": "1"})
    assert said(one, state("intake", "outbox", ("id",))) == []


def test_rows_are_numbered_anew_within_their_owner() -> None:
    def steps(*rows: tuple[int, str, str]) -> Snapshot:
        return state(
            "intake",
            "lead_steps",
            ("position",),
            *({"position": p, "lead_id": lead, "kind": kind} for p, lead, kind in rows),
        )

    one = steps((1, "a", "new"), (2, "b", "new"), (3, "a", "won"))
    other = steps((10, "b", "new"), (11, "a", "new"), (15, "a", "won"))
    assert said(one, other) == []
    wrong = steps((1, "a", "won"), (2, "b", "new"), (3, "a", "new"))
    assert said(one, wrong)[0] == (
        'intake.lead_steps [a/1] kind: "new" without faults, "won" with them'
    )


def test_dead_letters_keep_their_order_within_a_subject_and_lose_their_places() -> None:
    def letters(*rows: tuple[int, str, int]) -> Snapshot:
        return state(
            "campaigns",
            "dead_letters",
            ("id",),
            *(
                {"id": id, "consumer": "c", "subject": "s", "code": code, "offset": offset}
                for id, code, offset in rows
            ),
        )

    one = letters((1, "bad", 4), (2, "waits", 5))
    assert said(one, letters((8, "bad", 9), (9, "waits", 11))) == []
    assert said(one, letters((1, "waits", 4), (2, "bad", 5)))


def test_a_stamp_keeps_its_business_time_alone() -> None:
    def facts(recorded: str, at: str = "2027-03-01T01:00:00.000000Z") -> Snapshot:
        stamp = f"{at} {recorded} 0f4e"
        return state(
            "segmentation", "customers", ("customer_id",), customer("a", facts={"n": [stamp, 3]})
        )

    one = facts("2026-11-21T09:00:00.000000Z")
    assert said(one, facts("2026-11-21T09:05:00.123456Z")) == []
    assert said(one, facts("2026-11-21T09:00:00.000000Z", at="2027-03-02T01:00:00.000000Z"))


def test_rows_that_only_note_passing_events_are_left_out() -> None:
    def inbox(*ids: str) -> Snapshot:
        rows = [{"consumer": "c", "source": "s", "event_id": id} for id in ids]
        return state("campaigns", "inbox", ("consumer", "source", "event_id"), *rows)

    one = canonical(inbox("stays", "passes"), passing={"passes"})
    other = canonical(inbox("stays"))
    assert list(differences(one, other)) == []
    assert list(differences(canonical(inbox("stays", "passes")), other))


def test_events_whose_ids_tell_of_attempts_are_compared_under_their_other_names() -> None:
    def timeline(id: str) -> Snapshot:
        return state("segmentation", "timeline", ("event_id",), {"event_id": id, "type": "sent"})

    one = canonical(timeline("first"), names={"first": "sent/m1"})
    other = canonical(timeline("second"), names={"second": "sent/m1"})
    assert list(differences(one, other)) == []
    assert list(one["segmentation"]["timeline"]) == ["sent/m1"]


@pytest.mark.parametrize(
    ("source", "compared"), [("partners.inbound", True), ("intake.customers", False)]
)
def test_places_are_compared_only_where_nobody_publishes_again(source: str, compared: bool) -> None:
    def inbox(offset: int) -> Snapshot:
        row = {"source": source, "event_id": f"{source}/3/{offset}"}
        return state("intake", "inbox", ("source", "event_id"), row)

    assert bool(said(inbox(1), inbox(2))) is compared


def test_an_attempt_that_died_before_it_was_noted_leaves_no_difference() -> None:
    def message(*decisions: tuple[str, str | None]) -> Snapshot:
        trail = [{"verdict": verdict, "reason": reason} for verdict, reason in decisions]
        document = {"decisions": trail, "attempt": len(trail)}
        return state(
            "campaigns", "sends", ("message_id",), {"message_id": "m", "document": document}
        )

    hold, go, sent = ("hold", "quiet-hours"), ("go", None), ("sent", None)
    lost, refused = ("retry", "outcome-unknown"), ("retry", "unreachable")
    assert said(message(hold, go, sent), message(hold, go, lost, go, lost, go, sent)) == []
    assert said(message(hold, go, sent), message(hold, go, refused, go, sent))
    assert said(message(hold, go, sent), message(go, sent))


def test_long_values_are_cut() -> None:
    [line] = said(customers(customer("a", x="y" * 500)), customers(customer("a", x="z")))
    assert len(line) < 300


@pytest.mark.parametrize("left", LEFT_OUT, ids=lambda left: left.place)
def test_whatever_is_left_out_says_why(left: Any) -> None:
    assert left.place.count("/") == 2
    assert left.why

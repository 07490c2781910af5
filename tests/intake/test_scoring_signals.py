"""What a model may ask of a lead comes from its touches, and from nothing that came after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from intake.domain.leads.leads import Touch
from intake.domain.scoring.lead_signals import MOST_TOUCHES, SIGNALS, signals_of
from intake.domain.scoring.scoring_model import CategoryTerm, ScoringModel
from intake.domain.scoring.scoring_models import (
    DropModel,
    LoadModel,
    ModelRegister,
    drop_model,
    load_model,
)
from keyturn_chassis.inputs import Cause
from keyturn_events import Refusal
from keyturn_events.vocabulary import LeadChannel

MONDAY = datetime(2026, 3, 2, 23, 30, tzinfo=timezone(timedelta(hours=8)))
NOW = Cause("/test", "1", MONDAY)


def touch(**said: object) -> Touch:
    values = {
        "touch_id": "t", "lead_id": "l", "customer_id": "c", "channel": LeadChannel.WEB,
        "captured_at": MONDAY, "recorded_at": MONDAY, "joined": False,
    }  # fmt: skip
    return Touch(**{**values, **said})  # type: ignore[arg-type]  # a test names the fields it needs


def test_everything_that_was_said_is_a_signal_with_labels() -> None:
    answers = {
        "product_line": "first-home",
        "budget": {"amount": "1680000.00", "currency": "CNY"},
        "utm": {"source": "wechat", "medium": "post", "campaign": "spring"},
        "household": {
            "marital_status": "married",
            "incomes": "dual",
            "relocating": False,
            "homes_owned": 0,
            "members": [
                {"relationship": "self", "birth_date": "1990-03-03"},
                {"relationship": "partner"},
                {"relationship": "child", "birth_date": "2020-01-01"},
                {"relationship": "child", "birth_date": "2025-12-31"},
            ],
        },
        "affordability": {
            "annual_income": {"amount": "300000.00", "currency": "CNY"},
            "down_payment": {"amount": "500000.00", "currency": "CNY"},
        },
    }

    signals = signals_of(
        "riverside",
        [touch(answers=answers, partner_id="p", campaign="c", referral_code="R", joined=True)],
    )

    assert signals == {
        "community": "riverside", "channel": "web", "known_before": "yes", "referred": "yes",
        "captured_weekday": "mon", "captured_hour": "15", "partner": "p", "campaign": "c",
        "product_line": "first-home", "budget": "1680000.00", "budget_currency": "CNY",
        "utm_source": "wechat", "utm_medium": "post", "utm_campaign": "spring",
        "marital_status": "married", "incomes": "dual", "relocating": "no", "homes_owned": "0",
        "household_size": "4", "children": "2", "youngest_child": "0", "age": "35",
        "annual_income": "300000.00", "down_payment": "500000.00",
    }  # fmt: skip
    assert signals.keys() <= SIGNALS.keys()
    assert all(label.en and label.zh for label in SIGNALS.values())


def test_the_offset_in_which_a_time_was_written_makes_no_difference() -> None:
    assert signals_of(None, [touch()]) == signals_of(
        None, [touch(captured_at=MONDAY.astimezone(UTC))]
    )


def test_the_first_answer_stands_and_a_later_one_fills_a_gap() -> None:
    first = touch(campaign="spring", answers={"product_line": "first-home"})
    later = touch(
        channel=LeadChannel.WALK_IN,
        campaign="autumn",
        answers={"product_line": "active-adult", "budget": {"amount": "1", "currency": "CNY"}},
    )

    signals = signals_of(None, [first, later])

    assert (signals["channel"], signals["campaign"]) == ("web", "spring")
    assert (signals["product_line"], signals["budget"]) == ("first-home", "1")


def test_touches_beyond_the_limit_say_nothing() -> None:
    last = touch(campaign="late")

    assert "campaign" in signals_of(None, [*[touch()] * (MOST_TOUCHES - 1), last])
    assert "campaign" not in signals_of(None, [*[touch()] * MOST_TOUCHES, last])


def test_a_birth_that_is_yet_to_come_gives_no_age() -> None:
    members = [{"relationship": "child", "birth_date": "2030-01-01"}]

    signals = signals_of(None, [touch(answers={"household": {"members": members}})])

    assert signals["children"] == "1"
    assert "youngest_child" not in signals


def model(*fields: str, leaks: tuple[str, ...] = ()) -> ScoringModel:
    return ScoringModel(
        "m", "outcome", "won", 0.0, {name: CategoryTerm({}) for name in fields}, leaks
    )


def command(asked: ScoringModel, digest: str = "d", *, accept_leaks: bool = False) -> LoadModel:
    return LoadModel(asked, "{}", digest, "ana", accept_leaks)


def test_models_are_numbered_and_the_same_one_again_changes_nothing() -> None:
    first, _ = load_model(ModelRegister(), command(model("channel")), NOW)
    same, _ = load_model(ModelRegister(first.in_use), command(model("channel")), NOW)
    other, _ = load_model(ModelRegister(first.in_use), command(model("budget"), "e"), NOW)
    again, _ = load_model(ModelRegister(other.in_use), command(model("channel")), NOW)

    assert [register.in_use and register.in_use.version for register in (first, other, again)] == [
        1,
        2,
        3,
    ]
    assert same.added is None


def test_the_rules_are_a_version_too() -> None:
    loaded, _ = load_model(ModelRegister(), command(model("channel")), NOW)
    dropped, _ = drop_model(ModelRegister(loaded.in_use), DropModel("ana"), NOW)

    assert dropped.in_use is not None
    assert (dropped.in_use.version, dropped.in_use.name) == (2, None)
    assert drop_model(ModelRegister(dropped.in_use), DropModel("ana"), NOW)[0].added is None
    assert drop_model(ModelRegister(), DropModel("ana"), NOW)[0].added is None


def test_a_model_that_asks_for_what_no_lead_has_is_refused_and_told_which() -> None:
    with pytest.raises(Refusal, match="duration, y") as refused:
        load_model(ModelRegister(), command(model("duration", "channel", "y")), NOW)

    assert refused.value.code == "unknown-model-field"


def test_a_model_with_leaks_is_loaded_only_when_somebody_answers_for_it() -> None:
    leaking = model("channel", leaks=("channel",))
    with pytest.raises(Refusal) as refused:
        load_model(ModelRegister(), command(leaking), NOW)
    accepted, _ = load_model(ModelRegister(), command(leaking, accept_leaks=True), NOW)

    assert refused.value.code == "model-leaks"
    assert accepted.in_use is not None
    assert accepted.in_use.leaks_accepted

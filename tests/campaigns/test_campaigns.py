from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from campaigns.domain.campaign import (
    Campaign,
    Entered,
    Reentry,
    Step,
    Trigger,
    entries,
    facts_of,
    matches,
)
from campaigns.domain.sending import MOST_ATTEMPTS, SendState, delivered, lost_sight, plan
from campaigns.domain.template import Content
from campaigns.reactions import reactions
from campaigns.rendering import UnfitTemplate, check, render
from campaigns.store.documents import CAMPAIGN, TEMPLATE
from keyturn_events import CATALOGUE, golden_message
from keyturn_events.intake import LeadCaptured, PurchaseSigned
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.vocabulary import Channel, Purpose

AT = datetime(2026, 3, 4, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SEEDS: dict[str, list[dict[str, Any]]] = json.loads(
    (files("campaigns") / "migrations" / "campaigns_0001_seeds.json").read_text("utf-8")
)
SIGNED = golden_message(PurchaseSigned).event


def campaign(
    reentry: Reentry, days: int | None = None, occurrence: str | None = "purchase_id"
) -> Campaign:
    return Campaign(
        "c",
        1,
        {},
        Trigger(PurchaseSigned.type, {}, occurrence),
        Purpose.SERVICE,
        True,
        reentry,
        days,
        (Step("one", "t", (Channel.EMAIL,)), Step("two", "t", (Channel.EMAIL,), wait_days=7)),
    )


def entered(of: Campaign, purchases: Sequence[tuple[str, datetime]]) -> list[str]:
    """The occurrences with which somebody goes into a campaign who signs these purchases."""
    before: list[Entered] = []
    for purchase, at in purchases:
        event = SIGNED.model_copy(update={"purchase_id": purchase})
        found = entries([of], event, event_id=f"e-{purchase}-{at}", at=at, entered=before)
        before += [Entered(entry.campaign.code, entry.occurrence, entry.at) for entry in found]
    return [known.occurrence for known in before]


SEVERAL = [("p1", AT), ("p1", AT), ("p2", AT + 5 * DAY), ("p3", AT + 40 * DAY)]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (campaign(Reentry.ONCE), ["once"]),
        (campaign(Reentry.PER_OCCURRENCE), ["p1", "p2", "p3"]),
        (campaign(Reentry.AFTER_DAYS, 30), ["p1", "p3"]),
    ],
    ids=["once", "per occurrence", "after 30 days"],
)
def test_a_person_goes_in_again_as_the_campaign_says(of: Campaign, expected: list[str]) -> None:
    assert entered(of, SEVERAL) == expected


def test_going_in_once_or_per_occurrence_does_not_depend_on_the_order_of_the_events() -> None:
    for of in (campaign(Reentry.ONCE), campaign(Reentry.PER_OCCURRENCE)):
        assert sorted(entered(of, SEVERAL)) == sorted(entered(of, SEVERAL[::-1]))


def test_each_step_is_planned_once_with_its_wait_and_an_id_that_follows_from_it() -> None:
    [entry] = entries([campaign(Reentry.PER_OCCURRENCE)], SIGNED, event_id="e1", at=AT, entered=[])
    first, second = plan(entry, "ann")
    assert [(s.step, s.due_at) for s in (first, second)] == [("one", AT), ("two", AT + 7 * DAY)]
    assert first.message_id != second.message_id
    assert plan(entry, "ann")[0].message_id == first.message_id
    assert plan(entry, "bob")[0].message_id != first.message_id


def test_an_attempt_of_unknown_outcome_is_repeated_only_so_often() -> None:
    [entry] = entries([campaign(Reentry.ONCE)], SIGNED, event_id="e1", at=AT, entered=[])
    send = replace(plan(entry, "ann")[0], state=SendState.SENDING, attempt=1)
    outcomes = []
    for attempts in range(1, MOST_ATTEMPTS + 1):
        again, events = lost_sight(
            replace(send, attempts_on_channel=attempts),
            attempt=1,
            repeatable=True,
            customer_id="ann",
            at=AT,
        )
        outcomes.append((again.state, len(events)))
    assert outcomes == [(SendState.WAITING, 0)] * 4 + [(SendState.FAILED, 1)]


def test_an_outcome_that_is_learned_late_is_believed_and_that_of_another_attempt_is_not() -> None:
    [entry] = entries([campaign(Reentry.ONCE)], SIGNED, event_id="e1", at=AT, entered=[])
    send = replace(plan(entry, "ann")[0], state=SendState.SENDING, attempt=2)
    given_up, _ = lost_sight(send, attempt=2, repeatable=False, customer_id="ann", at=AT)
    about: dict[str, Any] = {
        "template": "t",
        "template_version": 1,
        "reference": None,
        "customer_id": "ann",
        "at": AT,
    }
    late, events = delivered(given_up, attempt=2, **about)
    assert (late.state, len(events)) == (SendState.SENT, 1)
    assert delivered(given_up, attempt=1, **about) == (given_up, [])
    assert delivered(late, attempt=2, **about) == (late, [])


def test_a_trigger_matches_when_every_field_has_one_of_its_values() -> None:
    moved = golden_message(CustomerSegmented).event
    trigger = Trigger(
        CustomerSegmented.type, {"model": (moved.model,), "to_segment": ("x", moved.to_segment)}
    )
    assert matches(trigger, moved)
    assert not matches(trigger, moved.model_copy(update={"model": "vanke-five"}))
    assert not matches(trigger, golden_message(LeadCaptured).event)


def test_an_inactive_campaign_takes_nobody_in() -> None:
    off = replace(campaign(Reentry.ONCE), active=False)
    assert entries([off], SIGNED, event_id="e", at=AT, entered=[]) == []


@pytest.mark.parametrize("seed", SEEDS["campaigns"], ids=lambda seed: str(seed["code"]))
def test_a_seeded_campaign_can_be_shown_with_the_golden_example_of_its_event(
    seed: dict[str, Any],
) -> None:
    known = CAMPAIGN.validate_python(seed)
    assert CAMPAIGN.dump_python(known, mode="json") == seed
    assert known.trigger.event in reactions.events
    event_type = CATALOGUE[known.trigger.event]
    assert set(known.trigger.where) <= set(event_type.model_fields)
    assert set(known.stop_on) <= set(reactions.events)
    facts = facts_of(golden_message(event_type).event)
    templates = {t["code"]: TEMPLATE.validate_python(t) for t in SEEDS["templates"]}
    for step in known.steps:
        for language in ("en", "zh"):
            for name in ("", "Ann"):
                values = {"name": name, "referral_code": "K7QF-2M9P", "event": facts}
                rendered = render(templates[step.template].content[language], values)
                assert rendered.subject
                assert "{" not in rendered.body


def test_a_template_shows_values_and_chooses_between_texts() -> None:
    content = Content("Hi {{ name|upper }}", "{% if event.a == 1 %}one{% else %}other{% endif %}")
    rendered = render(content, {"name": "ann\nlee", "event": {"a": 1}})
    assert (rendered.subject, rendered.body) == ("Hi ANN LEE", "one")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{% for i in name %}x{% endfor %}", "for is not allowed"),
        ("{{ name.__class__.__mro__ }}", "not allowed"),
        ("{{ range(9) }}", "call is not allowed"),
        ("{% set a = 1 %}", "assign is not allowed"),
        ("{% include 'x' %}", "include is not allowed"),
        ("{{ 9 ** 9 ** 9 }}", "pow is not allowed"),
        ("{{ name|map('x') }}", "map is not allowed"),
        ("line\n{% if %}", "line 2"),
    ],
)
def test_a_template_that_does_more_is_refused_with_the_place(source: str, complaint: str) -> None:
    with pytest.raises(UnfitTemplate, match=complaint):
        check(source)


def test_a_missing_value_is_an_error_and_no_empty_space() -> None:
    with pytest.raises(UnfitTemplate, match="home_id"):
        render(Content("x", "{{ event.home_id }}"), {"event": {}})

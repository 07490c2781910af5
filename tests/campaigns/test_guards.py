from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.domain.campaign import Campaign, Reentry, Step, Trigger
from campaigns.domain.guards import Go, Hold, Objection, Skip, Verdict, judge, permits
from campaigns.domain.people import (
    Consent,
    Contact,
    Counted,
    Open,
    Person,
    Purchase,
    consent_key,
    merged,
    stop_key,
    with_consent,
)
from campaigns.domain.policy import Policy
from campaigns.domain.standing import Standing, standing
from keyturn_events.vocabulary import Channel, ConsentStatus, HoldReason, Purpose, SkipReason

# Ten in the morning in Shanghai, and eleven at night.
MORNING = datetime(2026, 3, 4, 2, tzinfo=UTC)
NIGHT = datetime(2026, 3, 4, 15, tzinfo=UTC)
NEXT_MORNING = datetime(2026, 3, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)

EVERYWHERE = frozenset(Channel)
STEP = Step("only", "welcome", (Channel.EMAIL, Channel.SMS))
MARKETING = Campaign(
    "offer", 1, {}, Trigger("x", {}), Purpose.MARKETING, False, Reentry.ONCE, None, (STEP,)
)
SURVEY = replace(MARKETING, purpose=Purpose.SURVEY)
SERVICE = replace(MARKETING, purpose=Purpose.SERVICE)
TRANSACTIONAL = replace(SERVICE, transactional=True)
REACHABLE = Contact(email="ann@example.com", phone="+8613800000001", time_zone="Asia/Shanghai")
OWNER = {"p1": Purchase(signed_at=MORNING - 30 * DAY)}


def person(**more: Any) -> Standing:
    return standing("ann", [Person("ann", contact=REACHABLE, **more)])


def consents(
    purpose: Purpose, status: ConsentStatus, *channels: Channel, **more: Any
) -> dict[str, Consent]:
    return {
        consent_key(channel, purpose): Consent(status, MORNING - DAY, **more)
        for channel in channels or Channel
    }


def granted(purpose: Purpose) -> dict[str, Consent]:
    return consents(purpose, ConsentStatus.GRANTED)


def judged(campaign: Campaign, who: Standing, at: datetime = MORNING, **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "message_id": "m1",
        "occurrence": "once",
        "channels": STEP.channels,
        "available": EVERYWHERE,
        "due_at": at,
    }
    return judge(campaign, STEP, who, Policy(), at=at, **(values | more))


GRANTED, PENDING = ConsentStatus.GRANTED, ConsentStatus.PENDING
DENIED, WITHDRAWN, EXPIRED = (
    ConsentStatus.DENIED,
    ConsentStatus.WITHDRAWN,
    ConsentStatus.EXPIRED,
)


@pytest.mark.parametrize(
    ("campaign", "status", "owner", "allowed"),
    [
        (MARKETING, None, False, False),
        (MARKETING, None, True, False),
        (MARKETING, GRANTED, False, True),
        (MARKETING, PENDING, True, False),
        (MARKETING, DENIED, True, False),
        (MARKETING, WITHDRAWN, True, False),
        (MARKETING, EXPIRED, True, False),
        (SURVEY, None, True, False),
        (SURVEY, GRANTED, False, True),
        (SURVEY, WITHDRAWN, True, False),
        (SERVICE, None, False, False),
        (SERVICE, None, True, True),
        (SERVICE, GRANTED, False, True),
        (SERVICE, PENDING, True, True),
        (SERVICE, EXPIRED, True, True),
        (SERVICE, EXPIRED, False, False),
        (SERVICE, DENIED, True, False),
        (SERVICE, WITHDRAWN, True, False),
        (TRANSACTIONAL, None, False, True),
        (TRANSACTIONAL, DENIED, False, False),
        (TRANSACTIONAL, WITHDRAWN, True, False),
    ],
)
def test_what_consent_allows(
    campaign: Campaign, status: ConsentStatus | None, owner: bool, allowed: bool
) -> None:
    given = {} if status is None else consents(campaign.purpose, status)
    who = person(consents=given, purchases=OWNER if owner else {})
    assert permits(campaign, who, Channel.EMAIL, MORNING) is allowed


def test_a_consent_that_expires_no_longer_allows_at_that_very_moment() -> None:
    given = consents(Purpose.MARKETING, GRANTED, expires_at=MORNING)
    who = person(consents=given)
    assert permits(MARKETING, who, Channel.EMAIL, MORNING - timedelta(seconds=1))
    assert not permits(MARKETING, who, Channel.EMAIL, MORNING)


def test_a_consent_for_one_purpose_or_channel_allows_no_other() -> None:
    who = person(consents=consents(Purpose.SURVEY, GRANTED, Channel.SMS))
    assert not permits(MARKETING, who, Channel.SMS, MORNING)
    assert not permits(SURVEY, who, Channel.EMAIL, MORNING)
    assert permits(SURVEY, who, Channel.SMS, MORNING)


def test_a_message_with_nothing_against_it_goes_through_the_first_channel() -> None:
    who = person(consents=granted(Purpose.MARKETING))
    assert judged(MARKETING, who) == Go(Channel.EMAIL, "ann@example.com")


def test_nothing_is_sent_for_a_lead_that_was_withdrawn() -> None:
    stops = {stop_key("keyturn.lead.withdrawn.v1", "lead-1"): MORNING}
    who = person(consents=granted(Purpose.MARKETING), stops=stops)
    skipped = judged(MARKETING, who, occurrence="lead-1")
    assert isinstance(skipped, Skip)
    assert skipped.reason is SkipReason.STOPPED
    assert isinstance(judged(MARKETING, who, occurrence="lead-2"), Go)


def test_without_an_address_the_next_channel_has_its_turn() -> None:
    who = standing(
        "ann",
        [
            Person(
                "ann",
                contact=replace(REACHABLE, email=None),
                consents=granted(Purpose.MARKETING),
            )
        ],
    )
    assert judged(MARKETING, who) == Go(
        Channel.SMS,
        "+8613800000001",
        (Objection(Channel.EMAIL, SkipReason.NO_CONTACT_POINT),),
    )


def test_without_any_way_to_reach_the_person_the_message_is_skipped_with_each_reason() -> None:
    who = standing("ann", [Person("ann", consents=granted(Purpose.MARKETING))])
    assert judged(MARKETING, who) == Skip(
        SkipReason.NO_CONTACT_POINT,
        Channel.EMAIL,
        (
            Objection(Channel.EMAIL, SkipReason.NO_CONTACT_POINT),
            Objection(Channel.SMS, SkipReason.NO_CONTACT_POINT),
        ),
    )


def test_without_consent_the_message_is_skipped() -> None:
    assert judged(MARKETING, person()) == Skip(
        SkipReason.NO_CONSENT,
        Channel.EMAIL,
        (
            Objection(Channel.EMAIL, SkipReason.NO_CONSENT),
            Objection(Channel.SMS, SkipReason.NO_CONSENT),
        ),
    )


def test_a_suppressed_channel_is_passed_over_whatever_the_consent() -> None:
    who = person(consents=granted(Purpose.MARKETING), suppressed={"email": "bounced"})
    assert judged(MARKETING, who) == Go(
        Channel.SMS, "+8613800000001", (Objection(Channel.EMAIL, SkipReason.SUPPRESSED),)
    )


def test_a_channel_that_is_switched_off_is_passed_over_and_waited_for_when_it_is_the_last() -> None:
    who = person(consents=granted(Purpose.MARKETING))
    assert judged(MARKETING, who, available=frozenset({Channel.SMS})) == Go(
        Channel.SMS,
        "+8613800000001",
        (Objection(Channel.EMAIL, HoldReason.CHANNEL_UNAVAILABLE),),
    )
    held = judged(MARKETING, who, available=frozenset())
    assert isinstance(held, Hold)
    assert (held.reason, held.until) == (
        HoldReason.CHANNEL_UNAVAILABLE,
        MORNING + timedelta(hours=1),
    )


@pytest.mark.parametrize(
    ("campaign", "reason"),
    [
        (MARKETING, HoldReason.OPEN_COMPLAINT),
        (SURVEY, HoldReason.OPEN_COMPLAINT),
        (SERVICE, None),
        (TRANSACTIONAL, None),
    ],
)
def test_an_open_complaint_holds_all_but_service(
    campaign: Campaign, reason: HoldReason | None
) -> None:
    who = person(consents=granted(campaign.purpose), complaints={"c1": Open(open=True, at=MORNING)})
    verdict = judged(campaign, who)
    if reason is None:
        assert isinstance(verdict, Go)
    else:
        assert verdict == Hold(reason, None, Channel.EMAIL)


def test_a_crisis_goes_before_a_complaint_and_a_closed_one_holds_nothing() -> None:
    open_, over = Open(open=True, at=MORNING), Open(open=False, at=MORNING)
    given = granted(Purpose.MARKETING)
    both = person(consents=given, crises={"x": open_}, complaints={"c1": open_})
    assert judged(MARKETING, both) == Hold(HoldReason.CRISIS, None, Channel.EMAIL)
    neither = person(consents=given, crises={"x": over}, complaints={"c1": over})
    assert isinstance(judged(MARKETING, neither), Go)


def test_at_night_every_message_waits_for_the_recipients_morning() -> None:
    for campaign in (MARKETING, SURVEY, SERVICE, TRANSACTIONAL):
        who = person(consents=granted(campaign.purpose))
        assert judged(campaign, who, NIGHT) == Hold(
            HoldReason.QUIET_HOURS, NEXT_MORNING, Channel.EMAIL
        )


@pytest.mark.parametrize(
    ("own", "community", "expected"),
    [
        ("Europe/London", "Asia/Shanghai", Go),
        (None, "Europe/London", Go),
        ("Mars/Olympus", "Europe/London", Go),
        (None, None, Hold),
        ("Mars/Olympus", "Mars/Hellas", Hold),
    ],
)
def test_an_unknown_zone_is_the_communitys_or_else_the_policys(
    own: str | None, community: str | None, expected: type
) -> None:
    who = standing(
        "ann",
        [
            Person(
                "ann",
                contact=replace(REACHABLE, time_zone=own),
                community_time_zone=community,
                consents=granted(Purpose.MARKETING),
            )
        ],
    )
    assert isinstance(judged(MARKETING, who, NIGHT), expected)


def test_a_frequency_cap_holds_until_the_first_slot_that_is_also_no_quiet_hour() -> None:
    late = datetime(2026, 3, 2, 14, tzinfo=UTC)
    sent = {f"m{i + 10}": Counted(Purpose.MARKETING, late + i * DAY) for i in range(3)}
    who = person(consents=granted(Purpose.MARKETING), counted=sent)
    at = MORNING + 2 * DAY
    # Seven days after the first it is ten in the evening in Shanghai: the next morning, then.
    assert judged(MARKETING, who, at) == Hold(
        HoldReason.FREQUENCY_CAP, datetime(2026, 3, 10, 1, tzinfo=UTC), Channel.EMAIL
    )
    assert isinstance(judged(TRANSACTIONAL, who, at), Go)


def test_a_message_does_not_stand_in_its_own_way() -> None:
    sent = {"m1": Counted(Purpose.SURVEY, MORNING - timedelta(minutes=1))}
    who = person(consents=granted(Purpose.SURVEY), counted=sent)
    assert isinstance(judged(SURVEY, who), Go)
    assert isinstance(judged(SURVEY, who, message_id="m2"), Hold)


def test_too_late_is_never() -> None:
    who = person(consents=granted(Purpose.MARKETING))
    last = MORNING + STEP.valid_days * DAY
    assert isinstance(judged(MARKETING, who, last - timedelta(seconds=1), due_at=MORNING), Go)
    assert judged(MARKETING, who, last, due_at=MORNING) == Skip(SkipReason.EXPIRED, Channel.EMAIL)


def test_an_event_that_stops_the_campaign_stops_it_for_its_own_occurrence_only() -> None:
    stopping = replace(MARKETING, stop_on=("keyturn.purchase.rescinded.v1",))
    stops = {stop_key("keyturn.purchase.rescinded.v1", "p1"): MORNING}
    who = person(consents=granted(Purpose.MARKETING), stops=stops)
    assert judged(stopping, who, occurrence="p1") == Skip(SkipReason.STOPPED, Channel.EMAIL)
    assert isinstance(judged(stopping, who, occurrence="p2"), Go)


def test_nobody_writes_to_a_person_who_asked_to_be_forgotten() -> None:
    who = person(erased_at=MORNING, consents=granted(Purpose.MARKETING))
    assert judged(TRANSACTIONAL, who) == Skip(SkipReason.ERASED, Channel.EMAIL)


def test_after_a_merge_the_most_restrictive_consent_holds_until_the_person_speaks_again() -> None:
    key = consent_key(Channel.EMAIL, Purpose.MARKETING)
    ann = Person("ann", consents={key: Consent(GRANTED, MORNING - DAY)})
    other = Person("bob", consents={key: Consent(WITHDRAWN, MORNING - 2 * DAY)})
    bob = merged(other, "ann", "merge-1", MORNING)
    assert not permits(MARKETING, standing("ann", [ann, bob]), Channel.EMAIL, MORNING)
    anew = with_consent(ann, key, Consent(GRANTED, MORNING + DAY))
    assert permits(MARKETING, standing("ann", [anew, bob]), Channel.EMAIL, MORNING + DAY)

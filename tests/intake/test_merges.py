"""Merging and un-merging customers through the API, and as pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.consent.consents import Consent
from intake.domain.people import merges
from intake.domain.people.customers import Customer
from intake.domain.people.merges import Merge, MergeCustomers, MergeFile, UndoMerge
from intake.domain.people.persons import Person, person_of
from keyturn_chassis.inputs import Cause
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from keyturn_events.refusal import Refusal
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
IDS = ("ann", "bea", "cho", "dan")


def cause(at: datetime = NOON, id: str = "request-1") -> Cause:
    return Cause("desk", id, at)


def asked(one: str, other: str, **more: Any) -> MergeCustomers:
    return MergeCustomers(one, other, by="desk", reason="same card", **more)


def file_of(*customers: Customer) -> MergeFile:
    return MergeFile({known.customer_id: known for known in customers})


def known(customer_id: str, **more: Any) -> Customer:
    place = sorted(IDS).index(customer_id)
    return Customer(customer_id, NOON - timedelta(days=10 - place), **more)


def word(status: ConsentStatus, days: int) -> Consent:
    return Consent(
        Channel.SMS,
        Purpose.MARKETING,
        status,
        ConsentBasis.EXPRESS,
        NOON + timedelta(days=days),
        "api",
    )


words = st.builds(
    word,
    st.sampled_from([ConsentStatus.GRANTED, ConsentStatus.DENIED, ConsentStatus.WITHDRAWN]),
    st.integers(-9, -1),
)


@st.composite
def strangers(draw: st.DrawFn) -> list[Customer]:
    return [
        known(
            customer_id,
            name=draw(st.sampled_from([None, "An", "Bo"])),
            phones=tuple(draw(st.lists(st.sampled_from(["+861", "+862"]), max_size=2))),
            consents=tuple(draw(st.lists(words, max_size=1))),
        )
        for customer_id in IDS
    ]


pairs = st.lists(st.permutations(IDS).map(lambda ids: (ids[0], ids[1])), min_size=1, max_size=5)


def told(file: MergeFile, pairs: list[tuple[str, str]]) -> MergeFile:
    for number, (one, other) in enumerate(pairs):
        file, _ = merges.merge(file, asked(one, other), cause(id=str(number)))
    return file


@settings(derandomize=True, deadline=None)
@given(strangers(), st.permutations(IDS))
def test_which_of_the_two_is_named_first_does_not_matter(
    people: list[Customer], ids: list[str]
) -> None:
    file = file_of(*people)
    one, other = ids[:2]
    there, _ = merges.merge(file, asked(one, other), cause())
    back, _ = merges.merge(file, asked(other, one), cause())
    assert there == back


@settings(derandomize=True, deadline=None)
@given(strangers(), pairs)
def test_merging_again_changes_nothing_and_tells_nothing(
    people: list[Customer], pairs: list[tuple[str, str]]
) -> None:
    after = told(file_of(*people), pairs)
    for one, other in pairs:
        again, events = merges.merge(after, asked(one, other), cause(id="again"))
        assert again.customers == after.customers
        assert events == []


@settings(derandomize=True, deadline=None)
@given(strangers(), pairs, st.randoms(use_true_random=False))
def test_the_person_is_the_same_in_whatever_order_merges_come(
    people: list[Customer], pairs: list[tuple[str, str]], chance: Any
) -> None:
    shuffled = [*pairs]
    chance.shuffle(shuffled)
    one, other = told(file_of(*people), pairs), told(file_of(*people), shuffled)
    for customer_id in IDS:
        found, again = (
            person_of(one.customers, customer_id),
            person_of(other.customers, customer_id),
        )
        assert found is not None
        assert again is not None
        assert found.survivor.customer_id == again.survivor.customer_id
        assert set(found.customer_ids) == set(again.customer_ids)
        assert found.consents == again.consents
        assert set(found.phones) == set(again.phones)


@settings(derandomize=True, deadline=None)
@given(strangers(), pairs)
def test_undoing_every_merge_restores_everybody(
    people: list[Customer], pairs: list[tuple[str, str]]
) -> None:
    before = file_of(*people)
    after, made = before, list[Merge]()
    for number, (one, other) in enumerate(pairs):
        after, events = merges.merge(after, asked(one, other), cause(id=str(number)))
        if events:
            assert after.merge is not None
            made.append(after.merge)
    for merge in made:
        after, _ = merges.undo(
            replace(after, merge=merge), UndoMerge(merge.merge_id, "desk", "two people"), cause()
        )
    assert after.customers == before.customers


@settings(derandomize=True, deadline=None)
@given(strangers(), pairs)
def test_a_merge_never_allows_what_one_of_the_two_did_not(
    people: list[Customer], pairs: list[tuple[str, str]]
) -> None:
    after = told(file_of(*people), pairs)
    for customer_id in IDS:
        person = person_of(after.customers, customer_id)
        assert person is not None
        for consent in person.consents:
            allowed = [c for r in person.records for c in r.consents if c.allows(NOON)]
            spoken = [c for r in person.records for c in r.consents]
            assert consent.allows(NOON) == (len(allowed) == len(spoken))


def test_who_was_registered_first_survives() -> None:
    after, events = merges.merge(file_of(known("bea"), known("ann")), asked("bea", "ann"), cause())
    assert events == [
        CustomersMerged(
            customer_id="ann",
            merge_id=cause().derive_id("merge", "bea"),
            merged_customer_id="bea",
            rule="review",
        )
    ]
    person = person_of(after.customers, "bea")
    assert person is not None
    assert person.customer_ids == ("ann", "bea")


def test_what_the_person_says_after_the_merge_counts_again() -> None:
    granted, withdrawn = word(ConsentStatus.GRANTED, -5), word(ConsentStatus.WITHDRAWN, -6)
    file, _ = merges.merge(
        file_of(known("ann", consents=(granted,)), known("bea", consents=(withdrawn,))),
        asked("ann", "bea"),
        cause(),
    )
    person = person_of(file.customers, "ann")
    assert person is not None
    assert [c.status for c in person.consents] == [ConsentStatus.WITHDRAWN]
    later = word(ConsentStatus.GRANTED, 1)
    customers = {**file.customers, "ann": replace(file.customers["ann"], consents=(later,))}
    person = person_of(customers, "bea")
    assert person is not None
    assert person.consents == (later,)


def linked(*pairs: tuple[str, str, int], **words: Consent) -> Person:
    """The person after these merges, each at its day, of customers with one word each."""
    file = file_of(*(known(id, consents=(words[id],) if id in words else ()) for id in IDS))
    for one, other, day in pairs:
        at = NOON + timedelta(days=day)
        file, _ = merges.merge(file, asked(one, other), cause(at, id=str(day)))
    person = person_of(file.customers, "ann")
    assert person is not None
    return person


def test_a_later_merge_with_somebody_who_said_nothing_leaves_the_persons_word() -> None:
    granted, withdrawn = word(ConsentStatus.GRANTED, 2), word(ConsentStatus.WITHDRAWN, -2)
    person = linked(("ann", "bea", 1), ("ann", "cho", 3), ann=granted, bea=withdrawn)
    assert person.consents == (granted,)


def test_the_word_of_somebody_who_was_not_this_person_yet_does_not_lift_a_refusal() -> None:
    granted, withdrawn = word(ConsentStatus.GRANTED, 2), word(ConsentStatus.WITHDRAWN, -2)
    person = linked(("bea", "cho", 1), ("ann", "bea", 3), ann=granted, cho=withdrawn)
    assert person.consents == (withdrawn,)


@pytest.mark.parametrize(
    ("some", "others", "kinds"),
    [
        ({"wechat": "w1"}, {"wechat": "w2"}, ["wechat"]),
        ({"wechat": "w1"}, {"wechat": "w1"}, []),
        ({"wechat": "w1"}, {}, []),
        ({"references": ("p/1",)}, {"references": ("p/2",)}, ["reference at p"]),
        ({"references": ("p/1",)}, {"references": ("q/2",)}, []),
        ({"phones": ("+861",)}, {"phones": ("+862",)}, []),
    ],
)
def test_verified_identifiers_conflict_when_they_agree_in_none(
    some: dict[str, Any], others: dict[str, Any], kinds: list[str]
) -> None:
    assert merges.conflicts([known("ann", **some)], [known("bea", **others)]) == kinds
    assert merges.conflicts([known("bea", **others)], [known("ann", **some)]) == kinds


def test_people_with_conflicting_identifiers_are_merged_only_when_somebody_says_so() -> None:
    file = file_of(known("ann", wechat="w1"), known("bea", wechat="w2"))
    with pytest.raises(Refusal) as refused:
        merges.merge(file, asked("ann", "bea"), cause())
    assert refused.value.code == "conflicting-identifiers"
    _, events = merges.merge(file, asked("ann", "bea", accept_conflicts=True), cause())
    assert len(events) == 1


@pytest.mark.parametrize(
    ("one", "other", "code", "pointer"),
    [
        ("ann", "ann", "same-customer", "/other_customer_id"),
        ("ann", "dan", "customer-not-found", "/other_customer_id"),
        ("dan", "ann", "customer-not-found", "/customer_id"),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(
    one: str, other: str, code: str, pointer: str
) -> None:
    with pytest.raises(Refusal) as refused:
        merges.merge(file_of(known("ann"), known("bea")), asked(one, other), cause())
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


async def two_people(intake: Intake) -> tuple[dict[str, Any], dict[str, Any]]:
    first = await intake.captured(
        name="张伟",
        phone="13800138000",
        channel="walk-in",
        community_id="riverside",
        consents=[{"channel": "sms", "purpose": "marketing"}],
    )
    await intake.harness.drive(NOON + timedelta(hours=1))
    second = await intake.captured(
        name="Zhang Wei",
        email="zw@example.com",
        channel="web",
        community_id="riverside",
        consents=[{"channel": "sms", "purpose": "marketing", "status": "denied"}],
    )
    return first, second


async def test_after_a_merge_either_id_means_the_person(intake: Intake) -> None:
    first, second = await two_people(intake)
    one, other = first["customer_id"], second["customer_id"]
    made = await intake.post(
        f"/customers/{other}/merges", {"other_customer_id": one, "reason": "x"}
    )
    assert made.status_code == 201, made.text
    assert (made.json()["survivor_id"], made.json()["merged_id"]) == (one, other)
    shown = (await intake.get(f"/customers/{other}")).json()
    assert shown == (await intake.get(f"/customers/{one}")).json()
    assert shown["customer_id"] == one
    assert shown["merged_customer_ids"] == [other]
    assert shown["name"] == "张伟"
    assert shown["phones"] == ["+8613800138000"]
    assert shown["emails"] == ["zw@example.com"]
    assert set(shown["lead_ids"]) == {first["lead_id"], second["lead_id"]}
    assert [c["status"] for c in shown["consents"]] == ["denied"]
    answers = (await intake.get(f"/customers/{one}/answers")).json()["items"]
    assert [a["customer_id"] for a in answers] == [one, other]


async def test_an_undone_merge_leaves_everything_as_it_was(intake: Intake) -> None:
    first, second = await two_people(intake)
    one, other = first["customer_id"], second["customer_id"]
    before = [(await intake.get(f"/customers/{id}")).json() for id in (one, other)]
    body = {"other_customer_id": other, "reason": "same card"}
    made = (await intake.post(f"/customers/{one}/merges", body)).json()
    # What is said of either meanwhile stays with whom it was said of.
    await intake.captured(phone="13800138000", channel="phone", community_id="riverside")
    await intake.captured(email="zw@example.com", channel="web", community_id="hillside")
    undone = await intake.post(f"/merges/{made['merge_id']}/undo", {"reason": "father and son"})
    assert undone.status_code == 200
    assert undone.json()["undone"]["reason"] == "father and son"
    after = [(await intake.get(f"/customers/{id}")).json() for id in (one, other)]
    hillside = after[1]["lead_ids"].pop()
    assert after == before
    assert (await intake.get(f"/leads/{hillside}")).json()["lead"]["community_id"] == "hillside"
    again = await intake.post(f"/merges/{made['merge_id']}/undo", {"reason": "once more"})
    assert again.json() == undone.json()
    assert len(await intake.harness.published(CustomersMerged)) == 1
    assert len(await intake.harness.published(CustomersUnmerged)) == 1


async def test_merging_twice_answers_with_the_merge_that_there_is(intake: Intake) -> None:
    first, second = await two_people(intake)
    body = {"other_customer_id": second["customer_id"], "reason": "same card"}
    path = f"/customers/{first['customer_id']}/merges"
    made = await intake.post(path, body)
    again = await intake.post(path, body | {"reason": "really"})
    assert (made.status_code, again.status_code) == (201, 200)
    assert again.json() == made.json()
    listed = (await intake.get(path)).json()
    assert listed["items"] == [made.json()]
    assert (await intake.get(f"/merges/{made.json()['merge_id']}")).json() == made.json()


async def test_a_merge_of_merged_customers_joins_all_of_them(intake: Intake) -> None:
    ids = [(await intake.captured(wechat=f"w{n}", channel="web"))["customer_id"] for n in range(4)]
    accept = {"reason": "x", "accept_conflicts": True}
    for one, other in ((0, 1), (2, 3), (1, 3)):
        path = f"/customers/{ids[one]}/merges"
        made = await intake.post(path, accept | {"other_customer_id": ids[other]})
        assert made.status_code == 201, made.text
    shown = (await intake.get(f"/customers/{ids[3]}")).json()
    assert {shown["customer_id"], *shown["merged_customer_ids"]} == set(ids)

"""A service forgets a person: receipts, what is parked, and the export of what is held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyturn_chassis.dead_letters import Parking
from keyturn_chassis.erasure import Erasing, without_discarded
from keyturn_chassis.holdings import Holding, Holdings
from keyturn_chassis.inputs import Cause, RawRecord
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message, Refusal
from keyturn_events.erasure import counted
from keyturn_events.intake import CustomerErased, LeadStalled
from keyturn_events.segmentation import ProfileErased
from keyturn_events.vocabulary import ErasureTreatment, LeadStage

HarnessFactory = Callable[..., Awaitable[Harness]]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERASED = ErasureTreatment.ERASED


def forget(tally: Any, event: CustomerErased, _: Cause) -> tuple[Any, Sequence[Event]]:
    """The receipt counts the leads, which go."""
    receipt = ProfileErased(
        customer_id=event.customer_id,
        erasure_id=event.erasure_id,
        counts=counted("leads", ERASED, len(tally.leads)),
    )
    return replace(tally, leads=()), [receipt]


def count_stalled(tally: Any, event: LeadStalled, _: Cause) -> tuple[Any, Sequence[Event]]:
    """Refused while it is not mended."""
    if event.idle_days == 13:
        raise Refusal("unlucky", "Thirteen days.")
    return replace(tally, notes=tally.notes + 1), []


@pytest.fixture
def forgetful(tally_service: Service) -> Service:
    """The tally service, which forgets, and keeps what is parked of stalled leads."""
    reactions = Reactions()
    for event_type, decide in tally_service.reactions.events.values():
        reactions.on(event_type)(decide)
    reactions.on_timer("remind")(tally_service.reactions.timers["remind"])
    reactions.on(CustomerErased)(forget)
    reactions.on(LeadStalled)(count_stalled)
    (tallies,) = tally_service.store.metadata.tables.values()

    async def ids_of(_: Any, customer_id: str) -> list[str]:
        return [customer_id, f"{customer_id}-merged"]

    return replace(
        tally_service,
        reactions=reactions,
        publishes=[*tally_service.publishes, ProfileErased],
        erasing=Erasing(receipt=ProfileErased, keeps=(LeadStalled,)),
        holdings=Holdings(ids_of=ids_of, tables=(Holding(table=tallies, without=("notes",)),)),
        scopes={**tally_service.scopes, "customers:export": "Export"},
    )


@pytest.fixture
async def tally(service_harness: HarnessFactory, forgetful: Service) -> Harness:
    return await service_harness(forgetful)


def erased(customer_id: str = "c1", *, id: str = "e-1", erasure_id: str = "ers-1") -> Any:
    event = CustomerErased(customer_id=customer_id, erasure_id=erasure_id)
    return _said(event, id)


def stalled(customer_id: str, *, days: int = 13) -> Any:
    event = LeadStalled(
        customer_id=customer_id,
        lead_id="l9",
        stage=LeadStage.NEW,
        idle_since=NOON - timedelta(days=28),
        idle_days=days,
    )
    return _said(event, f"stalled-{customer_id}-{days}")


def _said(event: Event, id: str) -> Any:
    return Message.of(event, id=id, source="intake", time=NOON)


async def receipts(tally: Harness) -> list[tuple[str, str, list[tuple[str, int]]]]:
    return [
        (r.customer_id, r.erasure_id, [(count.kind, count.count) for count in r.counts])
        for r in await tally.published(ProfileErased)
    ]


async def parked(tally: Harness) -> list[tuple[str, str]]:
    rows = await tally.rows("SELECT subject, code FROM dead_letters ORDER BY id")
    return [(row.subject, row.code) for row in rows]


async def test_a_receipt_is_given_and_given_again_as_it_was(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"), lead("c1", "l2"), erased())
    await tally.receive(lead("c1", "l3"), erased(id="e-2"))

    assert await receipts(tally) == [("c1", "ers-1", [("leads", 2)])] * 2


async def test_two_tellings_in_one_batch_get_one_receipt(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"), erased(), erased(id="e-2"))

    assert await receipts(tally) == [("c1", "ers-1", [("leads", 1)])] * 2


async def test_an_id_of_which_nothing_is_held_gets_a_receipt_too(tally: Harness) -> None:
    await tally.receive(erased("nobody"))

    assert await receipts(tally) == [("nobody", "ers-1", [])]


async def test_the_same_event_again_says_nothing(tally: Harness) -> None:
    await tally.receive(erased())
    await tally.receive(erased())

    assert len(await receipts(tally)) == 1


async def test_an_erasure_overtakes_what_is_parked_and_discards_it(
    tally: Harness, lead: Any
) -> None:
    await tally.receive(lead("c1", "poison-1"), lead("c1", "l2"), lead("c2", "poison-2"))
    assert await parked(tally) == [("c1", "poison"), ("c1", "behind-parked"), ("c2", "poison")]

    await tally.receive(erased(), lead("c1", "l3"))

    assert await parked(tally) == [("c2", "poison")]
    assert await receipts(tally) == [("c1", "ers-1", [("parked-records", 2)])]
    rows = await tally.rows("SELECT leads FROM tallies WHERE customer_id = 'c1'")
    assert [row.leads for row in rows] == [["l3"]]


async def test_what_is_parked_in_the_same_batch_is_discarded_too(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "poison-1"), lead("c1", "l2"), erased(), lead("c1", "l3"))

    assert await parked(tally) == []
    assert await receipts(tally) == [("c1", "ers-1", [("parked-records", 2)])]
    rows = await tally.rows("SELECT leads FROM tallies WHERE customer_id = 'c1'")
    assert [row.leads for row in rows] == [["l3"]]


async def test_parked_facts_that_outlive_the_person_stay_parked(tally: Harness, lead: Any) -> None:
    await tally.receive(stalled("c1"), lead("c1", "l1"))
    await tally.receive(erased())
    await tally.receive(lead("c1", "l4"))

    assert await parked(tally) == [("c1", "unlucky"), ("c1", "behind-parked")]
    rows = await tally.rows("SELECT headers::text AS headers FROM dead_letters ORDER BY id")
    assert [LeadStalled.type.encode().hex() in row.headers for row in rows] == [True, False]
    assert await receipts(tally) == [("c1", "ers-1", [("parked-records", 1)])]


async def test_a_record_that_cannot_be_read_is_discarded(tally: Harness) -> None:
    good = stalled("c1", days=1)
    await tally.receive_records(
        RawRecord(good.event.topic, 0, 1, b"c1", b'{"name": "Zhang Wei"', tuple(good.headers))
    )
    assert len(await parked(tally)) == 1
    await tally.receive(erased())

    assert len(await parked(tally)) == 1  # its type says that it is to be kept
    await tally.receive_records(
        RawRecord(good.event.topic, 0, 2, b"c2", b"Zhang Wei", (("content-type", b"text/plain"),))
    )
    await tally.receive(erased("c2", id="e-9"))

    assert [subject for subject, _ in await parked(tally)] == ["c1"]


def test_of_parkings_not_yet_written_only_the_subjects_own_go() -> None:
    def parking(subject: str, *headers: tuple[str, bytes]) -> Parking:
        record = RawRecord("t", 0, 0, b"", b"", headers)
        return Parking(subject, ("s", "i"), record, Refusal("no", "No."))

    mine, kept = parking("c1"), parking("c1", ("ce_type", b"kept"))
    other = parking("c2")
    assert without_discarded([mine, other, kept], "c1", {"kept"}) == [other, kept]


async def export(tally: Harness, customer_id: str, scope: str = "customers:export") -> Any:
    return await tally.client.get(f"/customers/{customer_id}/export", headers=tally.headers(scope))


async def test_an_export_has_every_row_of_all_ids_but_no_power(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"), lead("c1-merged", "l2"), lead("c2", "l3"))
    await tally.receive(lead("c1", "poison-1"), erased("c1-merged"))

    answer = await export(tally, "c1")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["service"], body["customer_ids"]) == ("tally", ["c1", "c1-merged"])
    held = body["held"]
    assert [(row["customer_id"], row["leads"]) for row in held["tallies"]] == [
        ("c1", ["l1"]),
        ("c1-merged", []),
    ]
    assert all("notes" not in row for row in held["tallies"])
    assert [row["code"] for row in held["dead_letters"]] == ["poison"]
    assert '"lead_id":"poison-1"' in held["dead_letters"][0]["value"]
    assert {row["aggregateid"] for row in held["outbox"]} == {"c1", "c1-merged"}
    assert [row["erasure_id"] for row in held["erasure_receipts"]] == ["ers-1"]


async def test_an_export_of_more_rows_than_a_page_is_whole(tally: Harness, lead: Any) -> None:
    await tally.receive(*(lead("c1", f"poison-{number}") for number in range(450)))

    body = (await export(tally, "c1")).json()

    assert len({row["event_id"] for row in body["held"]["dead_letters"]}) == 450


async def test_nothing_held_is_not_found_and_the_scope_is_its_own(tally: Harness) -> None:
    unknown = await export(tally, "c1")
    assert (unknown.status_code, unknown.json()["type"].rpartition("/")[2]) == (404, "nothing-held")
    assert (await export(tally, "c1", "notes:write")).status_code == 403

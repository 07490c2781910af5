"""One person through every door at once is one customer: the database has the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import keyturn_events
from intake.service import service
from intake.tasks.imports import ImportTask
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.runtime import Runtime
from keyturn_events import Message, Money, Topic
from keyturn_events.intake import CustomerRegistered, LeadCaptured, PurchaseSigned
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
    Person,
)
from keyturn_events.vocabulary import PurchaseStage

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PHONE = "+8613800138000"
EXAMPLES = Path(keyturn_events.__file__).parents[2] / "examples"

Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def submitted(number: int) -> Message[Any]:
    event = PartnerLeadSubmitted(
        lead_reference=f"lead-{number}", submitted_at=NOON, person=Person(phone=PHONE)
    )
    return Message.of(event, id=f"event-{number}", source="/partners/portal", time=NOON)


async def test_sixty_four_captures_of_one_person_through_four_doors_are_one_customer(
    intake: Intake,
) -> None:
    """Two API processes, a worker with its partner door, and a file: 16 touches each."""
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await intake.send_file("phone\n" + f"{PHONE}\n" * 16)
    async with Runtime(service, intake.harness.runtime.settings) as second:
        touches = await asyncio.gather(
            *(intake.captured(phone=PHONE) for _ in range(8)),
            intake.post("/leads/batch", {"leads": [{"phone": PHONE}] * 8}),
            *(_captured_by(second, intake, number) for number in range(16)),
            *(_from_partner(intake, number) for number in range(0, 16, 4)),
            ImportTask().work(intake.harness.runtime),
        )
    assert touches
    assert await intake.count("customers") == 1
    assert await intake.count("leads") == 1
    assert await intake.count("touches") == 64
    assert await intake.count("dead_letters") == 0
    assert len(await intake.harness.published(CustomerRegistered)) == 1
    captured = await intake.harness.published(LeadCaptured)
    assert sorted(event.joined for event in captured) == [False] + [True] * 63


async def _captured_by(runtime: Runtime, intake: Intake, number: int) -> None:
    """Capture through another API process on the same database."""
    from intake.domain.leads.capture import CaptureLead, PersonSaid, capture
    from keyturn_chassis.group_commit import PendingCommand
    from keyturn_chassis.idempotency import Answer, RequestKey
    from keyturn_events.vocabulary import LeadChannel

    command = CaptureLead(PersonSaid(phone=PHONE), LeadChannel.WEB)
    await runtime.commands.execute(
        PendingCommand(
            command,
            capture,
            lambda state, events: Answer(201, ""),
            RequestKey("second", str(number), ""),
            False,
            None,
        )
    )


async def _from_partner(intake: Intake, first: int) -> None:
    records = []
    for number in range(first, first + 4):
        message = submitted(number)
        records.append(
            RawRecord(
                Topic.PARTNERS_INBOUND, 0, number, message.key, message.value,
                tuple(message.headers),
            )
        )  # fmt: skip
    await intake.harness.receive_records(*records)


async def test_two_processes_that_race_for_a_home_are_decided_by_the_database(
    intake: Intake,
) -> None:
    """The sales ledger and an advisor sell one home at the same moment, ten times."""
    await intake.register_partner("ledger", PartnerSaleRecorded)
    buyer = (await intake.captured(phone=PHONE))["customer_id"]

    async def by_advisor(home: str) -> bool:
        body = {
            "customer_id": buyer, "home_id": home, "community_id": "riverside",
            "price": {"amount": "1680000", "currency": "CNY"},
        }  # fmt: skip
        return (await intake.post("/purchases", body)).status_code == 201

    async def by_ledger(home: str) -> None:
        event = PartnerSaleRecorded(
            sale_reference=home,
            stage=PurchaseStage.SIGNED,
            recorded_on=date(2026, 3, 1),
            home_id=home,
            community_id="riverside",
            price=Money(amount=Decimal(1), currency="CNY"),
            buyer=Person(wechat=f"buyer-of-{home}"),
        )
        await intake.partner_says(event, id=home)

    homes = [f"home-{number}" for number in range(10)]
    reserved = await asyncio.gather(
        *(by_advisor(home) for home in homes), *(by_ledger(home) for home in homes)
    )
    signed = {event.home_id for event in await intake.harness.published(PurchaseSigned)}
    kept = {home for home, won in zip(homes, reserved[:10], strict=True) if won}
    assert signed | kept == set(homes)
    assert signed & kept == set()
    partner = (await intake.get("/partners/ledger")).json()
    assert partner["accepted"] == len(signed)
    assert sum(partner["rejected"].values()) == len(kept)


@pytest.mark.parametrize(
    "event_class", [PartnerLeadSubmitted, PartnerSaleRecorded, PartnerConstructionProgressed]
)
async def test_the_golden_example_of_a_partner_event_is_accepted(
    intake: Intake, event_class: type[Any]
) -> None:
    example = orjson.loads((EXAMPLES / f"{event_class.type}.json").read_bytes())
    attributes = example["attributes"]
    partner_id = attributes["source"].removeprefix("/partners/")
    await intake.register_partner(partner_id, event_class)
    await intake.inbound(
        orjson.dumps(example["data"]),
        {f"ce_{name}": str(value).encode() for name, value in attributes.items()},
    )
    shown = (await intake.get(f"/partners/{partner_id}")).json()
    assert (shown["accepted"], shown["rejected"]) == (1, {})

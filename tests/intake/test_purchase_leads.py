"""A sale and the lead that it came of, heard of in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from keyturn_events import Event, Money
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded, Person
from keyturn_events.vocabulary import PurchaseStage

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BUYER = Person(phone="13800138000")


def lead(submitted_at: datetime) -> PartnerLeadSubmitted:
    return PartnerLeadSubmitted(
        lead_reference="l-1",
        submitted_at=submitted_at,
        person=BUYER,
        community_id="riverside",
        referral_code="owner-1",
    )


def sale(stage: PurchaseStage, day: int) -> PartnerSaleRecorded:
    return PartnerSaleRecorded(
        sale_reference="sale-1",
        stage=stage,
        recorded_on=date(2026, 3, day),
        home_id="home-1",
        community_id="riverside",
        price=Money(amount=Decimal(1680000), currency="CNY"),
        buyer=BUYER,
    )


BEFORE = lead(NOON - 3 * DAY)
RESERVED = sale(PurchaseStage.RESERVED, 1)
SIGNED = sale(PurchaseStage.SIGNED, 2)
PAID = sale(PurchaseStage.PAID, 2)


@pytest.mark.parametrize(
    "told",
    [
        (BEFORE, RESERVED, SIGNED),
        (RESERVED, BEFORE, SIGNED),
        (RESERVED, SIGNED, BEFORE),
        (RESERVED, BEFORE, SIGNED, PAID),
        (PAID, BEFORE),
    ],
    ids=lambda told: " ".join(getattr(event, "stage", "lead") for event in told),
)
async def test_a_lead_that_is_heard_of_after_its_sale_is_won_by_it(
    intake: Intake, told: tuple[Event, ...]
) -> None:
    await intake.register_partner("ledger", PartnerLeadSubmitted, PartnerSaleRecorded)
    for number, event in enumerate(told):
        await intake.partner_says(event, id=f"event-{number}")
    (known,) = (await intake.get("/leads")).json()["items"]
    assert (known["stage"], known["status"]) == ("signed", "won")
    claim = (await intake.get("/homes/home-1/claim")).json()
    assert (claim["lead_id"], claim["referral_code"]) == (known["lead_id"], "owner-1")


async def test_what_a_buyer_asks_for_after_the_sale_is_another_interest(intake: Intake) -> None:
    await intake.register_partner("ledger", PartnerLeadSubmitted, PartnerSaleRecorded)
    await intake.partner_says(SIGNED, id="event-1")
    await intake.partner_says(lead(NOON + DAY), id="event-2")
    (known,) = (await intake.get("/leads")).json()["items"]
    assert (known["stage"], known["status"]) == ("new", "open")
    assert (await intake.get("/homes/home-1/claim")).json()["lead_id"] is None

"""Messages carry the links by which people end them, and no message that nobody subscribed to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.service import CampaignsSettings, links_of
from keyturn_events.intake import ConsentChanged, ContactChanged, CustomerRegistered
from keyturn_events.segmentation import CustomerDormant
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    Purpose,
)

AT = datetime(2026, 3, 4, 3, tzinfo=UTC)


def contact(token: str | None = "page-of-ann") -> ContactChanged:
    return ContactChanged(
        customer_id="ann", emails=("ann@mail.example",), language="en", preference_token=token
    )


GRANTED = ConsentChanged(
    customer_id="ann",
    channel=Channel.EMAIL,
    purpose=Purpose.MARKETING,
    status=ConsentStatus.GRANTED,
    basis=ConsentBasis.EXPRESS,
    collected_through="web-form",
)
HERE = CustomerRegistered(customer_id="ann", channel=LeadChannel.WEB)
DORMANT = CustomerDormant(customer_id="ann", last_active_at=AT, threshold_days=1_095)


async def win_back(desk: Any, said: Any, token: str | None) -> dict[str, Any]:
    await desk.harness.drive(AT)
    for event in (HERE, contact(token), GRANTED, DORMANT):
        await desk.harness.receive(said(event, AT))
    await desk.send_all()
    [message] = desk.written()
    written: dict[str, Any] = message
    return written


async def test_a_marketing_message_says_where_one_click_ends_it(desk: Any, said: Any) -> None:
    message = await win_back(desk, said, "page-of-ann")
    assert message["unsubscribe_url"] == (
        "http://127.0.0.1:8001/unsubscribe/page-of-ann.email.marketing"
    )


async def test_a_person_whose_links_are_not_known_yet_is_written_to_without_them(
    desk: Any, said: Any
) -> None:
    assert (await win_back(desk, said, None))["unsubscribe_url"] is None


def test_links_lead_to_the_address_that_is_set_with_or_without_a_slash_at_its_end() -> None:
    for written in ("https://prefer.example/me/", "https://prefer.example/me"):
        settings = CampaignsSettings(preference_url=written)  # type: ignore[arg-type]  # as an environment has it
        assert links_of(settings).base == "https://prefer.example/me"


def test_links_may_be_unprotected_on_a_developers_own_machine_only() -> None:
    with pytest.raises(ValidationError, match="KEYTURN_PREFERENCE_URL should be https"):
        CampaignsSettings(preference_url="http://prefer.example")  # type: ignore[arg-type]  # likewise
    with pytest.raises(ValidationError, match="KEYTURN_PREFERENCE_URL should be https"):
        CampaignsSettings(environment="production")

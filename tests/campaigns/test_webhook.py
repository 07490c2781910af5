from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from campaigns.channels.port import Outcome, Outgoing, Refused, Taken
from campaigns.channels.webhook import Receiver, WebhookChannel, secret_of, signed
from campaigns.service import CampaignsSettings, channels_of
from keyturn_events.vocabulary import Channel, FailureReason

# The example that Standard Webhooks gives for its signatures.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Outgoing("m1", Channel.SMS, "+8613800000001", "王小明", "zh", "x", "您好")


class Gateway:
    """A receiver on loopback that answers as it is told."""

    def __init__(self) -> None:
        self.status = "202 Accepted"
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        if self.status:
            writer.write(f"HTTP/1.1 {self.status}\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/messages"
    async with server:
        yield gateway


def test_a_signature_is_the_one_that_the_standard_gives() -> None:
    headers = signed(
        secret_of(SECRET),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_message_is_posted_signed_under_its_own_id(gateway: Gateway) -> None:
    way = WebhookChannel(Receiver(gateway.url, secret_of(SECRET)))
    assert await way.deliver(MESSAGE) == Taken("http:202")
    [(headers, body)] = gateway.requests
    sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-id"] == "m1"
    assert headers | signed(secret_of(SECRET), "m1", sent_at, body) == headers
    assert json.loads(body)["data"]["to"] == "+8613800000001"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("400 Bad Request", Refused(FailureReason.REJECTED, lasting=True)),
        ("410 Gone", Refused(FailureReason.REJECTED, lasting=True)),
        ("429 Too Many Requests", Refused(FailureReason.UNREACHABLE, lasting=False)),
        ("503 Service Unavailable", Refused(FailureReason.UNREACHABLE, lasting=False)),
        ("307 Temporary Redirect", Refused(FailureReason.UNREACHABLE, lasting=False)),
        ("", Refused(FailureReason.UNREACHABLE, lasting=False)),
    ],
)
async def test_an_answer_is_taken_refused_or_try_again(
    gateway: Gateway, status: str, outcome: Outcome
) -> None:
    gateway.status = status
    way = WebhookChannel(Receiver(gateway.url, secret_of(SECRET)))
    assert await way.deliver(MESSAGE) == outcome


def test_settings_that_cannot_work_are_refused_when_the_process_starts() -> None:
    for settings in (
        {"sms_adapter": "webhook"},
        {"sms_adapter": "webhook", "webhook_url": "http://gateway.example", "secret": SECRET},
        {"sms_adapter": "webhook", "webhook_url": "https://gateway.example", "secret": "short"},
    ):
        secret = settings.pop("secret", None)
        with pytest.raises(ValueError, match=r"webhook|WEBHOOK"):
            CampaignsSettings.model_validate(settings | {"webhook_secret": secret})
    with pytest.raises(ValueError, match="24 bytes"):
        secret_of("whsec_" + base64.b64encode(b"short").decode())


def test_the_gateway_serves_the_channels_that_choose_it() -> None:
    settings = CampaignsSettings.model_validate(
        {
            "sms_adapter": "webhook",
            "webhook_url": "https://gateway.example/x",
            "webhook_secret": SECRET,
        }
    )
    ways = channels_of(settings)
    assert isinstance(ways[Channel.SMS], WebhookChannel)
    assert not isinstance(ways[Channel.EMAIL], WebhookChannel)

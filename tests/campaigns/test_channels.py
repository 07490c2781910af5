from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd import smtp as aiosmtpd
from aiosmtpd.smtp import Envelope, Session

from campaigns.channels.file import FileChannel
from campaigns.channels.port import Outgoing, Refused, Taken, Unknown
from campaigns.channels.smtp import SmtpChannel, SmtpServer
from campaigns.service import CampaignsSettings, channels_of
from keyturn_events.vocabulary import Channel, FailureReason

MESSAGE = Outgoing(
    "5f1d0c3e-0000-5000-8000-000000000001",
    Channel.EMAIL,
    "ming@example.com",
    "王小明",
    "zh",
    "恭喜您喜结连理",
    "王小明，您好！\n\n恭喜您签约。\n",
)


class Mailbox:
    """A mail server's own opinion, and what it took."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipient_answer = "250 OK"
        self.data_answer = "250 queued as 42"
        self.drops_after_data = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name for it
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        if self.drops_after_data:
            server.transport.abort()
        if self.data_answer.startswith("250"):
            parsed = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            self.taken.append(parsed)
        return self.data_answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def smtp(mailbox: Mailbox) -> AsyncIterator[SmtpChannel]:
    """The channel, on a real mail server on loopback."""
    server = await asyncio.get_running_loop().create_server(
        lambda: aiosmtpd.SMTP(mailbox, hostname="localhost"), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    yield SmtpChannel(SmtpServer("127.0.0.1", port, "club@keyturn.example"))
    server.close()


async def test_an_email_arrives_as_it_was_written(smtp: SmtpChannel, mailbox: Mailbox) -> None:
    assert await smtp.deliver(MESSAGE) == Taken("queued as 42")
    [mail] = mailbox.taken
    assert mail["Subject"] == "恭喜您喜结连理"
    assert mail["To"] == "王小明 <ming@example.com>"
    assert mail["From"] == "club@keyturn.example"
    assert mail["Content-Language"] == "zh"
    assert mail.get_content() == MESSAGE.body.replace("\n", "\r\n")


async def test_an_email_that_is_subscribed_to_ends_with_one_click(
    smtp: SmtpChannel, mailbox: Mailbox
) -> None:
    token = "MzUcixComs4HLfC_8MB-32tt6IA-gUdaaacCigN40lUB"
    url = f"https://preferences.keyturn.example/of/riverside/unsubscribe/{token}.email.marketing"
    await smtp.deliver(replace(MESSAGE, unsubscribe_url=url))
    await smtp.deliver(MESSAGE)
    with_click, without = mailbox.taken
    assert with_click["List-Unsubscribe"] == f"<{url}>"
    assert with_click["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in without


async def test_a_repeat_carries_the_same_message_id(smtp: SmtpChannel, mailbox: Mailbox) -> None:
    await smtp.deliver(MESSAGE)
    await smtp.deliver(MESSAGE)
    assert {mail["Message-ID"] for mail in mailbox.taken} == {
        f"<{MESSAGE.message_id}@keyturn.example>"
    }


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 no such mailbox", Refused(FailureReason.REJECTED, lasting=True)),
        ("451 try again later", Refused(FailureReason.UNREACHABLE, lasting=False)),
    ],
)
async def test_a_refused_recipient_is_refused_for_good_or_for_now(
    smtp: SmtpChannel, mailbox: Mailbox, answer: str, outcome: Refused
) -> None:
    mailbox.recipient_answer = answer
    assert await smtp.deliver(MESSAGE) == outcome
    assert mailbox.taken == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("554 looks like spam", Refused(FailureReason.REJECTED, lasting=True)),
        ("452 disk full", Refused(FailureReason.UNREACHABLE, lasting=False)),
    ],
)
async def test_refused_content_is_refused_for_good_or_for_now(
    smtp: SmtpChannel, mailbox: Mailbox, answer: str, outcome: Refused
) -> None:
    mailbox.data_answer = answer
    assert await smtp.deliver(MESSAGE) == outcome


async def test_a_connection_that_breaks_while_the_content_is_on_its_way_leaves_us_in_doubt(
    smtp: SmtpChannel, mailbox: Mailbox
) -> None:
    mailbox.drops_after_data = True
    assert await smtp.deliver(MESSAGE) == Unknown()


async def test_a_server_that_is_away_can_be_tried_again() -> None:
    away = SmtpChannel(SmtpServer("127.0.0.1", 1, "club@keyturn.example"))
    assert await away.deliver(MESSAGE) == Refused(FailureReason.UNREACHABLE, lasting=False)


async def test_an_address_that_mail_cannot_carry_is_refused_for_good(smtp: SmtpChannel) -> None:
    odd = Outgoing("m", Channel.EMAIL, "明@例子.中国", None, "zh", "x", "y")
    assert await smtp.deliver(odd) == Refused(FailureReason.REJECTED, lasting=True)


async def test_a_name_cannot_smuggle_in_a_header(smtp: SmtpChannel, mailbox: Mailbox) -> None:
    sly = Outgoing("m", Channel.EMAIL, "a@example.com", "x\r\nBcc: b@example.com", "en", "x", "y")
    assert await smtp.deliver(sly) == Refused(FailureReason.REJECTED, lasting=True)
    assert mailbox.taken == []


async def test_a_file_takes_each_message_once_whoever_brings_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / "messages.jsonl"
    first, second = FileChannel(path), FileChannel(path)
    await asyncio.gather(*(way.deliver(MESSAGE) for way in (first, second, first, second)))
    [line] = path.read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "message_id": MESSAGE.message_id,
        "channel": "email",
        "to": "ming@example.com",
        "language": "zh",
        "subject": MESSAGE.subject,
        "body": MESSAGE.body,
        "unsubscribe_url": None,
    }
    assert path.stat().st_mode & 0o077 == 0


async def test_a_line_torn_by_a_crash_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    await FileChannel(path).deliver(MESSAGE)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    again = Outgoing("m2", Channel.SMS, "+8613800000001", None, "zh", "x", "y")
    await FileChannel(path).deliver(again)
    ids = [json.loads(line)["message_id"] for line in path.read_text("utf-8").splitlines()]
    assert ids == [MESSAGE.message_id, "m2"]


async def test_a_file_that_cannot_be_written_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a directory")
    way = FileChannel(tmp_path / "taken" / "messages.jsonl")
    assert await way.deliver(MESSAGE) == Refused(FailureReason.UNREACHABLE, lasting=False)


def test_settings_choose_the_way_of_each_channel(tmp_path: Path) -> None:
    settings = CampaignsSettings(
        email_adapter="smtp", sms_adapter="none", channel_file=tmp_path / "m"
    )
    ways = channels_of(settings)
    assert isinstance(ways[Channel.EMAIL], SmtpChannel)
    assert isinstance(ways[Channel.WECHAT], FileChannel)
    assert Channel.SMS not in ways

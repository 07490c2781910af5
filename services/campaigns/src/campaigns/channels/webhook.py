"""A channel that calls a gateway of ours: signed webhooks, as Standard Webhooks 1.0 has them.

The gateway sends the SMS, the WeChat message or the letter. `webhook-id` is the message's id and
the same for every attempt; by the standard the receiver takes an id once, so repeating is safe.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from campaigns.channels.port import Outcome, Outgoing, Refused, Taken
from keyturn_chassis.clock import wall_now
from keyturn_events.vocabulary import FailureReason

TIMEOUT_SECONDS: Final = 20.0
"""How long the receiver may take to answer."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how every such secret begins
_WORTH_REPEATING: Final = frozenset({408, 409, 425, 429})
"""Answers below 500 that say nothing against the message."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where the gateway listens, and the secret shared with it."""

    url: str
    secret: bytes


class WebhookChannel:
    """Posts messages to one receiver."""

    repeatable = True

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def deliver(self, message: Outgoing) -> Outcome:
        """Post the message; 2xx means taken, 4xx refused for good, anything else try again."""
        body = json.dumps(_content(message), ensure_ascii=False).encode()
        headers = signed(self._receiver.secret, message.message_id, wall_now(), body)
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.post(
                    self._receiver.url,
                    content=body,
                    headers={**headers, "content-type": "application/json"},
                )
        except httpx.HTTPError:
            return Refused(FailureReason.UNREACHABLE, lasting=False)
        if answer.is_success:
            return Taken(f"http:{answer.status_code}")
        lasting = answer.is_client_error and answer.status_code not in _WORTH_REPEATING
        return Refused(
            FailureReason.REJECTED if lasting else FailureReason.UNREACHABLE, lasting=lasting
        )


def signed(secret: bytes, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers by which the receiver knows that `body` is ours, new and untouched."""
    timestamp = str(int(at.timestamp()))
    digest = hmac.new(secret, b".".join((id.encode(), timestamp.encode(), body)), hashlib.sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest.digest()).decode()}",
    }


def secret_of(written: str) -> bytes:
    """The secret that is written as `whsec_` and base64. Raises ValueError for anything else."""
    try:
        secret = base64.b64decode(written.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    if not written.startswith(SECRET_PREFIX) or len(secret) < 24:
        raise ValueError("a webhook secret is whsec_ and the base64 of 24 bytes or more")
    return secret


def _content(message: Outgoing) -> dict[str, object]:
    return {
        "type": "message.send",
        "data": {
            "message_id": message.message_id,
            "channel": message.channel,
            "to": message.to,
            "name": message.name,
            "language": message.language,
            "subject": message.subject,
            "body": message.body,
            "unsubscribe_url": message.unsubscribe_url,
        },
    }

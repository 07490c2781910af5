"""Signing what goes through the partner door, so that nobody else can speak for a partner.

A partner with keys adds one header, `keyturn-signature`, to each record:

    v1;<key id>;<base64 of HMAC-SHA256>

The HMAC's key is the secret that the partner was given with the key id. It covers the CloudEvents
attributes id, source, type, subject and time as they stand in the headers, each on a line of its
own, and the record's value byte by byte. The standard library of every language can make it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

from keyturn_events.envelope import Message
from keyturn_events.event import Event

SIGNATURE_HEADER: Final = "keyturn-signature"
"""The record header that carries the signature."""
SIGNED_ATTRIBUTES: Final = ("id", "source", "type", "subject", "time")
"""The CloudEvents attributes that are signed, in this order."""

_VERSION: Final = "v1"


class Signature(NamedTuple):
    """A signature as it stands in the header."""

    key_id: str
    mac: bytes

    def __str__(self) -> str:
        """The value of the header."""
        return f"{_VERSION};{self.key_id};{base64.b64encode(self.mac).decode()}"

    @classmethod
    def read(cls, header: str) -> Signature | None:
        """The signature of a header value; None when it is not written as ours are."""
        version, _, rest = header.partition(";")
        key_id, _, encoded = rest.partition(";")
        try:
            mac = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(key_id, mac) if version == _VERSION and key_id and mac else None


def signed_headers(message: Message[Event], key_id: str, secret: bytes) -> list[tuple[str, bytes]]:
    """The Kafka record headers of a message, its signature with them."""
    attributes = {name.removeprefix("ce_"): value for name, value in message.attributes.items()}
    mac = mac_of(attributes, message.value, secret)
    return [*message.headers, (SIGNATURE_HEADER, str(Signature(key_id, mac)).encode())]


def mac_of(attributes: Mapping[str, str], value: bytes | None, secret: bytes) -> bytes:
    """The HMAC-SHA256 of a record: its attributes without `ce_`, and its value."""
    lines = "".join(f"{attributes.get(name, '')}\n" for name in SIGNED_ATTRIBUTES)
    return hmac.digest(secret, lines.encode(errors="replace") + (value or b""), "sha256")

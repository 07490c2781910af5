"""The tokens of links that are sent to people: opaque, made by our keys alone, kept nowhere.

A token is an id, encrypted and signed at once and always in the same way (AES-SIV, RFC 5297). It
tells nothing to whoever finds it, nobody can make one up, and there is no table of tokens to leak.
What the link may do is decided by what the token is for, and by the state of what it names.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from intake.domain.consent.consent_commands import ConfirmOptIn, Unsubscribe, link_not_valid
from intake.domain.people.customers import Customer
from intake.keyring import keyring
from keyturn_events.intake import ContactChanged
from keyturn_events.values import OptIn
from keyturn_events.vocabulary import Channel, Purpose

LONGEST_TOKEN: Final = 200
"""Characters of a token, at most; a longer one is nobody's."""

MOST_OPT_INS: Final = 20
"""Requests that are told of one person, at most: every channel with every purpose."""

PURPOSE: Final = "preference"
"""What the keyring's key is derived for."""

_PREFERENCES: Final = b"preferences"
_CONFIRMATION: Final = b"confirmation"
_UUID_BYTES: Final = 16
_is_uuid: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def preference_token(customer_id: str) -> str:
    """The token of a customer's preference page."""
    return _sealed(_PREFERENCES, (customer_id,))


def confirmation_token(customer_id: str, opt_in_id: str) -> str:
    """The token that confirms one request."""
    return _sealed(_CONFIRMATION, (customer_id, opt_in_id))


def read_preference(token: str) -> str:
    """The customer whose page it is. Raises `Refusal` `link-not-valid`."""
    ids = _opened(_PREFERENCES, token)
    if len(ids) != 1:
        raise link_not_valid()
    return ids[0]


def read_confirmation(token: str) -> ConfirmOptIn:
    """What it confirms. Raises `Refusal` `link-not-valid`."""
    ids = _opened(_CONFIRMATION, token)
    if len(ids) != 2:
        raise link_not_valid()
    return ConfirmOptIn(*ids)


def read_unsubscription(token: str) -> Unsubscribe:
    """Whom no more messages of which kind are to reach: `<preference token>.<channel>.<purpose>`.

    Whoever sends messages appends the kind, and whoever has a link may do so too: all that can be
    done with it is to take consent back. Raises `Refusal` `link-not-valid`.
    """
    preference, _, kind = token.partition(".")
    channel, _, purpose = kind.partition(".")
    try:
        return Unsubscribe(read_preference(preference), Channel(channel), Purpose(purpose))
    except ValueError:
        raise link_not_valid() from None


def with_links(event: ContactChanged, customer: Customer | None) -> ContactChanged:
    """The event with the tokens for links to the customer of whom it tells."""
    return event.model_copy(
        update={
            "preference_token": preference_token(event.customer_id),
            "opt_ins": tuple(
                OptIn(
                    opt_in_id=one.opt_in_id,
                    channel=one.channel,
                    purpose=one.purpose,
                    through=one.contact_point.through,
                    to=one.contact_point.to,
                    token=confirmation_token(event.customer_id, one.opt_in_id),
                    expires_at=one.expires_at,
                )
                for one in (() if customer is None else customer.opt_ins)
                if one.waiting
            )[:MOST_OPT_INS],
        }
    )


def _sealed(kind: bytes, ids: Sequence[str]) -> str:
    key = keyring().derived(PURPOSE)
    return urlsafe_b64encode(_cipher(key).encrypt(_packed(ids), [kind])).decode().rstrip("=")


def _opened(kind: bytes, token: str) -> tuple[str, ...]:
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise link_not_valid()
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except Error:
        raise link_not_valid() from None
    if len(content) <= _UUID_BYTES or urlsafe_b64encode(content).decode().rstrip("=") != token:
        raise link_not_valid()
    for key_id, _ in keyring().keys:
        try:
            opened = _cipher(keyring().derived(PURPOSE, key_id=key_id)).decrypt(content, [kind])
        except InvalidTag:
            continue
        return _unpacked(opened)
    raise link_not_valid()


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> AESSIV:
    return AESSIV(key)


def _packed(ids: Sequence[str]) -> bytes:
    """Each id behind its length; a UUID, as almost every id is, in 16 bytes and behind a 0."""
    packed = bytearray()
    for id in ids:
        if _is_uuid(id):
            packed += b"\x00" + bytes.fromhex(id.replace("-", ""))
        else:
            raw = id.encode()
            packed += bytes((len(raw),)) + raw
    return bytes(packed)


def _unpacked(packed: bytes) -> tuple[str, ...]:
    ids = []
    place = 0
    while place < len(packed):
        length = packed[place] or _UUID_BYTES
        raw = packed[place + 1 : place + 1 + length]
        ids.append(raw.decode() if packed[place] else str(UUID(bytes=raw)))
        place += 1 + length
    return tuple(ids)

"""Keys for hashing what must not be read back, and for signing what must not be made up.

One set of keys serves every purpose; a purpose has its own key derived from each, so that what was
made for one purpose says nothing about another (HKDF's expand step, RFC 5869, with the purpose as
info). Rotation: put a new key first, and keep the old ones while what they made must be known.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from typing import Final

SHORTEST_KEY: Final = 32
"""Bytes of a key, at least."""

REMEMBERED_KEYS: Final = 1_024
"""Derived keys that are remembered; purposes may name whatever a stranger wrote."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Named keys, the newest first."""

    keys: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, text: str) -> Keyring:
        """The keys of `<id>:<base64>,…`. Raises ValueError, never with a key in its message."""
        keys = []
        for place, written in enumerate(text.split(","), 1):
            key_id, colon, encoded = written.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"key {place} is not base64") from None
            if not (colon and key_id):
                raise ValueError(f"key {place} has no id; write <id>:<base64>")
            if len(key) < SHORTEST_KEY:
                raise ValueError(f"key {key_id} is shorter than {SHORTEST_KEY} bytes")
            keys.append((key_id, key))
        if len({key_id for key_id, _ in keys}) < len(keys):
            raise ValueError("two keys have the same id")
        return cls(tuple(keys))

    def mac(self, purpose: str, message: bytes, *, key_id: str | None = None) -> bytes:
        """HMAC-SHA256 of a message for a purpose, by the newest key or the one that is named.

        Raises LookupError when there is no key of that id.
        """
        return hmac.digest(self.derived(purpose, key_id=key_id), message, "sha256")

    def macs(self, purpose: str, message: bytes) -> Iterator[bytes]:
        """The HMAC by each of the keys, the newest first: to look up what was made before."""
        for key_id, _ in self.keys:
            yield self.mac(purpose, message, key_id=key_id)

    def derived(self, purpose: str, *, key_id: str | None = None) -> bytes:
        """The key of a purpose. Raises LookupError when there is no key of that id."""
        return _derived(self._key(key_id), purpose)

    @property
    def newest(self) -> str:
        """The id of the key that makes what is new."""
        return self.keys[0][0]

    def _key(self, key_id: str | None) -> bytes:
        if key_id is None:
            return self.keys[0][1]
        for known, key in self.keys:
            if known == key_id:
                return key
        raise LookupError("no key of this id")


@lru_cache(maxsize=REMEMBERED_KEYS)
def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\x01", sha256)


@cache
def keyring() -> Keyring:
    """The keys of this process, from its environment."""
    from intake.settings import IntakeSettings  # noqa: PLC0415 - settings check keys as well

    return Keyring.read(IntakeSettings().keys.get_secret_value())

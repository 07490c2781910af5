"""Who edits what others edit too says which version they saw: ETag and If-Match (RFC 9110 §13.1.1).

A read answers with the `ETag` of what it shows. A command that sends it back as `If-Match` is
decided only while that is still the version; else it is refused with 412, and nothing is lost of
what somebody else has written in between. The version is compared within the transaction that
writes. Commands do not answer with an ETag: several of them may share a version, so that only a
read tells what it stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from keyturn_events.refusal import Refusal, RefusalKind

HEADER: Final = "if-match"
MOST_CHARACTERS: Final = 400
"""Of the header; ours have some five a version."""
PARAMETER: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The ETag of what was read: refused (412) when it has changed since.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
}
"""The header of a command, as an OpenAPI parameter."""

_versions: Final = re.compile(r'(?:^|,)\s*"([0-9]{1,18})"\s*(?=,|$)').findall


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """The versions that a command may be decided on."""

    versions: frozenset[int]
    any_version: bool = False
    """Whether it only has to exist."""

    @classmethod
    def read(cls, header: str | None) -> Precondition | None:
        """What an If-Match header demands; None without one.

        A tag that is none of ours, or a weak one, is the tag of no version.
        """
        if header is None:
            return None
        if header.strip() == "*":
            return cls(frozenset(), any_version=True)
        return cls(frozenset(map(int, _versions(header[:MOST_CHARACTERS]))))

    def check(self, version: int) -> None:
        """Compare with the version that there is, 0 for what does not exist.

        Raises `Refusal` `precondition-failed`.
        """
        if version in self.versions or (self.any_version and version > 0):
            return
        raise Refusal(
            "precondition-failed",
            "It has changed since it was read, or is not there; read it again, and decide anew.",
            kind=RefusalKind.STALE,
            pointer="/headers/if-match",
        )

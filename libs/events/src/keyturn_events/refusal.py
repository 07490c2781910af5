"""How a rule says no."""

from __future__ import annotations

from enum import StrEnum


class RefusalKind(StrEnum):
    """What sort of no it is; a door turns it into its own protocol's answer."""

    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    STALE = "stale"
    """What the caller looked at has changed since."""


class Refusal(Exception):
    """A decision that the rules do not allow.

    `code` is stable and machine-readable (`home-already-claimed`), `detail` tells a person what
    is wrong and how to mend it, `pointer` is the JSON Pointer of the field to mend when there is
    one. Nothing has changed when a refusal is raised.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        kind: RefusalKind = RefusalKind.CONFLICT,
        pointer: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.kind = kind
        self.pointer = pointer

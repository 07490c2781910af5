"""What was wrong with an input: the fields to mend, and the input as it came."""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from keyturn_events.scalars import LONGEST_LINE, LONGEST_TEXT, Flag, Text
from keyturn_events.values import Value

MOST_PROBLEMS: Final = 20
"""How many field problems one rejection lists; the first suffice to mend the rest."""

LONGEST_ORIGINAL: Final = 200_000
"""How much of an original is given back, in characters of its written form."""

_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE_TEXT: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
_is_whole_text = re.compile(_WHOLE_TEXT).match


class FieldProblem(Value):
    """One field and what is wrong with it. The offending value is not repeated."""

    pointer: Text
    """JSON Pointer (RFC 6901) of the field; empty for the whole document."""
    detail: Text


class Encoding(StrEnum):
    """How an original is written down."""

    UTF_8 = "utf-8"
    BASE64 = "base64"


class OriginalRecord(Value):
    """A record as it came, so that its sender can find, mend and send it again."""

    encoding: Encoding
    data: Annotated[str, Field(max_length=LONGEST_ORIGINAL, pattern=_WHOLE_TEXT)]
    truncated: Flag = False

    @classmethod
    def of(cls, value: bytes) -> OriginalRecord:
        """Write `value` down: as text when it is text, else in base64; cut at the limit."""
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None and _is_whole_text(text):
            data = text[:LONGEST_ORIGINAL]
            return cls(encoding=Encoding.UTF_8, data=data, truncated=len(data) < len(text))
        whole_groups = value[: LONGEST_ORIGINAL // 4 * 3]
        return cls(
            encoding=Encoding.BASE64,
            data=base64.b64encode(whole_groups).decode("ascii"),
            truncated=len(whole_groups) < len(value),
        )


def readable(untrusted: str, limit: int = LONGEST_LINE) -> str:
    """`untrusted` fit for an event or a log line: control characters replaced, cut at `limit`."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", untrusted)[:limit]


def field_problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """The problems that pydantic found, each with the JSON Pointer of its field."""
    return tuple(
        FieldProblem(
            pointer=_pointer(problem["loc"]), detail=readable(problem["msg"], LONGEST_TEXT)
        )
        for problem in error.errors(include_url=False, include_context=False, include_input=False)[
            :MOST_PROBLEMS
        ]
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in location)
    return readable("".join(f"/{step}" for step in steps), LONGEST_TEXT)

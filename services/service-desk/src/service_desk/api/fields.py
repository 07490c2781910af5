"""What the bodies and parameters of the desk's routes have in common."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from fastapi import Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from keyturn_chassis.problems import FieldError, Problem
from keyturn_events.scalars import CODE_PATTERN, ID_PATTERN

LONGEST_DESCRIPTION: Final = 5_000

Prose: TypeAlias = Annotated[
    str, Field(max_length=LONGEST_DESCRIPTION, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$")
]
"""A person's own words, of several lines; it stays at the desk and is in no event."""

IdPath: TypeAlias = Annotated[str, Path(pattern=ID_PATTERN)]
CodePath: TypeAlias = Annotated[str, Path(pattern=CODE_PATTERN)]

IfMatch: TypeAlias = Annotated[
    str | None,
    Header(
        max_length=20,
        description='The ETag that the caller read, such as `"3"`; refused (412) when it is old.',
        examples=['"3"'],
    ),
]

_ENTITY_TAG: Final = re.compile(r'^"([1-9][0-9]{0,8})"$')


class Body(BaseModel):
    """A request body: a field that it does not know is a mistake, not something to pass over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def revision_of(if_match: str | None) -> int | None:
    """The revision that an If-Match header names; None for any. Raises `Problem` (422)."""
    if if_match is None or if_match == "*":
        return None
    matched = _ENTITY_TAG.match(if_match)
    if matched is None:
        raise Problem(
            422,
            "invalid-request",
            "Give If-Match as one quoted ETag of this resource, or not at all.",
            errors=[FieldError(detail='Should be like "3"', parameter="if-match")],
        )
    return int(matched[1])


def tag(response: Response, revision: int) -> None:
    """Say in the ETag header which revision the answer shows."""
    response.headers["ETag"] = f'"{revision}"'

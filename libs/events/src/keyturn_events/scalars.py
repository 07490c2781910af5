"""The plain values of events: ids, codes, text, dates and times, each with its bounds.

Bounds are pydantic-core constraints, checked without a call into Python when an event is read.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AwareDatetime, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

ID_PATTERN: Final = r"^[A-Za-z0-9._:-]{1,64}$"
"""The form of every id: 1 to 64 letters, digits, dots, underscores, colons and hyphens."""

CODE_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""The form of a code: 1 to 64 lower-case letters, digits, dots, underscores and hyphens."""

TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""Text without NUL and other control characters, which no store and no message needs."""

EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2200, 12, 31)
_YEAR: Final = "(19[0-9]{2}|2[01][0-9]{2}|2200)"

LONGEST_TEXT: Final = 500
LONGEST_LINE: Final = 200

_IdText: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=ID_PATTERN)]

CustomerId: TypeAlias = _IdText
HouseholdId: TypeAlias = _IdText
LeadId: TypeAlias = _IdText
PurchaseId: TypeAlias = _IdText
HomeId: TypeAlias = _IdText
BuildingId: TypeAlias = _IdText
CommunityId: TypeAlias = _IdText
AdvisorId: TypeAlias = _IdText
StaffId: TypeAlias = _IdText
PartnerId: TypeAlias = _IdText
ImportId: TypeAlias = _IdText
MergeId: TypeAlias = _IdText
ReviewId: TypeAlias = _IdText
ErasureId: TypeAlias = _IdText
ReleaseId: TypeAlias = _IdText
HandoverId: TypeAlias = _IdText
DefectId: TypeAlias = _IdText
CaseId: TypeAlias = _IdText
CrisisId: TypeAlias = _IdText
ResponseId: TypeAlias = _IdText
MessageId: TypeAlias = _IdText
ReferralId: TypeAlias = _IdText
MemberId: TypeAlias = _IdText
EntryId: TypeAlias = _IdText
LotId: TypeAlias = _IdText
ReferralCode: TypeAlias = _IdText
OptInId: TypeAlias = _IdText
MediaReference: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_LINE, pattern=r"^[A-Za-z0-9._:/-]+$")
]
"""Where a photo or document is kept; never the thing itself."""

EventId: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_LINE, pattern=TEXT_PATTERN)
]
"""The CloudEvents `id` of an event, ours or a partner's."""

Code: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=CODE_PATTERN)]
"""A word of a vocabulary that is data, such as a complaint category or a segment."""

Line: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE, pattern=TEXT_PATTERN)]
"""One line of text, 1 to 200 characters."""

Text: TypeAlias = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=TEXT_PATTERN)]
"""Text of at most 500 characters."""

Phone: TypeAlias = Annotated[str, Field(max_length=16, pattern=r"^\+[1-9][0-9]{6,14}$")]
"""A telephone number in E.164 form."""

Email: TypeAlias = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,253}$")
]
"""An e-mail address; only its outline is checked."""

LinkToken: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_LINE, pattern=r"^[A-Za-z0-9._-]+$")
]
"""What makes a link somebody's own. Whoever has it may do what the link is for, and no more."""

NationalId: TypeAlias = Annotated[
    str, Field(min_length=6, max_length=40, pattern=r"^[A-Za-z0-9 ()./-]+$")
]
"""The number of an identity card as it is written there."""

Language: TypeAlias = Annotated[
    str, Field(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", examples=["zh", "en"])
]
"""A BCP 47 language tag."""

TimeZone: TypeAlias = Annotated[
    str, Field(max_length=64, pattern=r"^[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*$")
]
"""An IANA time zone name, such as Asia/Shanghai."""

Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Points: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
"""An amount of loyalty points; the event's name says whether they come or go."""

Balance: TypeAlias = Annotated[int, Field(strict=True, ge=-1_000_000_000, le=1_000_000_000)]
Rating: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=10)]
"""An answer on the scale 0 (worst) to 10 (best)."""

Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ModelVersion: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
"""Which version of a model or template; each change of it counts one up."""

Flag: TypeAlias = Annotated[bool, Field(strict=True)]


class _Written:
    """Accepts a date or time only as one or as RFC 3339 text, never as a number of seconds."""

    def __init__(self, pattern: str, format_: str, example: str) -> None:
        self._pattern = pattern
        self._match = re.compile(pattern).match
        self._format = format_
        self._example = example

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        inner = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema(
                [core_schema.str_schema(strict=True, max_length=40, pattern=self._pattern), inner]
            ),
            python_schema=core_schema.no_info_before_validator_function(self._written, inner),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": self._format, "pattern": self._pattern}

    def _written(self, value: object) -> object:
        if isinstance(value, date) or (isinstance(value, str) and self._match(value)):
            return value
        raise PydanticCustomError(
            "written_time",
            "Input should be written like {example}",
            {"example": self._example},
        )


Day: TypeAlias = Annotated[
    date,
    Field(ge=EARLIEST, le=LATEST),
    _Written(rf"^{_YEAR}-[01][0-9]-[0-3][0-9]$", "date", "2026-03-01"),
]
"""A calendar day between 1900 and 2200, written YYYY-MM-DD."""

Moment: TypeAlias = Annotated[
    AwareDatetime,
    Field(
        ge=datetime(1900, 1, 1, tzinfo=UTC) - timedelta(days=1),
        lt=datetime(2201, 1, 1, tzinfo=UTC) + timedelta(days=1),
    ),
    _Written(
        rf"^{_YEAR}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-][0-2][0-9]:[0-5][0-9])$",
        "date-time",
        "2026-03-01T09:30:00+08:00",
    ),
]
"""A point in time between 1900 and 2200, written as RFC 3339 with its offset."""

"""How a period of the week is written: a weekday, and two times of day."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from intake.domain.leads.opening_hours import MINUTES_A_DAY, Period

END_OF_DAY: Final = "24:00"

TimeOfDay: TypeAlias = Annotated[
    str, Field(max_length=5, pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
]
"""Hours and minutes by the clocks of the community; 24:00 is the end of the day."""


class PeriodForm(BaseModel):
    """Part of one weekday."""

    model_config = ConfigDict(extra="forbid")

    weekday: Annotated[int, Field(strict=True, ge=1, le=7)] = Field(
        description="1 is Monday, 7 is Sunday."
    )
    opens: TimeOfDay = Field(examples=["09:00"])
    closes: TimeOfDay = Field(examples=["18:00"])

    def period(self) -> Period:
        """The period in the words of the domain."""
        return Period(self.weekday, _minutes(self.opens), _minutes(self.closes))

    @classmethod
    def of(cls, period: Period) -> PeriodForm:
        """A period as it is written."""
        return cls(
            weekday=period.weekday, opens=_written(period.opens), closes=_written(period.closes)
        )


def _minutes(written: str) -> int:
    hours, minutes = written.split(":")
    return int(hours) * 60 + int(minutes)


def _written(minutes: int) -> str:
    if minutes == MINUTES_A_DAY:
        return END_OF_DAY
    return f"{minutes // 60:02}:{minutes % 60:02}"

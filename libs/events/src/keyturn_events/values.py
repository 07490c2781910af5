"""The compound values of events: money, the household, what it can pay, and what came with a lead.

Every value is immutable and ignores fields it does not know.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from keyturn_events.currencies import CurrencyCode
from keyturn_events.scalars import (
    Balance,
    Code,
    Count,
    CustomerId,
    Day,
    Flag,
    HouseholdId,
    Line,
    LinkToken,
    LotId,
    Moment,
    OptInId,
    Points,
    Rating,
)
from keyturn_events.vocabulary import (
    Channel,
    ErasureTreatment,
    Gate,
    Incomes,
    MaritalStatus,
    Purpose,
    Relationship,
)

AMOUNT_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,4})?$"
"""An amount as text: below 100 million million, at most four decimals, no exponent."""

LARGEST_AMOUNT: Final = Decimal("99999999999999.9999")
LARGEST_HOUSEHOLD: Final = 20

_written_amount = re.compile(AMOUNT_PATTERN).match


class _ExactAmount:
    """Reads an amount from text only, so that no binary fraction ever enters."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema(
                [
                    core_schema.str_schema(strict=True, max_length=20, pattern=AMOUNT_PATTERN),
                    core_schema.decimal_schema(),
                ]
            ),
            python_schema=core_schema.no_info_plain_validator_function(_exact_amount),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["1680000.00"]}


def _exact_amount(value: object) -> Decimal:
    if isinstance(value, str) and _written_amount(value):
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value) <= LARGEST_AMOUNT:
        plain = format(value, "f")
        if _written_amount(plain):
            return Decimal(plain)
    raise PydanticCustomError(
        "money_amount",
        "Input should be a decimal amount below 10^14 with at most 4 decimals, as text",
    )


Amount: TypeAlias = Annotated[Decimal, _ExactAmount()]


class _CurrencyError:
    """Says in one line what a currency is, where pydantic would list every code."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.custom_error_schema(
            handler(source),
            custom_error_type="currency",
            custom_error_message="Input should be an ISO 4217 currency code such as CNY",
        )


Currency: TypeAlias = Annotated[CurrencyCode, _CurrencyError()]


class Value(BaseModel):
    """The base of compound values."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Value):
    """An exact amount of a currency. In JSON the amount is text: {"amount": "1680000.00", …}."""

    amount: Amount
    currency: Currency

    @classmethod
    def zero(cls, currency: CurrencyCode) -> Money:
        """Nothing, in `currency`."""
        return cls(amount=Decimal(0), currency=currency)

    def __add__(self, other: Money) -> Money:
        """The sum. Raises ValueError when the currencies differ or the sum is out of bounds."""
        return Money(amount=self.amount + self._same_currency(other), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        """The difference. Raises ValueError when the currencies differ."""
        return Money(amount=self.amount - self._same_currency(other), currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        """Whether this is less. Raises ValueError when the currencies differ."""
        return self.amount < self._same_currency(other)

    def _same_currency(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be reckoned together")
        return other.amount


class HouseholdMember(Value):
    """One person of the household, the customer included (`self`)."""

    relationship: Relationship
    birth_date: Day | None = None
    customer_id: CustomerId | None = None
    """When this person is a customer too."""


class Household(Value):
    """Who lives and buys together, as far as it is known. Unknown is absent, never guessed."""

    household_id: HouseholdId | None = None
    """The same for every customer of one household; a referral within it earns nothing."""
    members: Annotated[tuple[HouseholdMember, ...], Field(max_length=LARGEST_HOUSEHOLD)] = ()
    marital_status: MaritalStatus | None = None
    incomes: Incomes | None = None
    relocating: Flag | None = None
    """Whether work moves the household from city to city."""
    homes_owned: Count | None = None
    """Homes owned before this journey; 0 makes a first-time buyer."""


class Affordability(Value):
    """What an ability-to-pay estimate needs to know of a household."""

    annual_income: Money | None = None
    """Gross, of all incomes together, a year."""
    monthly_debts: Money | None = None
    """Payments on debts other than the new home, a month."""
    down_payment: Money | None = None
    """What can be paid at once."""


class Utm(Value):
    """The campaign tags of the link that a person followed."""

    source: Line | None = None
    medium: Line | None = None
    campaign: Line | None = None
    term: Line | None = None
    content: Line | None = None


class ScoreReason(Value):
    """One thing that moved a score, and by how much."""

    rule: Code
    points: Balance


class GateDate(Value):
    """When a gate of the handover falls due."""

    gate: Gate
    due_on: Day


class SurveyAnswer(Value):
    """What a customer said of one dimension, each on the scale 0 to 10."""

    dimension: Code
    """Such as quality, price, convenience or service."""
    experience: Rating | None = None
    expectation: Rating | None = None
    importance: Rating | None = None


class LotUse(Value):
    """How many points were taken from one lot."""

    lot_id: LotId
    points: Points


class OptIn(Value):
    """A consent that waits for the person to confirm it, by the link that is sent to them."""

    opt_in_id: OptInId
    """One request; it is asked for confirmation once."""
    channel: Channel
    """With `purpose`, what the person is to allow."""
    purpose: Purpose
    through: Channel
    """The channel on which the person is asked: SMS to confirm telephone calls."""
    to: Line
    """The contact point to which the link belongs, and to which alone it may be sent."""
    token: LinkToken
    """Confirms the consent once, until `expires_at`."""
    expires_at: Moment


class ErasureCount(Value):
    """How many records of one kind an erasure met, and what was done with them."""

    kind: Code
    """What they are, such as timeline, cases or ledger-entries."""
    treatment: ErasureTreatment
    count: Count
    reason: Code | None = None
    """Why they were not erased, such as ledger, defect-records or attribution."""

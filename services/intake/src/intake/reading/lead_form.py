"""What is asked of whoever captures a lead: one form for the API, batches and files."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intake.domain.consent.consents import ConsentGiven
from intake.domain.leads.capture import CaptureLead, PersonSaid
from intake.domain.people.customers import NO_AFFORDABILITY, NO_HOUSEHOLD, Address, Facts
from keyturn_events import Refusal, RefusalKind, field_problems
from keyturn_events.scalars import (
    TEXT_PATTERN,
    AdvisorId,
    Code,
    CommunityId,
    Day,
    Language,
    Line,
    Moment,
    NationalId,
    PartnerId,
    ReferralCode,
    TimeZone,
)
from keyturn_events.values import Affordability, Household, Money, Utm
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    ProductLine,
    Purpose,
)

MOST_CONSENTS: Final = 20
"""Consents that come with one capture: every channel with every purpose."""


class ConsentForm(BaseModel):
    """What a person allows on one channel for one purpose."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "channel": "sms",
                    "purpose": "marketing",
                    "status": "granted",
                    "basis": "express",
                    "wording": "privacy-2026-03",
                }
            ]
        },
    )

    channel: Channel
    purpose: Purpose
    status: ConsentStatus = ConsentStatus.GRANTED
    basis: ConsentBasis = ConsentBasis.EXPRESS
    wording: Code | None = Field(default=None, description="Version of the words that were shown.")
    expires_at: Moment | None = Field(
        default=None, description="An implied consent without it lasts six months."
    )

    def given(self) -> ConsentGiven:
        """The consent in the words of the domain."""
        return ConsentGiven(
            self.channel, self.purpose, self.status, self.basis, self.wording, self.expires_at
        )


class AddressForm(BaseModel):
    """Where a person lives."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"street": "滨江路12号3栋501", "city": "杭州"}]},
    )

    street: Line | None = None
    city: Line | None = None
    region: Line | None = None
    postcode: Line | None = None

    def said(self) -> Address:
        """The address in the words of the domain."""
        return Address(self.street, self.city, self.region, self.postcode)


class LeadForm(BaseModel):
    """One person's interest. At least one of phone, email and wechat is needed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "张伟",
                    "phone": "138 0013 8000",
                    "channel": "walk-in",
                    "community_id": "riverside",
                    "household": {"marital_status": "married", "homes_owned": 0},
                    "budget": {"amount": "1680000.00", "currency": "CNY"},
                    "consents": [{"channel": "sms", "purpose": "marketing"}],
                }
            ]
        },
    )

    name: Line | None = None
    phone: Annotated[str, Field(min_length=1, max_length=40, pattern=TEXT_PATTERN)] | None = Field(
        default=None,
        description="With country code, or in the national form of the community's country.",
    )
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=TEXT_PATTERN)] | None = None
    wechat: Line | None = Field(default=None, description="The WeChat OpenID.")
    national_id: NationalId | None = Field(
        default=None, description="Recognises the person for certain; only a keyed hash is kept."
    )
    birth_date: Day | None = None
    address: AddressForm | None = Field(
        default=None,
        description="With name and birth date it recognises who comes with a new phone.",
    )
    channel: LeadChannel = LeadChannel.WEB
    captured_at: Moment | None = Field(default=None, description="When the person came; else now.")
    community_id: CommunityId | None = None
    campaign: Code | None = None
    referral_code: ReferralCode | None = None
    utm: Utm | None = None
    source_reference: Line | None = Field(
        default=None, description="The source's own reference of this lead."
    )
    language: Language | None = None
    time_zone: TimeZone | None = None
    household: Household | None = None
    affordability: Affordability | None = None
    budget: Money | None = None
    product_line: ProductLine | None = None
    advisor_id: AdvisorId | None = Field(
        default=None, description="The advisor whom the person asked for."
    )
    agency_id: PartnerId | None = Field(
        default=None,
        description="The agency that brings the person: its partner id. Protected if first.",
    )
    consents: Annotated[tuple[ConsentForm, ...], Field(max_length=MOST_CONSENTS)] = ()

    @classmethod
    def read(cls, row: object) -> Self:
        """The form of one row of a batch or file.

        Raises `Refusal` `invalid-fields` that points to the first field to mend.
        """
        try:
            return cls.model_validate(row)
        except ValidationError as error:
            problems = field_problems(error)
            first = problems[0]
            more = f" ({len(problems) - 1} more to mend)" if len(problems) > 1 else ""
            raise Refusal(
                "invalid-fields",
                f"{first.detail}{more}",
                kind=RefusalKind.INVALID,
                pointer=first.pointer,
            ) from None

    def command(
        self,
        *,
        collected_through: str = "api",
        import_id: str | None = None,
        recorded_by: str | None = None,
    ) -> CaptureLead:
        """The form in the words of the domain; `recorded_by` wrote it down, else the import."""
        given = self.model_fields_set
        return CaptureLead(
            person=PersonSaid(
                self.name,
                self.phone,
                self.email,
                self.wechat,
                national_id=self.national_id,
                birth_date=self.birth_date,
                address=None if self.address is None else self.address.said(),
            ),
            channel=self.channel,
            captured_at=self.captured_at,
            community_id=self.community_id,
            collected_through=collected_through,
            recorded_by=recorded_by or import_id,
            facts=Facts(
                household=self.household or NO_HOUSEHOLD,
                affordability=self.affordability or NO_AFFORDABILITY,
                language=self.language,
                time_zone=self.time_zone,
            ),
            consents=tuple(consent.given() for consent in self.consents),
            advisor_id=self.advisor_id,
            agency_id=self.agency_id,
            partner_id=self.agency_id,
            import_id=import_id,
            source_reference=self.source_reference,
            campaign=self.campaign,
            referral_code=self.referral_code,
            utm=self.utm,
            budget=self.budget,
            product_line=self.product_line,
            answers={} if given.isdisjoint(_ANSWERS) else _answers(self),
        )


_ANSWERS: Final = frozenset(
    {"utm", "household", "affordability", "budget", "product_line", "language", "time_zone"}
)


def _answers(form: LeadForm) -> dict[str, Any]:
    """What was said beside contact details, as the touch keeps it."""
    return form.model_dump(mode="json", include=set(_ANSWERS), exclude_none=True)

"""A customer with contact details and consents, for the advisors who may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.domain.consent_commands import RecordConsents, record_consents
from intake.domain.dossier import Dossier, present
from intake.queries import ConsentBody, CustomerBody
from intake.reading.lead_form import MOST_CONSENTS, ConsentForm
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Code, CustomerId

router = APIRouter(prefix="/customers", tags=["customers"])

Reader = Annotated[Principal, Security(principal, scopes=["customers:read"])]
ConsentWriter = Annotated[commands.Caller, Security(commands.caller, scopes=["consents:write"])]


class ConsentsForm(BaseModel):
    """What a customer said of consent, and where."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "collected_through": "owners-app",
                    "consents": [{"channel": "sms", "purpose": "marketing", "status": "withdrawn"}],
                }
            ]
        },
    )

    collected_through: Code
    consents: Annotated[tuple[ConsentForm, ...], Field(min_length=1, max_length=MOST_CONSENTS)]


class ConsentsBody(BaseModel):
    """All that a customer allows, by channel and purpose."""

    customer_id: str
    consents: list[ConsentBody]

    @classmethod
    def of(cls, dossier: Dossier, _: Sequence[Event]) -> ConsentsBody:
        """The consents of the dossier's customer."""
        customer = present(dossier.customer)
        return cls(
            customer_id=customer.customer_id,
            consents=[ConsentBody.of(consent) for consent in customer.consents],
        )


@router.get("/{customer_id}", summary="A customer", response_model=CustomerBody)
async def show_customer(
    customer_id: CustomerId, _: Reader, connection: commands.Reading
) -> CustomerBody:
    """Everything that intake knows of one person, with leads and purchases."""
    found = await queries.customer(connection, customer_id)
    if found is None:
        raise Refusal(
            "customer-not-found", "There is no customer of this id.", kind=RefusalKind.NOT_FOUND
        )
    return found


@router.put("/{customer_id}/consents", summary="Record consents", response_model=ConsentsBody)
async def put_consents(
    customer_id: CustomerId, body: ConsentsForm, caller: ConsentWriter
) -> Response:
    """Take down what the customer allows; what is not mentioned stays as it is.

    The person's own latest word counts: an implied consent never overrides an express one.
    """
    command = RecordConsents(
        customer_id,
        tuple(consent.given() for consent in body.consents),
        body.collected_through,
    )
    return await caller.execute(record_consents, command, ConsentsBody.of)

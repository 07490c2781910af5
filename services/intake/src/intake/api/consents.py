"""What a customer allows: taking their words down, how it stands, why, and every word ever said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.domain.consent.consent_commands import RecordConsents, record_consents
from intake.domain.dossier import Dossier, present
from intake.queries import ConsentBody
from intake.queries.consents import ConsentsOverview, WordBody, history, overview
from intake.reading.lead_form import MOST_CONSENTS, ConsentForm
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Code, CommunityId, CustomerId

router = APIRouter(prefix="/customers/{customer_id}/consents", tags=["consents"])

Reader = Annotated[Principal, Security(principal, scopes=["customers:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["consents:write"])]


class ConsentsForm(BaseModel):
    """What a customer said of consent, and where."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "collected_through": "owners-app",
                    "consents": [{"channel": "sms", "purpose": "marketing", "status": "withdrawn"}],
                },
                {
                    "collected_through": "showroom",
                    "consents": [{"channel": "phone", "purpose": "survey", "status": "pending"}],
                },
            ]
        },
    )

    collected_through: Code
    community_id: CommunityId | None = Field(
        default=None, description="The community whose rules say what has to be confirmed."
    )
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


@router.put("", summary="Record consents", response_model=ConsentsBody)
async def put_consents(customer_id: CustomerId, body: ConsentsForm, caller: Writer) -> Response:
    """Take down what the customer allows; what is not mentioned stays as it is.

    The person's own latest word counts: an implied consent never overrides an express one. A
    consent given as `pending`, or of a kind that the community wants confirmed, holds once the
    person has followed the link that is sent to them.
    """
    command = RecordConsents(
        customer_id,
        tuple(consent.given() for consent in body.consents),
        body.collected_through,
        caller.principal.subject,
        body.community_id,
    )
    return await caller.execute(record_consents, command, ConsentsBody.of)


@router.get("", summary="What a customer allows, and why", response_model=ConsentsOverview)
async def show_consents(
    customer_id: CustomerId, _: Reader, connection: commands.Reading
) -> ConsentsOverview:
    """Each consent with the word that counts, and those that it outweighs, each with its reason."""
    found = await overview(connection, customer_id)
    if found is None:
        raise _not_found()
    return found


@router.get(
    "/history", summary="Every word a customer said of consent", response_model=Page[WordBody]
)
async def list_words(
    customer_id: CustomerId,
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[WordBody]:
    """The newest first. Words are never changed and never taken away."""
    page = await history(connection, customer_id, limit, cursor)
    if page is None:
        raise _not_found()
    return page


def _not_found() -> Refusal:
    return Refusal(
        "customer-not-found", "There is no customer of this id.", kind=RefusalKind.NOT_FOUND
    )

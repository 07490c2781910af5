"""A customer with contact details and consents, for the advisors who may see them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Security

from intake import queries
from intake.queries import AnswerBody, CustomerBody
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import CustomerId

router = APIRouter(prefix="/customers", tags=["customers"])

Reader = Annotated[Principal, Security(principal, scopes=["customers:read"])]


@router.get("/{customer_id}", summary="A customer", response_model=CustomerBody)
async def show_customer(
    customer_id: CustomerId, _: Reader, connection: commands.Reading
) -> CustomerBody:
    """Everything that intake knows of one person, with leads and purchases."""
    found = await queries.customer(connection, customer_id)
    if found is None:
        raise _not_found()
    return found


@router.get(
    "/{customer_id}/answers",
    summary="Everything a customer answered",
    response_model=Page[AnswerBody],
)
async def list_answers(
    customer_id: CustomerId,
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[AnswerBody]:
    """Each touch with the answers as they were given: none is lost when another one counts."""
    page = await queries.answers_of(connection, customer_id, limit, cursor)
    if page is None:
        raise _not_found()
    return page


def _not_found() -> Refusal:
    return Refusal(
        "customer-not-found", "There is no customer of this id.", kind=RefusalKind.NOT_FOUND
    )

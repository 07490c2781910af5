"""Links that are sent to people: their preferences, one-click unsubscription, and confirmation.

Nobody logs in here. A link shows nothing that tells who somebody is; it can take consent back, and
give it only by way of a confirmation that goes to the person's own contact point. GET and HEAD
change nothing: whoever follows links for a person, such as a mail scanner, does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException

from intake.domain.consent.consent_commands import (
    SetPreferences,
    Unsubscribe,
    confirm,
    ensure_confirmable,
    link_not_valid,
    opt_in_of,
    set_preferences,
    unsubscribe,
)
from intake.domain.consent.consents import ConsentGiven
from intake.domain.consent.opt_ins import OptInState
from intake.domain.dossier import present
from intake.domain.people.persons import Person
from intake.queries.consents import (
    ConfirmationBody,
    Labels,
    Preferences,
    person,
    preferences_of,
)
from intake.reading.lead_form import MOST_CONSENTS
from intake.reading.link_tokens import (
    LONGEST_TOKEN,
    read_confirmation,
    read_preference,
    read_unsubscription,
)
from keyturn_chassis import commands
from keyturn_chassis.problems import problem_of, problem_response, problem_responses
from keyturn_chassis.request_guard import bounds_body
from keyturn_chassis.runtime import Runtime
from keyturn_events import Refusal
from keyturn_events.scalars import Code
from keyturn_events.vocabulary import Channel, ConsentStatus, Purpose

LARGEST_BODY: Final = 8_192
"""Bytes of a body that a stranger may send."""

PRIVATE: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""The link is the key: nobody is to keep it, pass it on or index what it opens."""

PUBLIC: Final = frozenset(
    {
        "/preferences/{token}",
        "/unsubscribe/{token}",
        "/confirmations",
        "/confirmations/{token}",
    }
)
"""The paths that anybody may call who has a link."""


class LinkRoute(APIRoute):
    """A route whose every answer, refusals too, is for the caller's eyes alone."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the headers of `PRIVATE` on what it answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except (HTTPException, RequestValidationError, Refusal) as error:
                response = problem_response(problem_of(error), request.scope)
            response.headers.update(PRIVATE)
            return response

        return answer


router = APIRouter(tags=["links"], route_class=LinkRoute)

Stranger = Annotated[commands.Caller, Depends(commands.stranger)]
Token = Annotated[str, Path(min_length=1, max_length=LONGEST_TOKEN, pattern=r"^[A-Za-z0-9._-]+$")]


class PreferenceForm(BaseModel):
    """Whether messages of one kind are allowed."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    purpose: Purpose
    allowed: bool


class PreferencesForm(BaseModel):
    """What somebody chose; what is not mentioned stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "wording": "preferences-2026-03",
                    "preferences": [{"channel": "sms", "purpose": "marketing", "allowed": False}],
                }
            ]
        },
    )

    wording: Code | None = Field(default=None, description="Version of the words that were shown.")
    preferences: Annotated[
        tuple[PreferenceForm, ...], Field(min_length=1, max_length=MOST_CONSENTS)
    ]

    def given(self) -> tuple[ConsentGiven, ...]:
        """The choices in the words of the domain."""
        return tuple(
            ConsentGiven(
                choice.channel,
                choice.purpose,
                ConsentStatus.GRANTED if choice.allowed else ConsentStatus.WITHDRAWN,
                wording=self.wording,
            )
            for choice in self.preferences
        )


class OneClick(BaseModel):
    """What a mail client sends for one click on "unsubscribe" (RFC 8058, section 3.2)."""

    model_config = ConfigDict(
        extra="ignore",
        populate_by_name=True,
        json_schema_extra={"examples": [{"List-Unsubscribe": "One-Click"}]},
    )

    word: Literal["One-Click"] = Field(alias="List-Unsubscribe")


class Unsubscription(BaseModel):
    """What one click takes back, and whether it has been taken back."""

    channel: Channel
    purpose: Purpose
    channel_label: Labels
    purpose_label: Labels
    unsubscribed: bool
    how: str | None = Field(
        default=None, description="What to send so that it is; absent once it is."
    )


class ConfirmationForm(BaseModel):
    """The link that was sent to the person."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"token": "wVw5o6o0cQJ2Zr9M3pYxTqfLkE8aBsUdHnGi4CjXK7M"}]},
    )

    token: Annotated[
        str, Field(min_length=1, max_length=LONGEST_TOKEN, pattern=r"^[A-Za-z0-9._-]+$")
    ]


@router.get("/preferences/{token}", summary="A person's own page", response_model=Preferences)
async def show_preferences(
    token: Token, request: Request, connection: commands.Reading
) -> Preferences:
    """What the person allows, by channel and purpose. Looking at it changes nothing."""
    runtime: Runtime = request.app.state.runtime
    found = await _person(connection, read_preference(token))
    return preferences_of(found, await runtime.clock.now(connection))


@router.put("/preferences/{token}", summary="Choose preferences", response_model=Preferences)
@bounds_body(limit=LARGEST_BODY)
async def put_preferences(token: Token, body: PreferencesForm, caller: Stranger) -> Preferences:
    """Take consent back at once; what is newly allowed holds once the person confirms it.

    The confirmation goes to the person's own contact point, at most once in seven days for each
    channel and purpose. Consent to letters cannot be confirmed by a link.
    """
    customer_id = read_preference(token)
    await caller.decided(
        set_preferences, SetPreferences(customer_id, body.given()), lambda *_: None
    )
    async with caller.runtime.database.reading() as connection:
        found = await _person(connection, customer_id)
        return preferences_of(found, await caller.runtime.clock.now(connection))


@router.get("/unsubscribe/{token}", summary="What one click takes back")
async def show_unsubscription(
    token: Token, request: Request, connection: commands.Reading
) -> Unsubscription:
    """What a POST to this link would do. Looking at it changes nothing."""
    runtime: Runtime = request.app.state.runtime
    command = read_unsubscription(token)
    found = await _person(connection, command.customer_id)
    at = await runtime.clock.now(connection)
    allowed = any(
        consent.allows(at)
        for consent in found.consents
        if consent.subject == (command.channel, command.purpose)
    )
    return _unsubscription(command, unsubscribed=not allowed)


@router.post("/unsubscribe/{token}", summary="Unsubscribe with one click")
@bounds_body(limit=LARGEST_BODY)
async def post_unsubscription(
    token: Token, _: Annotated[OneClick, Form()], caller: Stranger
) -> Unsubscription:
    """Take consent back for one channel and one purpose, as RFC 8058 has it. Once is enough."""
    command = read_unsubscription(token)
    await caller.decided(unsubscribe, command, lambda *_: None)
    return _unsubscription(command, unsubscribed=True)


@router.get(
    "/confirmations/{token}", summary="What a link confirms", response_model=ConfirmationBody
)
async def show_confirmation(
    token: Token, request: Request, connection: commands.Reading
) -> ConfirmationBody:
    """What a POST of this link would confirm. Looking at it changes nothing."""
    runtime: Runtime = request.app.state.runtime
    command = read_confirmation(token)
    found = await _person(connection, command.customer_id)
    record = next(
        (record for record in found.records if record.customer_id == command.customer_id), None
    )
    if record is None:
        raise link_not_valid()
    asked = opt_in_of(record, command.opt_in_id)
    if asked.state is not OptInState.CONFIRMED:
        ensure_confirmable(found, asked, await runtime.clock.now(connection))
    return ConfirmationBody.of(asked)


@router.post(
    "/confirmations",
    summary="Confirm a consent",
    response_model=ConfirmationBody,
    responses=problem_responses(404),
)
@bounds_body(limit=LARGEST_BODY)
async def post_confirmation(body: ConfirmationForm, caller: Stranger) -> Response:
    """Confirm what was asked for, by the link that was sent to the person's contact point.

    The link confirms once; sending it again gives the same answer and changes nothing.
    """
    command = read_confirmation(body.token)
    return await caller.execute(
        confirm,
        command,
        lambda dossier, _: ConfirmationBody.of(
            opt_in_of(present(dossier.customer), command.opt_in_id)
        ),
    )


def _unsubscription(command: Unsubscribe, *, unsubscribed: bool) -> Unsubscription:
    return Unsubscription(
        channel=command.channel,
        purpose=command.purpose,
        channel_label=Labels.of(command.channel),
        purpose_label=Labels.of(command.purpose),
        unsubscribed=unsubscribed,
        how=None if unsubscribed else "POST List-Unsubscribe=One-Click to this address",
    )


async def _person(connection: AsyncConnection, customer_id: str) -> Person:
    found = await person(connection, customer_id)
    if found is None or found.survivor.is_nobody:
        raise link_not_valid()
    return found

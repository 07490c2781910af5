"""Reads CloudEvents in binary mode from Kafka records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from keyturn_events import Envelope, Event, Message
from keyturn_events.refusal import Refusal, RefusalKind

E = TypeVar("E", bound=Event)

PREFIX = "ce_"
_PREFIX = len(PREFIX)


def event_type(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The `type` attribute of a record, or None when it is no CloudEvent in binary mode."""
    for name, value in headers:
        if name == "ce_type":
            return value.decode(errors="replace")
    return None


def decode(
    event_class: type[E], headers: Iterable[tuple[str, bytes]], value: bytes | None
) -> Message[E]:
    """The event of a record.

    Raises `Refusal` (`not-a-cloudevent`, `undecodable`) that says which attribute or field is
    wrong, never what its value was: it may be personal.
    """
    try:
        attributes = {
            name[_PREFIX:]: text.decode() for name, text in headers if name[:_PREFIX] == PREFIX
        }
        envelope = Envelope.model_validate_strings(attributes)
    except (ValidationError, UnicodeDecodeError) as error:
        raise _refusal("not-a-cloudevent", error) from error
    try:
        event = event_class.read(envelope.subject, value)
    except ValidationError as error:
        raise _refusal("undecodable", error) from error
    if event.subject != envelope.subject:
        raise Refusal(
            "subject-mismatch",
            "The envelope's subject is not the one that the data names.",
            kind=RefusalKind.INVALID,
        )
    return Message(envelope, event)


def _refusal(code: str, error: ValidationError | UnicodeDecodeError) -> Refusal:
    if isinstance(error, UnicodeDecodeError):
        return Refusal(code, "A header is not UTF-8.", kind=RefusalKind.INVALID)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    pointer = "".join(f"/{part}" for part in first["loc"])
    return Refusal(
        code, f"{pointer or '/'}: {first['msg']}", kind=RefusalKind.INVALID, pointer=pointer
    )

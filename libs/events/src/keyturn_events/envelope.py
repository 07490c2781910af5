"""The CloudEvents 1.0 attributes of an event, and its binary-mode Kafka message.

Binary mode puts every attribute into a `ce_` header and the event's data, as JSON, into the
record's value (CloudEvents Kafka protocol binding 1.0.2, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from keyturn_events.event import Event
from keyturn_events.scalars import EventId, Line, Moment

SCHEMA_BASE = "https://schemas.keyturn.example/events/"
"""Namespace of the `dataschema` attribute; an identifier, not a download address."""

SPEC_VERSION = "1.0"
"""The version of CloudEvents."""

CONTENT_TYPE = "application/json"

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


class Envelope(BaseModel):
    """What is said about an event beside its data.

    `time` is when the fact happened (business time), `recordedtime` when the producer wrote it
    down; `causationid` is the id of the event, request or timer that led to it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = Field(default=SPEC_VERSION, pattern=r"^1\.0$")
    id: EventId
    source: Line
    type: Line
    subject: Line
    time: Moment
    datacontenttype: Line = CONTENT_TYPE
    dataschema: Line | None = None
    recordedtime: Moment | None = None
    causationid: EventId | None = None
    traceparent: str | None = Field(default=None, max_length=55, pattern=r"^[0-9a-f-]+$")


@dataclass(frozen=True, slots=True)
class Message(Generic[E_co]):
    """An event in its envelope: what travels."""

    envelope: Envelope
    event: E_co

    @classmethod
    def of(
        cls,
        event: E,
        *,
        id: str,
        source: str,
        time: datetime,
        recordedtime: datetime | None = None,
        causationid: str | None = None,
        traceparent: str | None = None,
    ) -> Message[E]:
        """Put `event` into an envelope; type, subject and schema follow from its class."""
        return Message(
            Envelope(
                id=id,
                source=source,
                type=event.type,
                subject=event.subject,
                time=time,
                dataschema=f"{SCHEMA_BASE}{event.type}.json",
                recordedtime=recordedtime,
                causationid=causationid,
                traceparent=traceparent,
            ),
            event,
        )

    @property
    def key(self) -> bytes:
        """The Kafka record key: the subject, which keeps a customer's events in order."""
        return self.envelope.subject.encode()

    @property
    def value(self) -> bytes | None:
        """The Kafka record value: the event's data as JSON, without what is not known.

        None for a tombstone.
        """
        if self.event.tombstone:
            return None
        return self.event.model_dump_json(exclude_none=True).encode()

    @property
    def attributes(self) -> dict[str, str]:
        """The Kafka record headers as text: one `ce_` header an attribute, and `content-type`."""
        attributes: dict[str, str] = self.envelope.model_dump(mode="json", exclude_none=True)
        headers = {"content-type": attributes.pop("datacontenttype")}
        for name, value in attributes.items():
            headers[f"ce_{name}"] = value
        return headers

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka record headers, as they travel."""
        return [(name, value.encode()) for name, value in self.attributes.items()]

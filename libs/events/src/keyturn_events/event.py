"""The base of every event: an immutable fact that carries its own type name and topic."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict

from keyturn_events.scalars import CustomerId
from keyturn_events.topics import Topic

TYPE_NAME: Final = re.compile(r"^(keyturn|partner)(\.[a-z][a-z0-9-]*){2}\.v[1-9][0-9]*$")

CATALOGUE: Final[dict[str, type[Event]]] = {}
"""Every event class by its type name. A class enters it by being defined."""


class Event(BaseModel):
    """A fact that happened, in the past tense.

    A subclass names its wire type and its topic in the class statement:

        class LeadScored(LeadEvent, type="keyturn.lead.scored.v1", topic=Topic.INTAKE_LEADS): ...

    Unknown fields are ignored on reading, so that an old reader understands a newer writer. When
    the fact happened is the envelope's `time`; data repeats it only where it may differ.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=10_000)

    type: ClassVar[str]
    topic: ClassVar[Topic]
    tombstone: ClassVar[bool] = False
    """Whether its record has no value, so that a compacted topic forgets the key."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """The record key. Facts with the same subject keep their order on a topic."""

    @classmethod
    def read(cls, subject: str, value: bytes | None) -> Self:  # noqa: ARG003 - see the override
        """The event of a record with this subject and value.

        Raises `pydantic.ValidationError` with the place and the kind of each fault.
        """
        return cls.model_validate_json(value or b"")

    def __init_subclass__(cls, *, type: str | None = None, topic: Topic | None = None) -> None:
        super().__init_subclass__()
        if type is None or topic is None:
            return
        if not TYPE_NAME.match(type):
            raise TypeError(f"{cls.__name__}: event type {type!r} is not <noun>.<past tense>.v<n>")
        if type in CATALOGUE:
            raise TypeError(f"{cls.__name__}: {type} already names {CATALOGUE[type].__name__}")
        cls.type = type
        cls.topic = topic
        CATALOGUE[type] = cls


class CustomerEvent(Event):
    """A fact of one customer's journey, kept in order with that customer's other facts."""

    customer_id: CustomerId

    @property
    def subject(self) -> str:
        """The customer's id."""
        return self.customer_id

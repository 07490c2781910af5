from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from keyturn_events import CATALOGUE, Envelope, Event, Message
from segmentation.domain.models import Models, SegmentModel, SilenceModel
from segmentation.store.documents import MODEL

ROOT = Path(__file__).parents[2]
MODEL_FILES = ROOT / "services/segmentation/src/segmentation/models"
EXAMPLES = ROOT / "libs/events/examples"


@dataclass(frozen=True)
class Reason:
    """A cause without a chassis."""

    id: str
    at: datetime
    recorded_at: datetime | None = None

    def derive_id(self, *parts: object) -> str:
        return str(uuid5(NAMESPACE_URL, "/".join([self.id, *map(str, parts)])))


@pytest.fixture(scope="session")
def reason() -> Callable[..., Reason]:
    return Reason


@pytest.fixture(scope="session")
def pulte() -> SegmentModel:
    model = MODEL.validate_json((MODEL_FILES / "pulte.v1.json").read_bytes())
    assert isinstance(model, SegmentModel)
    return model


@pytest.fixture(scope="session")
def models(pulte: SegmentModel) -> Models:
    silence = MODEL.validate_json((MODEL_FILES / "silence.v1.json").read_bytes())
    assert isinstance(silence, SilenceModel)
    return Models((pulte,), silence)


@pytest.fixture(scope="session")
def golden() -> Callable[[type[Event]], Message[Any]]:
    def message(event_type: type[Event]) -> Message[Any]:
        example = json.loads((EXAMPLES / f"{event_type.type}.json").read_text(encoding="utf-8"))
        return Message(
            Envelope.model_validate(example["attributes"]),
            CATALOGUE[event_type.type].model_validate(example["data"]),
        )

    return message


@pytest.fixture(scope="session")
def say() -> Callable[..., Message[Any]]:
    """A message of intake, whose id and time the test may choose."""
    counter = iter(range(1_000_000))

    def message(
        event: Event,
        at: datetime = datetime(2026, 3, 1, 9, tzinfo=UTC),
        *,
        id: str | None = None,
        source: str = "intake",
    ) -> Message[Any]:
        return Message.of(
            event, id=id or f"event-{next(counter)}", source=source, time=at, recordedtime=at
        )

    return message

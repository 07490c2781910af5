from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from campaigns.service import CampaignsSettings, channels_of, links_of, service
from campaigns.tasks.sender import Shift
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message

HarnessFactory = Callable[..., Awaitable[Harness]]

# A Wednesday, at ten in the morning in Shanghai.
AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Reason:
    """A cause without a chassis."""

    id: str = "cause-1"
    at: datetime = AT
    traceparent: str | None = None

    def derive_id(self, *parts: object) -> str:
        return str(uuid5(NAMESPACE_URL, "/".join([self.id, *map(str, parts)])))


@pytest.fixture(scope="session")
def reason() -> Callable[..., Reason]:
    """`reason(id, at)`: what led to a decision."""
    return Reason


@pytest.fixture(scope="session")
def said() -> Callable[..., Message[Any]]:
    """`said(event, at, id)`: an event in its envelope."""

    def make(event: Event, at: datetime = AT, id: str | None = None) -> Message[Any]:
        content = f"{event.type}/{event.model_dump_json()}/{at.isoformat()}"
        return Message.of(
            event,
            id=id or str(uuid5(NAMESPACE_URL, content)),
            source="test",
            time=at,
            recordedtime=at,
        )

    return make


@dataclass
class Desk:
    """The service under test with a sender, and the file that its channels write to."""

    harness: Harness
    outbox_file: Path

    @property
    def shift(self) -> Shift:
        """A sender's work; a new one each time, as after a restart."""
        settings = self.harness.runtime.settings
        assert isinstance(settings, CampaignsSettings)
        return Shift(self.harness.runtime, channels_of(settings), links_of(settings))

    async def send_all(self) -> None:
        """Send until nothing is due."""
        while await self.shift.work():
            pass

    def written(self) -> list[dict[str, Any]]:
        """What went out, in order."""
        if not self.outbox_file.exists():
            return []
        return [json.loads(line) for line in self.outbox_file.read_text("utf-8").splitlines()]


@pytest.fixture
async def desk(service_harness: HarnessFactory, tmp_path: Path) -> Desk:
    """Campaigns on a database of its own, with every channel writing to a file."""
    file = tmp_path / "messages.jsonl"
    return Desk(await service_harness(service, channel_file=file), file)

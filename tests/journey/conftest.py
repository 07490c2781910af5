"""Events as the auditor sees them, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import orjson
import pytest

from keyturn_demo.event_log import Seen
from keyturn_events import Event

MakeSeen = Callable[..., Seen]


@pytest.fixture
def seen() -> MakeSeen:
    """`seen(PurchaseSigned, cause="…", recorded=1.5, purchase_id="…")` is an event of that type."""
    numbers = count(1)

    def make(
        event_class: type[Event],
        *,
        id: str | None = None,
        cause: str | None = None,
        recorded: float = 0.0,
        **data: Any,
    ) -> Seen:
        return Seen(
            id=id or f"e{next(numbers)}",
            type=event_class.type,
            subject=str(data.get("customer_id", "")),
            recorded=recorded,
            cause=cause,
            data=data,
            digest=hash(orjson.dumps(data)),
        )

    return make

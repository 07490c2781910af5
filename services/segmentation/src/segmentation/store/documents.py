"""How states become documents and rows, and documents states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from segmentation.domain.models import SegmentModel, SilenceModel
from segmentation.domain.movement import CustomerFile, Entry
from segmentation.domain.shelf import Model
from segmentation.domain.standing import Membership, Standing

MODEL: Final[TypeAdapter[Model]] = TypeAdapter(SegmentModel | SilenceModel)


def model_row(model: Model, published_at: datetime) -> dict[str, Any]:
    """The row of a model that is rolled out to nobody yet."""
    return {
        "model": model.model,
        "version": model.version,
        "document": MODEL.dump_python(model, mode="json"),
        "published_at": published_at,
        "rolled_out_to": "",
    }


TIMELINE: Final = ("customer_id", "at", "event_id", "type", "facts")
"""The columns of `timeline`, in the order of `timeline_row`."""


def timeline_row(entry: Entry) -> tuple[str, datetime, str, str, str]:
    """The row of a line of the timeline."""
    event = entry.event
    facts = event.model_dump_json(exclude=_NAMED_BY_COLUMNS, exclude_none=True)
    return entry.customer_id, entry.at, entry.event_id, event.type, facts


_NAMED_BY_COLUMNS: Final = {"customer_id"}


def file_of(row: Any) -> CustomerFile:
    """The file that a row of `customers` holds."""
    return CustomerFile(row.customer_id, row.survivor_id, row.facts, _standing(row.standing))


def _standing(document: Mapping[str, Any]) -> Standing:
    """The standing that a document holds. By hand: it is read for every event that comes."""
    return Standing(
        as_of=_moment(document["as_of"]),
        memberships={
            model: Membership(
                segment=known["segment"],
                rule=known["rule"],
                version=known["version"],
                inputs=known["inputs"],
                missing=tuple(known["missing"]),
                since=datetime.fromisoformat(known["since"]),
                caused_by=known["caused_by"],
            )
            for model, known in document["memberships"].items()
        },
        next_change=_moment(document["next_change"]),
        silence_due=_moment(document["silence_due"]),
        dormant_since=_moment(document["dormant_since"]),
        silent_since=_moment(document["silent_since"]),
    )


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)

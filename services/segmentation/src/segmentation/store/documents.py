"""How states become documents and rows, and documents states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from segmentation.domain.facts import Facts
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


def timeline_row(entry: Entry) -> dict[str, Any]:
    """The row of a line of the timeline."""
    return {
        "customer_id": entry.customer_id,
        "at": entry.at,
        "event_id": entry.event_id,
        "type": entry.event.type,
        "facts": orjson.Fragment(
            entry.event.model_dump_json(exclude={"customer_id"}, exclude_none=True)
        ),
    }


def file_of(row: Any) -> CustomerFile:
    """The file that a row of `customers` holds."""
    facts: Facts = {name: tuple(fact) for name, fact in row.facts.items()}
    return CustomerFile(row.customer_id, row.survivor_id, facts, _standing(row.standing))


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

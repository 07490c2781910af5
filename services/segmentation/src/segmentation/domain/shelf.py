"""Publishing a model: the next version, never another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from keyturn_events import Event
from keyturn_events.refusal import Refusal, RefusalKind
from segmentation.domain.models import Models, SegmentModel, SilenceModel, checked
from segmentation.domain.occasion import Occasion

Model: TypeAlias = SegmentModel | SilenceModel


@dataclass(frozen=True, slots=True)
class Shelf:
    """The latest version of every model, and those that were published with them."""

    models: Mapping[str, Model]
    published: Mapping[str, datetime]
    """When each was published that is not stored yet."""


def publish(shelf: Shelf, model: Model, cause: Occasion) -> tuple[Shelf, list[Event]]:
    """Put the next version of a model on the shelf; the worker then moves who has to be moved.

    Raises `Refusal` when it is not the next version, is of another kind than the one before, or
    cannot decide.
    """
    current = shelf.models.get(model.model)
    expected = 1 if current is None else current.version + 1
    if model.version != expected:
        raise Refusal(
            "model-version-taken",
            f"The next version of {model.model} is {expected}; look at what has changed, then"
            " publish with that version.",
            pointer="/version",
        )
    if current is not None and type(current) is not type(model):
        raise Refusal(
            "model-kind-differs",
            f"{model.model} is another kind of model; choose another name.",
            kind=RefusalKind.INVALID,
            pointer="/model",
        )
    if isinstance(model, SegmentModel):
        checked(model)
    return (
        replace(
            shelf,
            models={**shelf.models, model.model: model},
            published={**shelf.published, model.model: cause.at},
        ),
        [],
    )


def deciding(shelf: Mapping[str, Model]) -> Models:
    """The models of a shelf by what they decide."""
    silence = next(model for model in shelf.values() if isinstance(model, SilenceModel))
    return Models(
        tuple(model for model in shelf.values() if isinstance(model, SegmentModel)), silence
    )

"""The files that a batch of inputs needs, in memory, and what its decisions make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Deadline
from keyturn_events.intake import CustomerErased
from segmentation.domain.models import SegmentModel, SilenceModel
from segmentation.domain.movement import BIRTHDAY, SILENCE, CustomerFile, Dossier, Entry
from segmentation.domain.shelf import Model, Shelf, deciding
from segmentation.store.needs import Subject, customers_of

Versioned: TypeAlias = tuple[int, CustomerFile]
"""A file with the version of its row."""


class SegmentationWorkingSet:
    """The files that a batch of inputs needs, and what its decisions have made of them."""

    def __init__(
        self,
        loaded: Mapping[str, Versioned],
        shelf: Mapping[str, Model],
        lines: Mapping[str, int] | None = None,
    ) -> None:
        self._loaded = loaded
        self._lines = lines or {}
        self._files = {customer_id: file for customer_id, (_, file) in loaded.items()}
        self._people: dict[str, list[str]] = {}
        for customer_id, file in self._files.items():
            self._people.setdefault(file.survivor_id, []).append(customer_id)
        self._models = deciding(shelf)
        self._entries: list[Entry] = []
        self._touched: dict[str, None] = {}
        self.shelf = Shelf(shelf, {})

    def state_for(self, input: Input[Subject], /) -> Dossier | Shelf:
        """The dossier of all whom the input concerns, or the shelf for a model."""
        if isinstance(input.value, (SegmentModel, SilenceModel)):
            return self.shelf
        files: dict[str, CustomerFile] = {}
        for customer_id in customers_of(input.value):
            file = self._files.get(customer_id)
            if file is None:
                files[customer_id] = CustomerFile(customer_id, customer_id)
                continue
            for of_person in self._people[file.survivor_id]:
                files[of_person] = self._files[of_person]
        if isinstance(input.value, CustomerErased):
            return Dossier(files, self._models, lines=self._lines_of(input.value.customer_id))
        return Dossier(files, self._models)

    def put(self, state: Dossier | Shelf, /) -> None:
        """Take the files, or the shelf, as a decision left them."""
        if isinstance(state, Shelf):
            self.shelf = state
            return
        for customer_id, file in state.files.items():
            known = self._files.get(customer_id)
            if known is file:
                continue
            self._files[customer_id] = file
            self._touched[customer_id] = None
            if known is not None and known.survivor_id == file.survivor_id:
                continue
            if known is not None:
                self._people[known.survivor_id].remove(customer_id)
            self._people.setdefault(file.survivor_id, []).append(customer_id)
        self._entries.extend(state.entries)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """The timers of everybody whose timers have changed."""
        return {
            change.file.customer_id: [Deadline(kind, due_at) for kind, due_at in wanted]
            for change in self.changes()
            if (wanted := _timers(change.file)) != _timers(change.before)
        }

    def changes(self) -> list[Change]:
        """Each file that is to be written.

        With any file of a person the survivor's is written too: whoever judges the person at the
        same time from other files then learns that they have changed.
        """
        written = dict.fromkeys(
            id for customer_id in self._touched for id in (customer_id, self._survivor(customer_id))
        )
        return [
            Change(self._loaded.get(customer_id), self._files[customer_id])
            for customer_id in written
        ]

    def entries(self) -> Iterator[Entry]:
        """The timeline lines to add; none for who was erased since they were decided."""
        return (entry for entry in self._entries if not self._files[entry.customer_id].erased)

    def _lines_of(self, customer_id: str) -> int:
        file = self._files.get(customer_id)
        if file is not None and file.erased:
            return 0
        new = sum(entry.customer_id == customer_id for entry in self._entries)
        return self._lines.get(customer_id, 0) + new

    def _survivor(self, customer_id: str) -> str:
        return self._files[customer_id].survivor_id


@dataclass(frozen=True, slots=True)
class Change:
    """A file after a batch of decisions, and as it was loaded: None when it is new."""

    loaded: Versioned | None
    file: CustomerFile

    @property
    def before(self) -> CustomerFile | None:
        """The file as it was loaded."""
        return None if self.loaded is None else self.loaded[1]

    @property
    def row(self) -> dict[str, Any]:
        """The row of `customers`."""
        return {
            "customer_id": self.file.customer_id,
            "survivor_id": self.file.survivor_id,
            "version": 1 if self.loaded is None else self.loaded[0] + 1,
            "facts": self.file.facts,
            "standing": self.file.standing,
        }

    @property
    def moves(self) -> Iterator[dict[str, Any]]:
        """The rows of `memberships` that are new or have another segment."""
        known = {} if self.before is None else self.before.standing.memberships
        memberships = self.file.standing.memberships
        if memberships is known:
            return
        for model, membership in memberships.items():
            if model not in known or known[model].segment != membership.segment:
                yield {
                    "customer_id": self.file.customer_id,
                    "model": model,
                    "segment": membership.segment,
                    "since": membership.since,
                }

    @property
    def left_all_segments(self) -> bool:
        """Whether the customer is in no segment any more: merged into another, or erased."""
        return (
            self.before is not None
            and bool(self.before.standing.memberships)
            and not self.file.standing.memberships
        )

    @property
    def erased(self) -> bool:
        """Whether the timeline has to go."""
        return self.file.erased and self.before is not None and not self.before.erased


def _timers(file: CustomerFile | None) -> list[tuple[str, datetime]]:
    if file is None:
        return []
    due = (
        (BIRTHDAY, file.standing.next_change),
        (SILENCE, file.standing.silence_due),
    )
    return [(kind, due_at) for kind, due_at in due if due_at is not None]

"""The part of the desk's store that a batch looks at, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Deadline
from service_desk.domain import cases
from service_desk.store import filing
from service_desk.store.desk import Desk
from service_desk.store.needs import CASE_DEADLINE, CASE_OWNER


@dataclass(slots=True)
class DeskWorkingSet(Desk):
    """The desk's rows as files to decide on, and the files back to rows."""

    def state_for(self, input: Input[Any]) -> object:
        """The file that a decision on this input looks at."""
        return filing.file_for(input.value, self)

    def put(self, state: object) -> None:
        """Take back what a decision made of its file."""
        filing.take_back(state, self)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """All that time will do to each case that changed."""
        return {
            f"{CASE_OWNER}{case_id}": [
                Deadline(CASE_DEADLINE, deadline.due_at, deadline.kind)
                for deadline in cases.deadlines(case, self.calendar_of(case))
            ]
            for case_id, _, case in self.cases.changes()
        }

"""What the store does for one subject: which inputs it serves, what they need, what they look at.

Each subject has a module in `subjects/` with one `Subject`; `subjects/__init__.py` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.store.needs import Needs
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Deadline


class Subject:
    """Override what the subject has; the rest means that there is none of it.

    Rows that several subjects share (customers, leads, purchases) are asked for with `Needs` and
    found in the working set. Rows of its own a subject loads and saves itself, with a number of
    statements that does not grow with the batch, and keeps in a part of the working set.
    """

    inputs: ClassVar[tuple[type, ...]] = ()
    """The commands and events whose decisions look at the state that this subject gives."""
    timers: ClassVar[tuple[str, ...]] = ()
    """The kinds of timers likewise."""
    states: ClassVar[tuple[type, ...]] = ()
    """The types of state that `put` takes, beside dossiers and documents."""

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """Ask for the rows that the decision on `input` looks at."""

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Load rows of its own, after the shared ones."""

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Any:  # noqa: ARG002 - for others
        """What the decision on `input` looks at, as of now. Raises `Refusal`."""
        raise AssertionError(f"{type(self).__name__} has no state for {type(input.value).__name__}")

    def version(self, rows: IntakeWorkingSet, input: Input[Any]) -> int:  # noqa: ARG002 - for others
        """The version of what a command is about, for those whose route takes If-Match."""
        raise AssertionError(f"{type(self).__name__} has no version for If-Match")

    def put(self, rows: IntakeWorkingSet, state: Any) -> None:
        """Take a state of `states` that a decision handed back."""

    def deadlines(
        self,
        rows: IntakeWorkingSet,  # noqa: ARG002 - for others
    ) -> Mapping[str, Sequence[Deadline]]:
        """For each changed owner of timers of this subject, all that it should have now."""
        return {}

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write rows of its own, after the shared ones."""

"""What the terminal shows while the demo runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed


class Step:
    """One phase under way."""

    def __init__(self, progress: Progress, name: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total)

    def expect(self, total: int) -> None:
        """Say how many things there are to do."""
        self._progress.update(self._task, total=total)

    def advance(self, number: int = 1) -> None:
        """So many more are done."""
        self._progress.advance(self._task, number)

    def reached(self, number: int) -> None:
        """So many are done by now."""
        self._progress.update(self._task, completed=number)

    def say(self, text: str) -> None:
        """Say what is being done or waited for."""
        self._progress.update(self._task, description=text)


class Phases:
    """The phases of a run: shown as they go, with their seconds kept for the report."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Show a phase until the end of the block."""
        began = time.monotonic()
        with Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            Elapsed(),
            console=self._console,
            transient=True,
        ) as progress:
            yield Step(progress, name, total)
        taken = self.seconds[name] = time.monotonic() - began
        self._console.print(f"  [green]✓[/] {name} [dim]{taken:.1f} s[/]", highlight=False)

"""Dead letters on the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from keyturn_chassis import dead_letters, replay
from keyturn_chassis.runtime import Runtime

T = TypeVar("T")


class Run(Protocol):
    """Runs a piece of work with the service's runtime and returns what it returns."""

    def __call__(self, work: Callable[[Runtime], Awaitable[T]], /) -> T:
        """Do it."""
        ...


def dead_letters_cli(run: Run) -> typer.Typer:
    """The commands `list`, `show`, `replay` and `discard`."""
    cli = typer.Typer(help="Events that could not have their effects.", no_args_is_help=True)
    cli.command("list")(_list(run))
    cli.command("show")(_show(run))
    cli.command("replay")(_replay(run))
    cli.command("discard")(_discard(run))
    return cli


def _list(run: Run) -> Callable[..., None]:
    def list_parked(limit: int = 50) -> None:
        """What is parked, why, and how many wait behind it."""

        async def work(runtime: Runtime) -> list[tuple[dead_letters.DeadLetter, int]]:
            async with runtime.database.reading() as connection:
                return await dead_letters.heads(connection, runtime.service.name, limit=limit)

        table = Table("id", "subject", "reason", "detail", "parked at", "waiting")
        for letter, waiting in run(work):
            table.add_row(
                str(letter.id),
                letter.subject,
                letter.code,
                letter.detail,
                letter.parked_at.isoformat(timespec="seconds"),
                str(waiting),
            )
        Console().print(table)

    return list_parked


def _show(run: Run) -> Callable[..., None]:
    def show(id: int) -> None:
        """The record as it came: headers, an empty line, the value."""

        async def work(runtime: Runtime) -> dead_letters.DeadLetter:
            async with runtime.database.reading() as connection:
                return await dead_letters.find(connection, runtime.service.name, id)

        letter = run(work)
        for name, value in letter.record.headers:
            typer.echo(f"{name}: {value.decode(errors='replace')}")
        typer.echo()
        typer.echo((letter.record.value or b"").decode(errors="replace"))

    return show


def _replay(run: Run) -> Callable[..., None]:
    def replay_parked(id: int, dry_run: bool = False) -> None:
        """Handle a parked event and those behind it; exit 1 when one still fails."""

        async def work(runtime: Runtime) -> replay.Replayed:
            async with runtime.database.reading() as connection:
                letter = await dead_letters.find(connection, runtime.service.name, id)
            return await replay.replay(runtime, letter.subject, dry_run=dry_run)

        _tell(run(work), "would handle" if dry_run else "handled")

    return replay_parked


def _discard(run: Run) -> Callable[..., None]:
    def discard(id: int) -> None:
        """Drop a parked event for good, and handle those behind it."""

        async def work(runtime: Runtime) -> replay.Replayed:
            return await replay.discard(runtime, id)

        _tell(run(work), "discarded; handled")

    return discard


def _tell(outcome: replay.Replayed, verb: str) -> None:
    typer.echo(f"{verb} {outcome.handled}, {outcome.remaining} remain")
    if outcome.code is not None:
        typer.echo(f"stopped at {outcome.code}: {outcome.detail}")
        raise typer.Exit(1)

"""`python -m bench`: measure everything, or what is named."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from bench import report
from bench.measures import SUBJECTS
from bench.measures.subject import FULL, SHORT, Sizes, Subject
from bench.rounds import Comparison, Result, compared, turns
from bench.stage import Stage, state_directory
from keyturn_local.errors import StackError
from keyturn_local.stack import Stack

BROKER = "apache"
"""The broker that figures are reported on."""
ROUNDS = 5
QUIET_SECONDS = 0.5
QUIET_PERCENT = 15.0
"""What idle servers may take of the machine before a round."""
OUTPUT = Path("build/bench.json")

app = typer.Typer(help=__doc__, add_completion=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@app.command()
def main(
    *,
    only: Annotated[
        str, typer.Option(envvar="ONLY", help="Names, separated by commas; else all.")
    ] = "",
    rounds: Annotated[int, typer.Option(envvar="ROUNDS", min=1, max=99)] = ROUNDS,
    short: Annotated[
        bool, typer.Option(envvar="SHORT", help="Smaller numbers: to see that it works.")
    ] = False,
    list_names: Annotated[bool, typer.Option("--list", help="List the names and stop.")] = False,
    keep: Annotated[
        bool, typer.Option(envvar="KEEP", help="Leave PostgreSQL and the broker running.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Where the figures are written.")] = OUTPUT,
) -> None:
    """Measure, print a table, and write `build/bench.json`."""
    if list_names:
        for name in _names():
            console.print(name)
        return
    wanted = _wanted(only)
    broker = os.environ.get("BROKER") or BROKER
    stack = Stack(
        state_directory(),
        broker=broker,
        postgres_url=os.environ.get("POSTGRES_URL") or None,
        report=_note,
    )
    try:
        stack.up(services=False)
        stage = Stage(stack, _note)
        results = asyncio.run(_measure(stage, wanted, rounds, SHORT if short else FULL))
    except StackError as error:
        console.print(str(error), style="bold red")
        raise typer.Exit(1) from error
    finally:
        if not keep:
            stack.clean()
    report.show(console, results)
    report.write(output, results, broker)
    console.print(f"\n{output} · {report.machine()}", style="dim")
    missing = wanted - {result.comparison.name for result in results}
    if missing:
        raise typer.Exit(1)


def _note(text: str) -> None:
    console.print(f"  {text}", style="dim")


def _names() -> list[str]:
    return [comparison.name for subject in SUBJECTS for comparison in subject.comparisons]


def _wanted(only: str) -> set[str]:
    names = {name.strip() for name in only.split(",") if name.strip()}
    unknown = names - set(_names())
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))} is not measured; `--list` lists the names."
        )
    return names or set(_names())


async def _measure(stage: Stage, wanted: set[str], rounds: int, sizes: Sizes) -> list[Result]:
    results: list[Result] = []
    for subject in SUBJECTS:
        comparisons = [one for one in subject.comparisons if one.name in wanted]
        if not comparisons:
            continue
        try:
            results += await _measure_subject(stage, subject, comparisons, rounds, sizes)
        except Exception as error:  # noqa: BLE001 - what fails keeps no other measure back
            names = ", ".join(one.name for one in comparisons)
            console.print(f"{names} could not be measured: {error}", style="bold red")
    return results


async def _measure_subject(
    stage: Stage, subject: Subject, comparisons: list[Comparison], rounds: int, sizes: Sizes
) -> list[Result]:
    names = list(dict.fromkeys(n for one in comparisons for n in (one.ours, one.baseline)))
    figures: dict[str, list[float]] = {name: [] for name in names}
    console.print(f"Preparing {', '.join(one.name for one in comparisons)}", style="dim")
    async with subject.contenders(stage, sizes) as contenders:
        for number, order in enumerate(turns(names, min(rounds, subject.most_rounds)), 1):
            busy = psutil.cpu_percent(interval=QUIET_SECONDS)
            if busy > QUIET_PERCENT:
                _note(f"something else takes {busy:.0f} % of the machine: these figures are off")
            taken = {name: await contenders[name]() for name in order}
            for name, figure in taken.items():
                figures[name].append(figure)
            told = " · ".join(f"{name} {report.written(taken[name])}" for name in names)
            _note(f"round {number}: {told}")
    return [compared(comparison, figures) for comparison in comparisons]


if __name__ == "__main__":
    app()

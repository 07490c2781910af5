"""`python -m keyturn_local`: the local stack from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keyturn_local.errors import StackError
from keyturn_local.processes import environment
from keyturn_local.services import service_named
from keyturn_local.stack import Stack

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
console = Console()
errors = Console(stderr=True)

Name = Annotated[str, typer.Argument(help="A process, e.g. intake-api; `status` lists them.")]

# Settings of the services that the caller's environment may give to `up`.
PASSED_ON = ("KEYTURN_CLOCK", "KEYTURN_LOG_LEVEL", "KEYTURN_CHANNEL_FILE", "KEYTURN_SMTP_HOST")


def _stack() -> Stack:
    settings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return Stack(
        broker=os.environ.get("BROKER") or None,
        postgres_url=os.environ.get("POSTGRES_URL") or None,
        settings=settings,
        report=lambda step: console.print(f"  {step}", style="dim", highlight=False),
    )


@app.command()
def up() -> None:
    """Start what is down: PostgreSQL, the broker, the four services."""
    stack = _stack()
    stack.up()
    _print_status(stack)


@app.command()
def down() -> None:
    """Stop everything and check that no process is left."""
    killed = _stack().down()
    for name in killed:
        console.print(f"{name} did not end in time and was killed", style="yellow")
    console.print("Everything is stopped.")


@app.command()
def status() -> None:
    """Say how every process is; exit code 1 unless all are ready."""
    if not _print_status(_stack()):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="Only logs whose name begins so.")] = None,
    lines: Annotated[int, typer.Option(help="How many lines of each to show first.")] = 10,
    follow: Annotated[bool, typer.Option(help="Keep showing what is added.")] = False,
) -> None:
    """Show the logs."""
    files = [str(file) for file in _stack().log_files(name)]
    if not files:
        raise StackError("there are no such logs yet")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *files]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def start(name: Name) -> None:
    """Start one process that is down."""
    console.print(f"{name} runs with pid {_stack().start(name)}")


@app.command()
def restart(name: Name) -> None:
    """Stop one process gracefully and start it again."""
    console.print(f"{name} runs with pid {_stack().restart(name)}")


@app.command()
def kill(
    name: Name,
    signal_name: Annotated[str, typer.Option("--signal", help="Which signal.")] = "KILL",
) -> None:
    """Kill one process by its pid, to see that nothing is lost."""
    try:
        number = signal.Signals[f"SIG{signal_name.upper().removeprefix('SIG')}"]
    except KeyError:
        raise StackError(f"there is no signal {signal_name!r}") from None
    console.print(f"{name} (pid {_stack().kill(name, number)}) got {number.name}")


@app.command()
def topics() -> None:
    """Create the declared topics that are missing, and list all."""
    for topic in _stack().ensure_topics():
        console.print(topic)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run(context: typer.Context, service: str) -> None:
    """Run a service's own command with this stack's settings, e.g. `run intake token`."""
    command = [sys.executable, "-m", service_named(service).module, *context.args]
    env = environment(_stack().env(service))
    raise typer.Exit(subprocess.run(command, env=env, check=False).returncode)


@app.command()
def clean() -> None:
    """Stop everything and remove its data."""
    _stack().clean()
    console.print("The stack and its data are gone.")


def _print_status(stack: Stack) -> bool:
    """Print a table; return whether everything runs and is ready."""
    rows = stack.status()
    if not rows:
        console.print("Nothing runs; `make up` starts the stack.")
        return False
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("process", "state", "pid", "where"):
        table.add_column(column)
    for row in rows:
        state = "ready" if row.ready else "not ready" if row.pid else "down"
        colour = {"ready": "green", "not ready": "yellow", "down": "red"}[state]
        docs = "/docs" if row.name.endswith("-api") else ""
        where = f"{row.url}{docs}" if row.url else f"127.0.0.1:{row.port}"
        table.add_row(row.name, f"[{colour}]{state}[/]", str(row.pid or ""), where)
    console.print(table)
    console.print(f"Logs and data: {stack.state_dir}", style="dim", highlight=False)
    return all(row.ready for row in rows)


def main() -> int:
    """Run the command line; a stack's error is printed without a traceback."""
    try:
        app(standalone_mode=True)
    except StackError as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

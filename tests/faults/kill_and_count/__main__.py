"""What `make faults` runs. Exit code 1: something was lost or doubled, or the state differs."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from keyturn_demo.clocks import ClockStuck
from keyturn_demo.doors.files import ImportStuck
from keyturn_demo.doors.http import ServiceAway, UnexpectedAnswer
from keyturn_demo.kafka import BrokerAway
from keyturn_local.errors import StackError
from tests.faults.kill_and_count.options import Options, OptionsError, read_options
from tests.faults.kill_and_count.report import show, write
from tests.faults.kill_and_count.rest import NotAtRest
from tests.faults.kill_and_count.run import kill_and_count

NOT_SOUND = 1
CANNOT_RUN = 2

CANNOT = (OptionsError, StackError)
NEVER_DONE = (NotAtRest, UnexpectedAnswer, ServiceAway, ClockStuck, ImportStuck, BrokerAway)
"""What ends a run because the stack did not get over a fault."""


def main() -> int:
    """Run as the environment says."""
    console = Console()
    # While a broker is away its clients say so many times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    code = CANNOT_RUN
    try:
        code = _run(read_options(os.environ), console)
    except* CANNOT as group:
        for error in _leaves(group):
            console.print(f"Cannot run: {error}", style="red", markup=False)
    except* NEVER_DONE as group:
        code = NOT_SOUND
        for error in _leaves(group):
            console.print(f"The stack did not get over it: {error}", style="red", markup=False)
    return code


def _run(options: Options, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="keyturn-faults-") as directory:
        # PostgreSQL, which does not run as root, has to get in.
        Path(directory).chmod(0o755)
        verdict = asyncio.run(
            kill_and_count(
                Path(directory),
                broker=options.broker,
                seed=options.seed,
                size=options.size,
                console=console,
                logs=options.output / "faults-logs",
            )
        )
    written = write(verdict, options.output)
    show(verdict, console)
    console.print(f"  figures in {written}, logs in {options.output / 'faults-logs'}")
    return 0 if verdict.sound else NOT_SOUND


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group, without the groups between."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())

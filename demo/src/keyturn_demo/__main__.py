"""`python -m keyturn_demo`: what `make demo` runs. Exit code 1: the audit found faults."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import warnings

from rich.console import Console

from keyturn_demo.clocks import ClockStuck
from keyturn_demo.doors.files import ImportStuck
from keyturn_demo.doors.http import ServiceAway, UnexpectedAnswer
from keyturn_demo.kafka import BrokerAway
from keyturn_demo.options import OptionsError, read_options
from keyturn_demo.records import RecordsError
from keyturn_demo.run import run
from keyturn_demo.session import StackNotFresh
from keyturn_local.errors import StackError

FAULTS_FOUND = 1
CANNOT_RUN = 2

SAID_PLAINLY = (
    OptionsError,
    RecordsError,
    StackError,
    StackNotFresh,
    ServiceAway,
    UnexpectedAnswer,
    ImportStuck,
    ClockStuck,
    BrokerAway,
)


def main() -> int:
    """Run the demo as the environment says."""
    console = Console()
    # While a broker is away its clients say so many times a second; the supervisor says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # The stack's processes are meant to outlive this one.
    warnings.filterwarnings("ignore", "subprocess .* is still running", ResourceWarning)
    code = CANNOT_RUN
    try:
        figures = asyncio.run(run(read_options(os.environ), console))
        code = 0 if figures.sound else FAULTS_FOUND
    except* SAID_PLAINLY as group:
        for error in _leaves(group):
            console.print(f"The demo cannot go on: {error}", style="red", markup=False)
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group, without the groups between."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())

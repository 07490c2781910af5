"""`python -m keyturn_demo`: what `make demo` runs. Exit code 1: the audit found faults.

`python -m keyturn_demo trace <customer id>` prints what befell a customer of the running stack.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from keyturn_demo.clocks import ClockStuck
from keyturn_demo.doors.files import ImportStuck
from keyturn_demo.doors.http import ServiceAway, UnexpectedAnswer
from keyturn_demo.kafka import BrokerAway
from keyturn_demo.options import OptionsError, read_options
from keyturn_demo.records import RecordsError
from keyturn_demo.run import run, trace
from keyturn_demo.session import StackNotFresh
from keyturn_local.errors import StackError
from keyturn_local.stack import Stack

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


USAGE: Final = "usage: python -m keyturn_demo [trace <customer id>]"


def main(arguments: Sequence[str]) -> int:
    """Run the demo as the environment says, or print a customer's trace."""
    console = Console()
    # While a broker is away its clients say so many times a second; the supervisor says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # The stack's processes are meant to outlive this one.
    warnings.filterwarnings("ignore", "subprocess .* is still running", ResourceWarning)
    code = CANNOT_RUN
    try:
        match arguments:
            case []:
                figures = asyncio.run(run(read_options(os.environ), console))
                code = 0 if figures.sound else FAULTS_FOUND
            case ["trace", customer_id]:
                asyncio.run(trace(running_stack(), customer_id, console))
                code = 0
            case _:
                console.print(USAGE, markup=False)
    except* SAID_PLAINLY as group:
        for error in _leaves(group):
            console.print(f"The demo cannot go on: {error}", style="red", markup=False)
    return code


def running_stack() -> Stack:
    """The stack that was started last. Raises `StackError` when there is none."""
    stack = Stack()
    if not stack.kafka_bootstrap:
        raise StackError("nothing runs here yet: `make demo` or `make up` starts the stack")
    return stack


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group, without the groups between."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

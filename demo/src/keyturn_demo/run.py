"""One run of the demo: the stack, the journeys, the report, and where everything is afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
from rich.console import Console

from keyturn_demo.figures import Figures
from keyturn_demo.generated import live
from keyturn_demo.options import Options
from keyturn_demo.records import require_records
from keyturn_demo.relived import BEGINNINGS, relive
from keyturn_demo.report import plain_text, report
from keyturn_demo.session import SETTINGS, open_world
from keyturn_demo.trace import last_buyer, read_trace
from keyturn_demo.trace_report import highlights, trace_report
from keyturn_demo.world import SERVICES
from keyturn_local.stack import Stack


async def run(options: Options, console: Console) -> Figures:
    """Run the demo and write its report; the stack is left running."""
    began = time.monotonic()
    stack = Stack(
        broker=options.broker,
        postgres_url=options.postgres_url,
        settings=SETTINGS,
        report=lambda step: console.print(f"  {step}", style="dim", highlight=False),
    )
    figures = await drive(stack, options, console, began)
    console.print()
    console.print(report(figures))
    written = write(figures, options.output)
    if options.data is None:
        await _show_a_trace(stack, console)
    console.print(_whereabouts(stack, written), highlight=False, markup=True)
    return figures


async def trace(stack: Stack, customer_id: str, console: Console) -> None:
    """Print every input of a customer with all that followed from it, from a running stack."""
    found = await read_trace(stack.kafka_bootstrap, customer_id)
    console.print(trace_report(customer_id, found))


async def _show_a_trace(stack: Stack, console: Console) -> None:
    """Print the lead and the purchase of the last buyer as trees."""
    customer_id = await last_buyer(stack.kafka_bootstrap)
    if customer_id is None:
        return
    found = await read_trace(stack.kafka_bootstrap, customer_id)
    console.print(trace_report(customer_id, found, highlights(found)))
    console.print(f"All of it: make trace CUSTOMER={customer_id}\n", highlight=False)


async def drive(stack: Stack, options: Options, console: Console, began: float) -> Figures:
    """Drive the journeys on a stack, starting it if need be."""
    if options.data is None:
        async with open_world(stack, console) as world:
            return await live(world, options, began)
    require_records(options.data)
    async with open_world(stack, console, relive_from=BEGINNINGS) as world:
        return await relive(world, options.data, began)


def write(figures: Figures, directory: Path) -> Path:
    """Write `journey.json` and `journey.txt`; the directory they are in."""
    directory.mkdir(parents=True, exist_ok=True)
    document = orjson.dumps(figures.as_json(), option=orjson.OPT_INDENT_2)
    (directory / "journey.json").write_bytes(document + b"\n")
    (directory / "journey.txt").write_text(plain_text(figures), encoding="utf-8")
    return directory


def _whereabouts(stack: Stack, written: Path) -> str:
    urls = stack.urls
    lines = [
        f"The report is in [bold]{written}/journey.txt[/], its figures in {written}/journey.json.",
        "",
        "The services are still running:",
        *(f"  {name:<13} {urls[f'{name}-api']}/docs" for name in SERVICES),
        "A token to try them with:",
        "  .venv/bin/python -m keyturn_local run segmentation token --scope customers:read",
        "[bold]make status[/] says how the stack is, [bold]make down[/] stops it.",
    ]
    return "\n".join(lines)

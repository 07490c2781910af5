"""What a run came to: for people, and as `faults.json`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console

from tests.faults.kill_and_count.canonical import digests
from tests.faults.kill_and_count.run import Verdict

MOST_DIFFERENCES: Final = 200
"""Differences that `faults.json` lists."""
MOST_LINES: Final = 10
"""Lost or doubled effects that are shown one by one."""


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The content of `build/faults.json`."""
    run, clean = verdict.faulted, verdict.clean
    counted = run.counted
    return {
        "broker": verdict.broker,
        "seed": verdict.seed,
        "households": verdict.households,
        "seconds": round(verdict.seconds, 1),
        "faults": dict(sorted(Counter(fault.kind.value for fault in run.struck.faults).items())),
        "missed": [str(fault) for fault in run.struck.missed],
        "accepted": counted.accepted,
        "effects": counted.effects,
        "lost": len(counted.lost),
        "doubled": len(counted.doubled),
        "parked": run.parked,
        "parked_without_faults": clean.parked,
        "poison": run.poison,
        "events": counted.events,
        "redelivered": counted.redelivered,
        "sent_again": run.sent_again,
        "ended_by_themselves": run.struck.revived,
        "state_equal": verdict.state_equal,
        "first_difference": next(map(str, verdict.differences), None),
        "differences": [str(difference) for difference in verdict.differences[:MOST_DIFFERENCES]],
        "rows_compared": sum(
            len(rows) for tables in clean.state.values() for rows in tables.values()
        ),
        "state_hashes": digests(run.state),
    }


def write(verdict: Verdict, directory: Path) -> Path:
    """Write `faults.json`; where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "faults.json"
    document = orjson.dumps(as_json(verdict), option=orjson.OPT_INDENT_2)
    path.write_bytes(document + b"\n")
    return path


def show(verdict: Verdict, console: Console) -> None:
    """Say what the run came to, and how to have it again."""
    figures = as_json(verdict)
    faults = figures["faults"]
    console.print()
    console.print(
        f"Kill-and-count · {sum(faults.values())} faults of {len(faults)} kinds"
        f" · broker {verdict.broker}, seed {verdict.seed} · {verdict.seconds:.0f} s",
        style="bold",
        highlight=False,
    )
    for kind, number in faults.items():
        console.print(f"  {number:>3} {kind}", highlight=False)
    console.print(
        f"\n  accepted inputs {figures['accepted']:,} · with their effects {figures['effects']:,}"
        f" · lost {figures['lost']} · doubled {figures['doubled']}\n"
        f"  {figures['events']:,} events; {figures['redelivered']:,} records came again and had no"
        f" second effect; {figures['sent_again']:,} requests and records were sent again\n"
        f"  poison {figures['poison']} · parked with what waited behind it {figures['parked']}"
        f" (without faults {figures['parked_without_faults']})",
        highlight=False,
    )
    for line in [*verdict.faulted.counted.lost, *verdict.faulted.counted.doubled][:MOST_LINES]:
        console.print(f"  {line}", style="red", markup=False, highlight=False)
    if verdict.state_equal:
        console.print(
            f"  the state of every service equals that of the run without faults:"
            f" {figures['rows_compared']:,} rows"
        )
    else:
        console.print(f"  {len(verdict.differences)} differences; the first:", style="red")
        first = str(verdict.differences[0])
        console.print(f"  {first}", style="red", markup=False, highlight=False)
    console.print(f"  the same again: make faults SEED={verdict.seed} BROKER={verdict.broker}")

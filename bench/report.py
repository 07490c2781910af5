"""Tells what was measured: a table for people, `build/bench.json` for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.rounds import Result


def machine() -> str:
    """What it was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} × {_processor()}, {memory:.0f} GiB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}"
    )


def document(results: Sequence[Result], broker: str) -> dict[str, object]:
    """The content of `bench.json`."""
    return {
        "machine": machine(),
        "broker": broker,
        "results": [
            {
                "name": result.comparison.name,
                "ours": _figure(result.ours),
                "baseline": _figure(result.baseline),
                "ratio": _figure(result.ratio),
                "unit": result.comparison.unit,
                "min": _figure(result.least),
                "max": _figure(result.most),
            }
            for result in results
        ],
    }


def write(path: Path, results: Sequence[Result], broker: str) -> None:
    """Write `bench.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(results, broker), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "ours", "baseline", "unit", "ratio", "min … max", "wanted"):
        table.add_column(name, justify="left" if name in ("", "unit") else "right")
    for result in results:
        comparison = result.comparison
        sign = "≤" if comparison.at_most else "≥"
        style = "" if result.reached else "bold red"
        table.add_row(
            comparison.name,
            written(result.ours),
            written(result.baseline),
            comparison.unit,
            written(result.ratio),
            f"{written(result.least)} … {written(result.most)}",
            f"{sign} {comparison.bound:g}",
            style=style,
        )
    console.print(table)


def written(figure: float) -> str:
    """A figure with three significant digits, or as a whole number."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def _figure(figure: float) -> float:
    return float(f"{figure:.5g}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

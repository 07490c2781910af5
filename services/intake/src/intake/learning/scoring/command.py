"""`python -m intake scoring …`: from past outcomes to a model that scores leads."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import orjson
import typer

from intake.domain.scoring.scoring_models import ensure_live
from intake.learning.scoring import live
from intake.learning.scoring.table import open_table
from intake.reading.scoring_model_file import ModelFile, TrainedPart
from keyturn_chassis.database import is_transient
from keyturn_chassis.runtime import Runtime
from keyturn_events import Refusal, RefusalKind

if TYPE_CHECKING:
    from intake.learning.scoring.training import Training

T = TypeVar("T")

scoring_cli: Final = typer.Typer(
    name="scoring",
    help="A lead's chance: fit a model to past outcomes, and use it.",
    no_args_is_help=True,
)

EVERY_SECONDS: Final = 1.0
"""How often a long step says how far it is."""
PROGRESS_ROWS: Final = 50_000
REASONS: Final = 3
"""Reasons that are written beside each score of a file."""


@scoring_cli.command(name="fit")
def fit_model(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="A table: CSV of any delimiter, gzip or not."),
    ],
    outcome: Annotated[str, typer.Option(help="column=value: what is to be predicted.")],
    *,
    out: Annotated[Path, typer.Option(help="The model; its report is written beside it.")],
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN…", help="Columns not to use; --drop may be repeated too."),
    ] = None,
    time_order: Annotated[bool, typer.Option(help="The rows are in the order of time.")] = False,
    name: Annotated[
        str | None, typer.Option(help="What the model is called; without it, as its file.")
    ] = None,
) -> None:
    """Fit a model to any table; say how good it is, what it goes by, and what looks like a leak."""
    with _said_plainly():
        began = time.monotonic()
        called = _code(name or out.name.removesuffix(".json"))
        _check_place(out)
        report_path = out.with_name(out.name.removesuffix(".json") + ".report.json")
        file, dropped = _file_and_columns(words)
        training, document, page = _train(
            file, outcome, [*(drop or ()), *dropped], called, time_order=time_order
        )
        trained = TrainedPart(
            rows=training.sample.rows,
            positives=training.sample.positives,
            file_digest=training.sample.digest,
            trained_at=datetime.now(UTC).replace(microsecond=0),
        )
        model = ModelFile.of(training.fitted.model, trained)
        _write(out, model.model_dump_json(indent=1, exclude_defaults=False).encode())
        _write(report_path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        for line in page:
            typer.echo(line)
        typer.echo(f"\n{out} and {report_path} in {time.monotonic() - began:.0f} s")


@scoring_cli.command(name="score")
def score_file(
    file: Annotated[Path, typer.Argument(help="A table with the columns of the model.")],
    *,
    model: Annotated[Path, typer.Option(help="The model that `scoring fit` wrote.")],
    out: Annotated[Path, typer.Option(help="row,probability,reasons")],
) -> None:
    """Score the rows of a file, each with what counts most."""
    with _said_plainly():
        _check_place(out)
        trained = live.read_model(model).model()
        table = open_table(file)
        missing = [name for name in trained.terms if name not in table.header]
        if len(missing) == len(trained.terms):
            raise _invalid(
                "unknown-column", f"{file} has none of the model's columns: {', '.join(missing)}."
            )
        tell = _progress()
        rows = 0
        with out.open("w", encoding="utf-8", newline="") as stream:
            written = csv.writer(stream)
            written.writerow(("row", "probability", "reasons"))
            for number, row in enumerate(table.rows(), 1):
                if row is None:
                    continue
                cells = dict(zip(table.header, row, strict=True))
                estimate = trained.estimate(cells)
                reasons = islice(trained.weightiest(estimate), REASONS)
                told = "; ".join(
                    f"{name}={cells.get(name, '')} {given:+.2f}" for name, given in reasons
                )
                written.writerow((number, f"{estimate.probability:.6f}", told))
                rows += 1
                if rows % PROGRESS_ROWS == 0:
                    tell(f"scored {rows:,} rows")
        without = f"; without {', '.join(missing)}, which the file has not" if missing else ""
        typer.echo(f"{out}: {rows:,} rows{without}")


@scoring_cli.command(name="export")
def export_leads(
    out: Annotated[Path, typer.Option(help="CSV; with a name that ends in .gz it is packed.")],
) -> None:
    """Write the decided leads as they were captured, with their outcome: what to fit a model to."""
    with _said_plainly():
        _check_place(out)
        counts = _with_runtime(lambda runtime: live.export(runtime, out, _progress()))
        typer.echo(
            f"{out}: {counts['won']:,} won, {counts['lost']:,} lost; in the order of capture"
        )
        typer.echo(f"python -m intake scoring fit {out} --outcome outcome=won --time-order --out …")


@scoring_cli.command(name="load")
def load_file(
    file: Annotated[Path, typer.Argument(help="The model that `scoring fit` wrote.")],
    *,
    accept_leaks: Annotated[
        bool, typer.Option(help="Load it although fields look known only after the outcome.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Count what would change of the open leads; change nothing.")
    ] = False,
) -> None:
    """Score leads by a model from now on; the worker scores the open ones anew, in steps."""
    with _said_plainly():
        model = live.read_model(file)
        ensure_live(model.model())
        if dry_run:
            found = _with_runtime(lambda runtime: live.changes(runtime, model, _progress()))
            typer.echo(
                f"{found.leads:,} open leads: {found.changed:,} scores would change,"
                f" {found.much_higher:,} rise and {found.much_lower:,} fall by {live.MUCH} points"
                " or more. Nothing was changed."
            )
            return
        version, new = _with_runtime(
            lambda runtime: live.load(runtime, model, accept_leaks=accept_leaks)
        )
        number = None if version is None else version.version
        typer.echo(
            f"{model.name} is in use as version {number}"
            + (
                "; the worker scores the open leads anew, see GET /scoring/model."
                if new
                else " already; nothing was changed."
            )
        )


def _with_runtime(work: Callable[[Runtime], Awaitable[T]]) -> T:
    # The service is made of its commands, this one among them.
    from intake.service import service  # noqa: PLC0415

    async def main() -> T:
        runtime = Runtime(service)
        try:
            return await work(runtime)
        except Exception as error:
            if is_transient(error):
                raise _invalid(
                    "database-not-reachable",
                    "The service's database does not answer; is KEYTURN_DATABASE_URL right?",
                ) from error
            raise
        finally:
            await runtime.database.close()

    return asyncio.run(main())


def _file_and_columns(words: list[str]) -> tuple[Path, list[str]]:
    """The file, and columns that were named after a --drop that had taken one already."""
    place = next((at for at, word in enumerate(words) if Path(word).is_file()), 0)
    return Path(words[place]), words[:place] + words[place + 1 :]


def _train(
    file: Path, outcome: str, drop: list[str], name: str, *, time_order: bool
) -> tuple[Training, dict[str, Any], Iterator[str]]:
    try:
        # The libraries of the extra `learning` take seconds, and memory that api and worker save.
        from intake.learning.scoring import report  # noqa: PLC0415
        from intake.learning.scoring.training import train  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Refusal(
            "learning-not-installed",
            f"{error.name} is missing; install keyturn-intake[learning].",
            kind=RefusalKind.INVALID,
        ) from error
    training = train(file, outcome, drop, name, _progress(), time_ordered=time_order)
    return training, report.document(training), report.page(training)


@contextmanager
def _said_plainly() -> Iterator[None]:
    """A refusal is one line for whoever typed the command, and exit code 1."""
    try:
        yield
    except Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.detail}", err=True)
        raise typer.Exit(1) from refusal


def _progress() -> Callable[[str], None]:
    """Tells what goes on, on stderr; on a terminal in one line, elsewhere once in a while."""
    told = time.monotonic() - EVERY_SECONDS
    terminal = sys.stderr.isatty()

    def tell(step: str) -> None:
        nonlocal told
        now = time.monotonic()
        if terminal or now - told >= EVERY_SECONDS:
            told = now
            typer.echo(f"… {step}", err=True)

    return tell


def _code(name: str) -> str:
    """A name as a code: lower case, with hyphens for what a code has not."""
    code = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    return code or "model"


def _check_place(out: Path) -> None:
    """Whether the model can be written, before the work rather than after it."""
    parent = out.parent
    if out.is_dir():
        raise _invalid("out-not-writable", f"--out {out} is a directory; name a file in it.")
    if not parent.is_dir():
        raise _invalid("out-not-writable", f"--out {out}: there is no directory {parent}.")
    if not os.access(parent, os.W_OK):
        raise _invalid("out-not-writable", f"--out {out}: {parent} cannot be written to.")


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content + b"\n")
        partial.replace(path)
    except OSError as error:
        raise _invalid(
            "out-not-writable", f"{path} cannot be written: {error.strerror}."
        ) from error

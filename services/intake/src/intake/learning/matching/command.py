"""`python -m intake resolve FILE …`: which records of a file are one person."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import orjson
import typer

from keyturn_events import Refusal, RefusalKind

if TYPE_CHECKING:
    from intake.learning.matching.records_file import RecordsFile
    from intake.learning.matching.resolution import Resolution

resolve_cli: Final = typer.Typer()
matching_cli: Final = typer.Typer(
    name="matching", help="What a field is worth when people are compared.", no_args_is_help=True
)

EVERY_SECONDS: Final = 1.0
"""How often a long step says how far it is."""
ALONE: Final = "0"
"""The score of a record that is linked with no other."""


@resolve_cli.command(name="resolve")
def resolve_file(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="A table: CSV of any delimiter, gzip or not."),
    ],
    *,
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN[+COLUMN]…",
            help="Which columns fill a field, joined with +. Fields: name (or given_name and"
            " family_name), birth_date, phone, email, national_id, street, city, region, postcode."
            " One --map may be followed by several mappings.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="record,cluster,score; the pairs to review are written beside it.")
    ],
    id_column: Annotated[
        str | None, typer.Option("--id", help="The column of the record's id; else its number.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help="The column that says who each record is, to print how good the result is;"
            " column~pattern takes a part of it, such as 'rec_id~rec-(\\d+)'."
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What separates the cells; found out by itself otherwise.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Write what was learnt, as JSON, to this file.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(help="Write to this file, a JSON a line, why each pair is linked or asked."),
    ] = None,
) -> None:
    """Find the records of a file that are one person, without labels and without tuning."""
    with _said_plainly():
        began = time.monotonic()
        path, said = _file_and_mappings(words)
        review = out.with_name(out.name.removesuffix(".csv") + ".review.csv")
        for place in filter(None, (out, model, explain)):
            _check_place(place)
        file, found = _resolved(path, [*(mappings or ()), *said], id_column, truth, delimiter)
        _write(out, ("record", "cluster", "score"), _clusters(file, found))
        _write(review, ("record", "record", "score"), _reviews(file, found))
        if model is not None:
            from intake.reading.match_model_file import MatchModelFile  # noqa: PLC0415 - pydantic

            text = MatchModelFile.of(found.model).model_dump_json(indent=1)
            _replace(model, lambda stream: stream.write(text + "\n"))
        if explain is not None:
            _replace(explain, lambda stream: stream.writelines(_explanations(file, found)))
        for line in _page(file, found):
            typer.echo(line)
        typer.echo(f"{out} and {review} in {time.monotonic() - began:.0f} s")


@matching_cli.command(name="fit")
def fit_model(
    out: Annotated[
        Path | None, typer.Option(help="Write the model to this file as well, as JSON.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Learn and tell, but do not use it.")] = False,
) -> None:
    """Learn from the service's own customers, without labels, and use it from now on."""
    with _said_plainly():
        if out is not None:
            _check_place(out)
        try:
            from intake.learning.matching.own_customers import fit  # noqa: PLC0415 - as above
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        learnt = fit(_progress(), use=not dry_run)
        if out is not None:
            _replace(out, lambda stream: stream.write(learnt.text + "\n"))
        typer.echo(f"learnt from {learnt.customers:,} customers")
        if learnt.version is not None:
            typer.echo(f"in use from now on as version {learnt.version}")


def _missing(error: ModuleNotFoundError) -> Refusal:
    return _invalid(
        "learning-not-installed", f"{error.name} is missing; install keyturn-intake[learning]."
    )


def _file_and_mappings(words: Sequence[str]) -> tuple[Path, list[str]]:
    """The file, and the mappings that follow a `--map` with a space between."""
    files = [word for word in words if "=" not in word or Path(word).exists()]
    if len(files) != 1:
        named = f"these are {len(files)}: {', '.join(files)}" if files else "there is none"
        raise _invalid("file-not-found", f"Name one file to read; {named}.")
    return Path(files[0]), [word for word in words if word != files[0]]


def _resolved(
    path: Path,
    mappings: Sequence[str],
    id_column: str | None,
    truth: str | None,
    delimiter: str | None,
) -> tuple[RecordsFile, Resolution]:
    try:
        # The libraries of the extra `learning` take time and memory that api and worker save.
        from intake.learning.matching.records_file import (  # noqa: PLC0415
            layout,
            read_records,
        )
        from intake.learning.matching.resolution import resolve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    tell = _progress()
    how = layout(mappings, id_column, truth, delimiter)
    tell("reading", 0, 1)
    file = read_records(path, how)
    return file, resolve(file.records, tell)


def _clusters(file: RecordsFile, found: Resolution) -> Iterator[tuple[str, str, str]]:
    for place, group in enumerate(found.groups):
        support = found.support[place]
        yield file.ids[place], file.ids[group], f"{support:.6f}" if support else ALONE


def _reviews(file: RecordsFile, found: Resolution) -> Iterator[tuple[str, str, str]]:
    for pair in found.reviews:
        yield file.ids[pair.first], file.ids[pair.second], f"{pair.probability:.6f}"


def _explanations(file: RecordsFile, found: Resolution) -> Iterator[str]:
    from intake.domain.people.matching import score  # noqa: PLC0415 - with the rest
    from intake.domain.people.recognition import explanation  # noqa: PLC0415
    from intake.reading.comparing import findings  # noqa: PLC0415

    for outcome, pairs in (("link", found.links), ("review", found.reviews)):
        for pair in pairs:
            one, other = file.records[pair.first], file.records[pair.second]
            why = explanation(score(found.model, findings(one, other)))
            named = {"records": [file.ids[pair.first], file.ids[pair.second]], "outcome": outcome}
            yield orjson.dumps(named | why).decode() + "\n"


def _page(file: RecordsFile, found: Resolution) -> Iterator[str]:
    from intake.learning.matching.evaluation import quality  # noqa: PLC0415 - with the rest

    people = len(set(found.groups))
    yield (
        f"{len(file.records):,} records are {people:,} people;"
        f" {len(found.reviews):,} pairs to review"
    )
    if file.truth is None:
        return
    reviews = [(pair.first, pair.second) for pair in found.reviews]
    for name, pairs in (("automatic links", ()), ("links and review", reviews)):
        good = quality(file.truth, found.groups, pairs)
        yield (
            f"{name:17} precision {good.precision:.4f}  recall {good.recall:.4f}"
            f"  F1 {good.f1:.4f}  ({good.right:,} of {good.found:,} pairs right,"
            f" {good.true:,} true)"
        )


@contextmanager
def _said_plainly() -> Iterator[None]:
    """A refusal is one line for whoever typed the command, and exit code 1."""
    try:
        yield
    except Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.detail}", err=True)
        raise typer.Exit(1) from refusal


def _progress() -> Callable[[str, int, int], None]:
    """Tells on stderr what is being done and how much of it is done."""
    told = time.monotonic() - EVERY_SECONDS
    step = ""
    terminal = sys.stderr.isatty()

    def tell(doing: str, done: int, of: int) -> None:
        nonlocal told, step
        now = time.monotonic()
        if doing != step or now - told >= EVERY_SECONDS or (terminal and done == of):
            told, step = now, doing
            typer.echo(f"… {doing} {100 * done // max(of, 1):3} %", err=True)

    return tell


def _check_place(out: Path) -> None:
    """Whether a file can be written, before the work rather than after it."""
    if out.is_dir():
        raise _invalid("out-not-writable", f"{out} is a directory; name a file in it.")
    if not out.parent.is_dir():
        raise _invalid("out-not-writable", f"{out}: there is no directory {out.parent}.")
    if not os.access(out.parent, os.W_OK):
        raise _invalid("out-not-writable", f"{out}: {out.parent} cannot be written to.")


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    def write(stream: TextIO) -> None:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

    _replace(path, write)


def _replace(path: Path, write: Callable[[TextIO], object]) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            write(stream)
        partial.replace(path)
    except OSError as error:
        raise _invalid("out-not-writable", f"{path} cannot be written: {error.strerror}.") from None


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)

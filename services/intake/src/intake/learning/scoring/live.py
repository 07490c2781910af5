"""Between a model's file and the service's own database: export, load, and what a load changes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from pydantic import ValidationError

from intake.domain.scoring.lead_signals import SIGNALS, signals_of
from intake.domain.scoring.scoring_models import (
    LoadedModel,
    LoadModel,
    ModelRegister,
    ModelVersion,
    ensure_live,
    load_model,
)
from intake.reading.scoring_model_file import ModelFile
from intake.store.scorecards import touch_of, touches_of
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Refusal, RefusalKind, field_problems

OUTCOME: Final = "outcome"
"""The column that says won or lost."""
AT_ONCE: Final = 1_000
"""Leads that are in memory at once."""
PROGRESS_LEADS: Final = 50_000
LARGEST_MODEL: Final = 16_777_216
"""Bytes of a model's file."""
MUCH: Final = 10
"""Points by which a score changes much."""

_DECIDED: Final = (
    "SELECT l.community_id, l.status, t.touch_id, t.lead_id, t.customer_id, t.channel,"
    " t.captured_at, t.recorded_at, t.joined, t.partner_id, t.campaign, t.referral_code,"
    " t.answers::text FROM leads AS l CROSS JOIN LATERAL ("
    " SELECT * FROM touches WHERE touches.lead_id = l.lead_id AND withdrawn_at IS NULL"
    " ORDER BY position LIMIT 1) AS t"
    " WHERE l.status IN ('won', 'lost') AND l.loss_reason IS DISTINCT FROM 'erased'"
    " ORDER BY l.captured_at, l.lead_id"
)
_OPEN: Final = (
    "SELECT lead_id, community_id, score FROM leads WHERE status = 'open' AND lead_id > $1"
    " ORDER BY lead_id LIMIT $2"
)

Report = Callable[[str], None]
"""Says how far the work is."""


@dataclass(slots=True)
class Changes:
    """What a model would change of the open leads."""

    leads: int = 0
    changed: int = 0
    much_higher: int = 0
    much_lower: int = 0


async def export(runtime: Runtime, out: Path, report: Report) -> dict[str, int]:
    """Write one row a decided lead, in the order of capture; how many were won and lost.

    A row holds what the first touch said, as `domain/lead_signals.py` has it, so nothing that
    came after; and no name, no contact, no id of a person.
    """
    counts = {"won": 0, "lost": 0}
    partial = out.with_name(f".partial.{out.name}")
    async with runtime.database.reading() as connection:
        driver = await driver_of(connection)
        with _written(partial) as stream:
            table = csv.writer(stream)
            table.writerow([*SIGNALS, OUTCOME])
            async for row in driver.cursor(_DECIDED, prefetch=AT_ONCE):
                values = dict(row)
                community_id, status = values.pop("community_id"), values.pop("status")
                signals = signals_of(community_id, [touch_of(values)])
                table.writerow([*(signals.get(name, "") for name in SIGNALS), status])
                counts[status] += 1
                written = sum(counts.values())
                if written % PROGRESS_LEADS == 0:
                    report(f"wrote {written:,} leads")
    partial.replace(out)
    return counts


def read_model(path: Path) -> ModelFile:
    """The file of a model. Raises `Refusal` `file-not-found` and `model-not-readable`."""
    if not path.is_file():
        raise _invalid("file-not-found", f"There is no file {path}.")
    if path.stat().st_size > LARGEST_MODEL:
        raise _invalid(
            "model-not-readable", f"{path} has more than {LARGEST_MODEL:,} bytes; it is no model."
        )
    try:
        return ModelFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = field_problems(error)[0]
        raise _invalid(
            "model-not-readable",
            f"{path} is not what `scoring fit` writes: {problem.detail} (at"
            f" {problem.pointer or 'the whole file'}).",
        ) from None


async def load(
    runtime: Runtime, file: ModelFile, *, accept_leaks: bool
) -> tuple[ModelVersion | None, bool]:
    """Score by the model from now on; the version in use, and whether it is a new one.

    Raises `Refusal` as `domain.scoring_models.load_model` does.
    """
    command = command_of(file, by="command-line", accept_leaks=accept_leaks)
    async with runtime.database.transaction() as connection:
        now = await runtime.clock.now(connection)
        unit = UnitOfWork(runtime.service, connection)
        input = Input(command, Cause("/scoring", command.digest, now), load_model)
        await unit.load([input])
        register: ModelRegister
        register, _ = unit.decide(input)
        await unit.flush()
    return register.in_use, register.added is not None


def command_of(file: ModelFile, *, by: str, accept_leaks: bool) -> LoadModel:
    """The command to load a model's file."""
    document = file.model_dump_json()
    digest = hashlib.sha256(document.encode()).hexdigest()
    return LoadModel(file.model(), document, digest, by, accept_leaks)


async def changes(runtime: Runtime, file: ModelFile, report: Report) -> Changes:
    """What the model would change of the open leads; nothing is written.

    Raises `Refusal` for a model that could not be loaded.
    """
    ensure_live(file.model())
    model = LoadedModel(file.model(), 1)
    found = Changes()
    async with runtime.database.reading() as connection:
        driver = await driver_of(connection)
        after = ""
        while rows := await driver.fetch(_OPEN, after, AT_ONCE):
            after = rows[-1]["lead_id"]
            touches = await touches_of(connection, [row["lead_id"] for row in rows])
            for row in rows:
                signals = signals_of(row["community_id"], touches.get(row["lead_id"], ()))
                _count(found, row["score"], model.judge(signals)[0])
            if found.leads % PROGRESS_LEADS < AT_ONCE:
                report(f"looked at {found.leads:,} leads")
    return found


def _count(found: Changes, before: int | None, after: int) -> None:
    found.leads += 1
    found.changed += before != after
    if before is not None:
        found.much_higher += after - before >= MUCH
        found.much_lower += before - after >= MUCH


def _written(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.GzipFile(path, "wb"), encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)

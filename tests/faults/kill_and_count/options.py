"""What `make faults` was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keyturn_local.broker import APACHE, EMBEDDED
from tests.faults.kill_and_count.plan import FULL, SHORT
from tests.faults.kill_and_count.run import Size

DEFAULT_SEED: Final = 1
FORMS: Final[Mapping[str, Size]] = {
    "full": Size(households=60, faults=FULL),
    "short": Size(households=8, faults=SHORT, whole_journey=False, turn=1.0, durable=False),
}


class OptionsError(Exception):
    """A setting cannot be used; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one run."""

    broker: str = APACHE
    seed: int = DEFAULT_SEED
    size: Size = FORMS["full"]
    output: Path = Path("build")
    """Where `faults.json` is written."""


def read_options(environment: Mapping[str, str]) -> Options:
    """The options that the environment names; empty ones count as not given.

    `FAULTS` is `full` or `short`, `SEED` a whole number, `BROKER` one that can be killed.

    Raises:
        OptionsError: one of them cannot be used.
    """
    form = environment.get("FAULTS") or "full"
    if form not in FORMS:
        raise OptionsError(f"FAULTS={form} should be one of {', '.join(FORMS)}")
    broker = environment.get("BROKER") or APACHE
    if broker not in (APACHE, EMBEDDED):
        raise OptionsError(
            f"BROKER={broker} is not ours to kill; give {APACHE} or {EMBEDDED}, or nothing"
        )
    seed = environment.get("SEED") or str(DEFAULT_SEED)
    if not (seed.isascii() and seed.isdigit()) or int(seed) > 99_999:
        raise OptionsError(f"SEED={seed} should be a whole number from 0 to 99999")
    return Options(broker, int(seed), FORMS[form])

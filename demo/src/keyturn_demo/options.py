"""What `make demo` was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keyturn_demo.neighbourhood import MOST_HOUSEHOLDS

DEFAULT_HOUSEHOLDS: Final = 300
DEFAULT_SEED: Final = 1


class OptionsError(Exception):
    """A setting cannot be used; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one run."""

    households: int = DEFAULT_HOUSEHOLDS
    seed: int = DEFAULT_SEED
    data: Path | None = None
    """The directory of public records, when they are to be relived."""
    broker: str | None = None
    postgres_url: str | None = None
    output: Path = Path("build")
    """Where the report and its figures are written."""


def read_options(environment: Mapping[str, str]) -> Options:
    """The options that the environment names; empty ones count as not given.

    Raises `OptionsError` for what is not a number or not a directory.
    """
    data = environment.get("DATA") or None
    directory = None if data is None else Path(data).resolve()
    if directory is not None and not directory.is_dir():
        raise OptionsError(f"DATA={data} is no directory; give the one with the public records")
    return Options(
        households=_number(environment, "N", DEFAULT_HOUSEHOLDS, 1, MOST_HOUSEHOLDS),
        seed=_number(environment, "SEED", DEFAULT_SEED, 0, 2**31),
        data=directory,
        broker=environment.get("BROKER") or None,
        postgres_url=environment.get("POSTGRES_URL") or None,
    )


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    written = environment.get(name) or str(default)
    if not written.isascii() or not written.isdigit() or not least <= int(written) <= most:
        raise OptionsError(f"{name}={written} should be a whole number from {least} to {most}")
    return int(written)

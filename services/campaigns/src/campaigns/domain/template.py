"""Message templates, bilingual. What their text may contain is checked where they are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LANGUAGES: Final = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Content:
    """A message in one language; both are templates."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Template:
    """A message in every language of `LANGUAGES`. Each change of it counts `version` up."""

    code: str
    version: int
    content: Mapping[str, Content]


def language_of(tag: str | None, otherwise: str) -> str:
    """The language of `LANGUAGES` for a person with this BCP 47 tag."""
    language = (tag or "").partition("-")[0]
    return language if language in LANGUAGES else otherwise

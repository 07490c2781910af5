"""Every test that docs/guarantees.md names exists, and so does everything that it links to."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
SECTION = re.compile(r"^## \d+ · (.+)$", re.MULTILINE)


def named_tests() -> list[tuple[str, str]]:
    """The tests that the page names, each with the file that is named before it."""
    named: list[tuple[str, str]] = []
    file = ""
    for word in re.findall(r"`([^`\n]+)`", PAGE):
        if word.startswith("tests/"):
            file = word
        elif word.startswith("test_"):
            named.append((file, word))
    return named


@cache
def functions_of(file: str) -> frozenset[str]:
    return frozenset(
        re.findall(r"^(?:async )?def (test_\w+)", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize(("file", "test"), named_tests())
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    assert test in functions_of(file)


def test_every_promise_says_how_it_is_kept_by_what_it_is_tested_and_where_it_ends() -> None:
    titles = SECTION.findall(PAGE)
    parts = SECTION.split(PAGE)[2::2]

    assert len(titles) == 15
    for title, part in zip(titles, parts, strict=True):
        found = re.findall(r"^\*\*(.+?)\*\*", part.partition("\n## ")[0], re.MULTILINE)
        assert found == ["Promise.", "How.", "Tested by", "Where it ends."], title


def test_the_table_lists_every_promise_and_its_links_lead_there() -> None:
    anchors = {
        f"#{number}--{title.lower().replace(' ', '-').replace(',', '').replace(chr(39), '')}"
        for number, title in enumerate(SECTION.findall(PAGE), 1)
    }

    assert set(re.findall(r"\]\((#[^)]+)\)", PAGE.partition("\n## ")[0])) == anchors
    assert set(re.findall(r"\]\((#[^)]+)\)", PAGE)) == anchors


def test_what_the_page_links_to_is_there() -> None:
    files: list[str] = re.findall(r"\]\(([^)#]+)\)", PAGE)

    assert files
    assert [file for file in files if not (ROOT / "docs" / file).exists()] == []

"""By which terms a person's name is found.

A name in an alphabet is found by the beginning of any of its words, whatever the case and the
accents; a name written without spaces, as Chinese is, by any sequence of its characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

LONGEST_BEGINNING: Final = 16
"""Letters of a word that count; what follows them tells no two words apart."""
LONGEST_SEQUENCE: Final = 3
"""Characters of a sequence that is one term; a longer one is found by all of its parts."""
MOST_TERMS: Final = 120
"""Terms of one name; the rest of a name that has more is not found."""
REMEMBERED_NAMES: Final = 4_096

_UNSPACED: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts without spaces between words: Han, Kana and Hangul."""
_runs: Final = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+").findall
_is_unspaced: Final = re.compile(rf"[{_UNSPACED}]").match
_is_plain_han: Final = re.compile("[\u4e00-\u9fff]+").fullmatch
_gaps: Final = re.compile(rf"(?<=[{_UNSPACED}])[\W_]+(?=[{_UNSPACED}])").sub


@lru_cache(maxsize=REMEMBERED_NAMES)
def search_terms(name: str | None) -> str:
    """The terms by which a name is found, separated by spaces; none for nobody's name.

    >>> search_terms("张伟")
    '张 张伟 伟'
    >>> search_terms("José Gil")
    'j jo jos jose g gi gil'
    """
    if name is None:
        return ""
    terms = dict.fromkeys(term for run in _words(name) for term in _terms(run))
    return " ".join(list(terms)[:MOST_TERMS])


def asked_terms(text: str) -> tuple[str, ...]:
    """The terms that a name has which `text` is part of; none when `text` has no letter in it."""
    return tuple(dict.fromkeys(term for run in _words(text) for term in _asked(run)))


def _words(text: str) -> list[str]:
    """The words of a text without case and accents, and its sequences without gaps."""
    if text.isascii():
        return _runs(text.lower())
    if _is_plain_han(text):
        return [text]
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _runs(_gaps("", unicodedata.normalize("NFC", plain)))


def _terms(run: str) -> Iterator[str]:
    if not _is_unspaced(run):
        for end in range(1, min(len(run), LONGEST_BEGINNING) + 1):
            yield run[:end]
        return
    for start in range(len(run)):
        for end in range(start + 1, min(start + LONGEST_SEQUENCE, len(run)) + 1):
            yield run[start:end]


def _asked(run: str) -> Iterator[str]:
    if not _is_unspaced(run):
        yield run[:LONGEST_BEGINNING]
    elif len(run) <= LONGEST_SEQUENCE:
        yield run
    else:
        for start in range(len(run) - LONGEST_SEQUENCE + 1):
            yield run[start : start + LONGEST_SEQUENCE]

"""Normalises what is compared between two people, so that only true differences are left.

The result is a mapping from field to text; a field that says nothing is left out. Names are
lower case without accents, titles and punctuation; birth dates are eight digits; telephones the
last ten digits; addresses words with the common abbreviations written alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from intake.domain.people.matching import Field

PersonRecord = Mapping[Field, str]

NAME: Final = "name"
"""A whole name, which stands for given and family name."""

LONGEST_VALUE: Final = 500
"""Characters of a value that are looked at."""

_TITLES: Final = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "sir",
        "madam",
        "herr",
        "frau",
        "monsieur",
        "madame",
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
        "esq",
    ]
)
_CHINESE_TITLES: Final = ("先生", "女士", "小姐", "太太")
_COMPOUND_SURNAMES: Final = frozenset(
    [
        "欧阳",
        "司马",
        "上官",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "司徒",
        "令狐",
        "夏侯",
        "端木",
        "长孙",
        "宇文",
        "轩辕",
        "南宫",
        "歐陽",
        "司馬",
        "諸葛",
        "東方",
        "尉遲",
        "公孫",
        "長孫",
        "軒轅",
        "南宮",
    ]
)
_PARTICLES: Final = frozenset(
    [
        "von",
        "van",
        "de",
        "der",
        "den",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "du",
        "la",
        "le",
        "al",
        "bin",
        "ibn",
        "st",
        "mac",
        "mc",
        "o",
    ]
)
_STREET_WORDS: Final = {
    "street": "st", "str": "st", "road": "rd", "avenue": "ave", "av": "ave", "drive": "dr",
    "place": "pl", "court": "ct", "crescent": "cres", "close": "cl", "lane": "ln", "circuit":
    "cct", "boulevard": "blvd", "parade": "pde", "square": "sq", "terrace": "tce", "highway":
    "hwy", "apartment": "apt", "unit": "apt", "number": "no", "north": "n", "south": "s",
    "east": "e", "west": "w", "strasse": "st", "straße": "st",
}  # fmt: skip
_NOTHING_SAID: Final = frozenset(
    {"", "-", "--", "?", ".", "n/a", "na", "nan", "null", "none", "nil", "unknown", "无", "不详"}
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        start=1,
    )
}

_not_words = re.compile(r"[^\w]+|_+").sub
_apostrophes = re.compile(r"['’`´]").sub
_han = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_digits = re.compile(r"\d+").findall
_not_digits = re.compile(r"\D+").sub
_not_alphanumeric = re.compile(r"[\W_]+").sub
_month_names = re.compile(r"[a-z]{3,}").findall
_DIGITS_OF_A_PHONE: Final = 10
_FEWEST_DIGITS_OF_A_PHONE: Final = 5


def is_han(text: str) -> bool:
    """Whether the text is written in Chinese characters."""
    return _han.search(text) is not None


@lru_cache(maxsize=200_000)
def _folded(text: str) -> str:
    """Lower case, without accents and with one form for each character."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    plain = "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
    return unicodedata.normalize("NFC", plain)


def _words(text: str) -> list[str]:
    return _not_words(" ", _apostrophes("", text)).split()


def _name(text: str) -> str:
    words = [word for word in _words(_folded(text)) if word not in _TITLES]
    if words and is_han(text):
        together = "".join(words)
        for title in _CHINESE_TITLES:
            together = together.removesuffix(title)
        return together
    return " ".join(words)


def split_name(text: str) -> tuple[str, str]:
    """Given and family name of a whole one; the family name is empty when there is one word only.

    Chinese names begin with the family name; others end with it, unless a comma says otherwise.
    """
    first, comma, last = text.partition(",")
    if comma and _name(first) and _name(last) and not is_han(text):
        return _name(last), _name(first)
    name = _name(text)
    if is_han(name):
        if len(name) < 2:
            return "", name
        length = 2 if name[:2] in _COMPOUND_SURNAMES and len(name) > 2 else 1
        return name[length:], name[:length]
    words = name.split()
    if len(words) < 2:
        return name, ""
    at = len(words) - 1
    while at > 1 and words[at - 1] in _PARTICLES:
        at -= 1
    return " ".join(words[:at]), " ".join(words[at:])


@lru_cache(maxsize=200_000)
def _birth_date(text: str, day_first: bool) -> str:
    """YYYYMMDD where it can be told; else the digits as they stand, or YYYY or YYYYMM."""
    parts = _digits(text)
    if not any(part.strip("0") for part in parts):
        return ""
    named = [_MONTHS[word[:3]] for word in _month_names(_folded(text)) if word[:3] in _MONTHS]
    if named and len(parts) >= 2:
        year, day = parts[:2] if len(parts[0]) == 4 else (parts[1], parts[0])
        return f"{_year(year)}{named[0]:02}{int(day[:4]):02}"
    if len(parts) >= 3:
        one, two, three = parts[:3]
        if len(one) == 4:
            return f"{one}{int(two[:4]):02}{int(three[:4]):02}"
        if len(three) in {2, 4}:
            day, month = (one, two) if day_first else (two, one)
            if int(month[:4]) > 12 >= int(day[:4]):
                day, month = month, day
            return f"{_year(three)}{int(month[:4]):02}{int(day[:4]):02}"
    if len(parts) == 2 and len(parts[0]) == 4 and len(parts[1]) <= 2:
        return f"{parts[0]}{int(parts[1]):02}"
    return "".join(parts)


def _year(text: str) -> str:
    if len(text) != 2:
        return text
    return f"19{text}" if int(text) > 25 else f"20{text}"


def says_day_first(values: list[str]) -> bool:
    """Whether dates such as 03/04/1980 begin with the day, by those that leave no doubt."""
    day, month = 0, 0
    for value in values:
        parts = _digits(value)
        if len(parts) >= 3 and len(parts[0]) <= 2 and len(parts[1]) <= 2:
            day += int(parts[0]) > 12
            month += int(parts[1]) > 12
    return day >= month


def _phone(text: str) -> str:
    digits = _not_digits("", _folded(text)).lstrip("0")
    if len(digits) < _FEWEST_DIGITS_OF_A_PHONE or len(set(digits)) == 1:
        return ""
    return digits[-_DIGITS_OF_A_PHONE:]


def _email(text: str) -> str:
    address = _folded(text).replace(" ", "")
    return address if "@" in address.strip("@") else ""


def _identifier(text: str) -> str:
    plain = _not_alphanumeric("", _folded(text))
    return "" if len(set(plain)) < 2 else plain


def _street(text: str) -> str:
    return " ".join(_STREET_WORDS.get(word, word) for word in _words(_folded(text)))


def _place(text: str) -> str:
    return " ".join(_words(_folded(text))).removesuffix("市").removesuffix("省")


def _postcode(text: str) -> str:
    return _not_alphanumeric("", _folded(text)).lstrip("0")


_NORMALISED: Final[Mapping[Field, Callable[[str], str]]] = {
    Field.GIVEN_NAME: _name,
    Field.FAMILY_NAME: _name,
    Field.PHONE: _phone,
    Field.EMAIL: _email,
    Field.NATIONAL_ID: _identifier,
    Field.STREET: _street,
    Field.CITY: _place,
    Field.REGION: _place,
    Field.POSTCODE: _postcode,
}


def person_record(said: Mapping[str, str], *, day_first: bool = True) -> dict[Field, str]:
    """A record from texts by the name of their field, or `name` for a whole name."""
    record: dict[Field, str] = {}
    for key, text in said.items():
        plain = text.strip()[:LONGEST_VALUE]
        if plain.casefold() in _NOTHING_SAID:
            continue
        if key == NAME:
            given, family = split_name(plain)
            values = {Field.GIVEN_NAME: given, Field.FAMILY_NAME: family}
        elif key == Field.BIRTH_DATE:
            values = {Field.BIRTH_DATE: _birth_date(plain, day_first)}
        else:
            values = {Field(key): _NORMALISED[Field(key)](plain)}
        record |= {name: value for name, value in values.items() if value}
    return record

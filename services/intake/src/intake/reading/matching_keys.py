"""The keys by which records that may be one person find each other, so that few are compared.

Two records are compared when they share a key. A key is made of what seldom goes wrong together, so
that a slip in one field leaves another key intact.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise

from intake.domain.people.matching import Field
from intake.reading.person_records import PersonRecord, is_han

_CODES = {
    letter: code
    for code, letters in {"1": "bfpvw", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}
    .items()
    for letter in letters
}  # fmt: skip


def sound(name: str) -> str:
    """A name as it sounds: its first letter's class and the classes of its consonants."""
    if not name.isascii():
        return name if is_han(name) else name[:3]
    if not name:
        return ""
    word = name.split(maxsplit=1)[0].replace("ph", "f").replace("kn", "n").replace("wh", "w")
    codes = [_CODES.get(letter, "") for letter in word]
    coded = codes[0] or "0"
    for before, code in pairwise(codes):
        if code and code != before:
            coded += code
    return coded[:4]


_INDEXED = ("b:", "bm:", "by:", "bd:", "street", "postcode:")
"""The beginnings of the keys by which known customers are found at the door."""


def indexed_keys(record: PersonRecord) -> frozenset[int]:
    """The keys by which a known customer is found, as numbers from which nothing can be read.

    Telephones, e-mail addresses and national ids are identifiers and found as such; names alone
    are too common.
    """
    return frozenset(_number(key) for key in _keys(record) if key.startswith(_INDEXED))


def gates_of(record: PersonRecord) -> Iterator[str]:
    """What captures of one person share most surely: the birth date, and the street."""
    for field in (Field.BIRTH_DATE, Field.STREET):
        if field in record:
            yield f"{_number(f'{field}:{record[field]}'):x}"


def _number(key: str) -> int:
    digest = blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def matching_keys(record: PersonRecord) -> frozenset[str]:
    """The keys of a record."""
    return frozenset(_keys(record))


def _keys(record: PersonRecord) -> Iterator[str]:
    given, family = record.get(Field.GIVEN_NAME, ""), record.get(Field.FAMILY_NAME, "")
    born = record.get(Field.BIRTH_DATE, "")
    names = [name for name in (given, family) if name]
    yield from _of_identifiers(record)
    if len(names) == 2:
        # In either order: names get swapped.
        yield "n:" + "|".join(sorted(names))
        yield "s:" + "|".join(sorted(map(sound, names)))
        yield "i:" + "|".join(sorted((given[0], family)))
        yield "i:" + "|".join(sorted((given, family[0])))
    if len(born) == 8:
        yield "b:" + born
        yield "b:" + born[:4] + born[6:] + born[4:6]
        for name in names:
            yield f"bm:{born[4:]}|{sound(name)}"
            yield f"by:{born[:6]}|{sound(name)}"
            yield f"bd:{born[:4]}{born[6:]}|{sound(name)}"
            yield f"y:{born[:4]}|{name[:4]}"
    elif born:
        for name in names:
            yield f"y:{born[:4]}|{name[:4]}"
    yield from _of_places(record, names)


def _of_identifiers(record: PersonRecord) -> Iterator[str]:
    for field in (Field.NATIONAL_ID, Field.PHONE):
        value = record.get(field, "")
        if value:
            half = len(value) // 2
            yield f"{field}:{value}"
            # One of the halves survives one slip.
            yield f"{field}<{value[:half]}" if len(value) >= 6 else f"{field}:{value}"
            yield f"{field}>{value[half:]}" if len(value) >= 6 else f"{field}:{value}"
    email = record.get(Field.EMAIL, "")
    if email:
        local = email.partition("@")[0]
        yield f"email:{email}"
        yield f"local:{local}"
        yield f"local<{local[:6]}"


def _of_places(record: PersonRecord, names: list[str]) -> Iterator[str]:
    street = record.get(Field.STREET, "")
    if street:
        words = sorted(street.split())
        yield "street:" + " ".join(words)
        longest = sorted(words, key=lambda word: (len(word), word))[-2:]
        yield "street~" + " ".join(sorted(longest))
        for name in names:
            yield f"street~{longest[-1]}|{sound(name)}"
    for field in (Field.POSTCODE, Field.CITY):
        place = record.get(field, "")
        if place:
            for name in names:
                yield f"{field}:{place}|{name}"
                yield f"{field}:{place}|{sound(name)}"
                if is_han(name) is False:
                    yield f"{field}:{place}|{name[:3]}"

"""Reads what somebody types to find a lead: a name, a phone or the end of one, an e-mail address.

They may be mixed: "张 8000" is a Zhang whose phone ends with 8000.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from intake.domain.people.name_search import asked_terms
from intake.reading.contact_points import normalised_email
from keyturn_events.refusal import Refusal, RefusalKind

LONGEST_SEARCH: Final = 100
"""Characters that may be typed."""
FEWEST_DIGITS: Final = 4
"""Digits that a search by phone needs: the last three are shared by every thousandth person."""
MOST_DIGITS: Final = 15
"""Digits of a telephone number, by E.164."""
FEWEST_DIGITS_WITH_TRUNK: Final = 7
"""Digits from which on a leading zero can be the one that is dialled within a country."""
PLACE: Final = "/query/q"
"""Where it is to be mended."""

_phones: Final = re.compile(r"(?<![\w+])\+?\d(?:[\d\s().-]*\d)?(?!\w)")
_not_digits: Final = re.compile(r"\D")


@dataclass(frozen=True, slots=True)
class Sought:
    """Whom somebody looks for; everything that is there has to fit."""

    terms: tuple[str, ...] = ()
    """Of the name."""
    phone_ends: tuple[str, ...] = ()
    """Digits that the phone in E.164 ends with: any of these."""
    email: str | None = None


def read_search(typed: str) -> Sought:
    """Whom `typed` asks for.

    Raises `Refusal` `too-few-digits`, `too-many-digits`, `two-phones`, `invalid-email`,
    `two-emails` and `nothing-to-search-by`.
    """
    text = unicodedata.normalize("NFKC", typed)
    addresses = [word for word in text.split() if "@" in word]
    if len(addresses) > 1:
        raise _refused("two-emails", "Give one e-mail address; the whole one.")
    rest = " ".join(word for word in text.split() if "@" not in word)
    phones = [match[0] for match in _phones.finditer(rest)]
    if len(phones) > 1:
        raise _refused("two-phones", "Give one phone, or the end of one.")
    terms = asked_terms(_phones.sub(" ", rest))
    ends = _ends(phones[0]) if phones else ()
    if not (terms or ends or addresses):
        raise _refused(
            "nothing-to-search-by", "Give a name, the last digits of a phone, or an e-mail address."
        )
    return Sought(terms, ends, _email(addresses[0]) if addresses else None)


def _ends(phone: str) -> tuple[str, ...]:
    """What the E.164 form of a phone can end with, however the phone is written."""
    digits = _not_digits.sub("", phone)
    if len(digits) < FEWEST_DIGITS:
        raise _refused(
            "too-few-digits", f"Give at least the last {FEWEST_DIGITS} digits of the phone."
        )
    ends = [digits]
    if digits.startswith("0") and len(digits) >= FEWEST_DIGITS_WITH_TRUNK:
        ends.append(digits.lstrip("0"))
    if len(ends[-1]) > MOST_DIGITS:
        raise _refused(
            "too-many-digits", f"A phone has {MOST_DIGITS} digits at most, country code included."
        )
    return tuple(dict.fromkeys(end for end in ends if FEWEST_DIGITS <= len(end) <= MOST_DIGITS))


def _email(address: str) -> str:
    try:
        return normalised_email(address)
    except Refusal as refusal:
        raise _refused(refusal.code, refusal.detail) from None


def _refused(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID, pointer=PLACE)

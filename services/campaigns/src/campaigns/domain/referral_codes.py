"""The code that an owner passes on: short, readable, and the same whenever it is reckoned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from campaigns.domain.identity import derive

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, which are misread."""
_MISREAD: Final = str.maketrans("OIL", "011")
_TYPED: Final = re.compile(f"([{_LETTERS}]{{4}})-?([{_LETTERS}]{{4}})")
CANDIDATES: Final = 3
"""How many codes are tried for an owner; that three of 2^40 are all taken does not happen."""


def candidates(customer_id: str) -> tuple[str, ...]:
    """The codes that `customer_id` may get, such as K7QF-2M9P: the first that is free."""
    return tuple(_code(customer_id, attempt) for attempt in range(CANDIDATES))


def choose(customer_id: str, owners: Mapping[str, str]) -> str:
    """The code of `customer_id`, given whose the known codes are.

    Raises ValueError when every candidate belongs to somebody else.
    """
    for code in candidates(customer_id):
        if owners.get(code, customer_id) == customer_id:
            return code
    raise ValueError("every code of this owner is taken")


def normalised(code: str) -> str:
    """A code as it was issued, however it was typed: case, hyphen, and O for 0, I or L for 1.

    What cannot be one of our codes stays as it is.
    """
    typed = _TYPED.fullmatch(code.upper().translate(_MISREAD))
    return code if typed is None else f"{typed[1]}-{typed[2]}"


def _code(customer_id: str, attempt: int) -> str:
    number = UUID(derive("referral-code", customer_id, str(attempt))).int
    letters = ""
    for _ in range(8):
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    return f"{letters[:4]}-{letters[4:]}"

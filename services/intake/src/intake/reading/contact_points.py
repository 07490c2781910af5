"""Normalises how people are reached, so that one person's phone is one value however written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers

from intake.domain.leads.capture import PersonSaid
from intake.domain.people.identity import Identity
from intake.keyring import keyring
from keyturn_events.refusal import Refusal, RefusalKind

REMEMBERED_PHONES = 50_000
"""Phones whose slow reading is remembered."""

_PUNCTUATION = str.maketrans("", "", " \t-().·\u00a0\u2010\u2011\u2012\u2013")
_chinese_mobile = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})").fullmatch
_chinese_mobile_abroad = re.compile(r"(?:\+86|0086)(1[3-9][0-9]{9})").fullmatch
_e164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_email = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,253}").fullmatch
LONGEST_EMAIL = 254
SHORTEST_NATIONAL_ID = 6
"""Letters and digits of a national id, at least."""


def normalised_phone(text: str, region: str = "CN") -> str:
    """The E.164 form of a phone as written; without country code it is one of `region`.

    Raises `Refusal` `invalid-phone`. Chinese mobile numbers, which nearly all are, are read
    without the library's help.
    """
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).translate(
        _PUNCTUATION
    )
    mobile = _chinese_mobile(plain) if region == "CN" else _chinese_mobile_abroad(plain)
    if mobile is not None:
        return "+86" + mobile[1]
    phone = _by_library(plain, region)
    if phone is None:
        raise Refusal(
            "invalid-phone",
            f"Not a telephone number of {region}; write it with its country code, such as"
            " +8613800138000.",
            kind=RefusalKind.INVALID,
            pointer="/phone",
        )
    return phone


@lru_cache(maxsize=REMEMBERED_PHONES)
def _by_library(plain: str, region: str) -> str | None:
    if not any(character.isdigit() for character in plain):
        return None
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written if _e164(written) else None


def normalised_email(text: str) -> str:
    """The e-mail address in lower case and NFKC. Raises `Refusal` `invalid-email`."""
    address = text.strip()
    if not address.isascii():
        address = unicodedata.normalize("NFKC", address)
    address = address.lower()
    if len(address) > LONGEST_EMAIL or not _email(address):
        raise Refusal(
            "invalid-email",
            "Not an e-mail address; write it like zhang.wei@example.com.",
            kind=RefusalKind.INVALID,
            pointer="/email",
        )
    return address


def hashed_national_id(text: str) -> tuple[str, ...]:
    """Keyed hashes of a national id, one a key, the newest first; how it is written is no matter.

    Raises `Refusal` `invalid-national-id`.
    """
    plain = "".join(
        character for character in unicodedata.normalize("NFKC", text) if character.isalnum()
    ).upper()
    if len(plain) < SHORTEST_NATIONAL_ID or len(set(plain)) == 1:
        raise Refusal(
            "invalid-national-id",
            f"A national id has {SHORTEST_NATIONAL_ID} letters and digits or more; write it whole.",
            kind=RefusalKind.INVALID,
            pointer="/national_id",
        )
    return tuple(hashed.hex() for hashed in keyring().macs("identifier", plain.encode()))


def identify(person: PersonSaid, region: str) -> Identity:
    """Who somebody says to be, normalised.

    Raises `Refusal` `no-identifier`, `invalid-phone`, `invalid-email` and `invalid-national-id`.
    """
    identity = Identity(
        name=person.name,
        phone=None if person.phone is None else normalised_phone(person.phone, region),
        email=None if person.email is None else normalised_email(person.email),
        wechat=None if person.wechat is None else person.wechat.strip() or None,
        partner_reference=person.partner_reference,
        national_ids=() if person.national_id is None else hashed_national_id(person.national_id),
        birth_date=person.birth_date,
        address=person.address,
    )
    if not identity.identifiers:
        raise Refusal(
            "no-identifier",
            "Nobody can be recognised by this; give at least one of phone, email and wechat.",
            kind=RefusalKind.INVALID,
            pointer="",
        )
    return identity

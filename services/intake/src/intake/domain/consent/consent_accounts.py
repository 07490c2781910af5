"""Why a consent stands as it does: the word that counts, and the words that it outweighs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from intake.domain.consent.consent_words import ConsentWord
from intake.domain.consent.consents import Consent
from keyturn_events.vocabulary import ConsentStatus

Because = Literal[
    "repeated",
    "unconfirmed",
    "inferred",
    "earlier",
    "ends-sooner",
    "laxer",
    "less-restrictive",
]
"""Why a word does not count:

it says the same again; nobody confirmed it; the person's own word outweighs what is inferred; a
later word was said; another ground lasts longer; of two words of one moment the other is stricter;
it was said of another record of the same person before the merge, and allows more.
"""


@dataclass(frozen=True, slots=True)
class Beaten:
    """A word that does not count."""

    word: ConsentWord
    because: Because


@dataclass(frozen=True, slots=True)
class Account:
    """How one consent stands, and why."""

    consent: Consent
    counts: ConsentWord | None
    """The word as it was taken down."""
    beaten: tuple[Beaten, ...]
    """The latest first."""


def accounts(held: Iterable[Consent], words: Sequence[ConsentWord]) -> list[Account]:
    """Why each consent that a person holds stands as it does.

    `words` are everything they said, what was taken down last first.
    """
    return [
        _account(consent, [word for word in words if word.consent.subject == consent.subject])
        for consent in sorted(held, key=lambda consent: consent.subject)
    ]


def because(word: Consent, counts: Consent) -> Because:
    """Why `word` does not count beside `counts`."""
    if word.weight == counts.weight:
        return "repeated"
    if word.weight > counts.weight:
        return "less-restrictive"
    if word.rank != counts.rank:
        return "unconfirmed" if word.status is ConsentStatus.PENDING else "inferred"
    if word.weight[1] == counts.weight[1]:
        return "laxer"
    return "ends-sooner" if word.is_ground else "earlier"


def _account(consent: Consent, words: Sequence[ConsentWord]) -> Account:
    counts = next((w for w in reversed(words) if w.consent.weight == consent.weight), None)
    return Account(
        consent,
        counts,
        tuple(Beaten(w, because(w.consent, consent)) for w in words if w is not counts),
    )

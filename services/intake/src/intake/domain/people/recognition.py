"""Who is it, when no identifier says so? What somebody says of themselves is scored.

Match rules only: whoever is recognised is the customer; which value wins is decided elsewhere.
Above the upper threshold the person is taken for a known customer; between the two they are a new
customer, and somebody is asked (reviews.py); below they are new. Verified identifiers that differ
are never outvoted, and nobody is recognised by what families share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identity, verified_apart
from intake.domain.people.matching import Proposal, Verdict, propose

BY_SCORE: Final = "score"
"""The rule by which somebody was recognised who brought no identifier that decides."""
MOST_QUESTIONS: Final = 3
"""Reviews that one capture opens, of the likeliest candidates."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A customer whom somebody may be."""

    customer: Customer
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class MatchingGate:
    """How many people were registered under one birth date or one address.

    Two captures that may be one person pass the same gate, and its version lets one of two that
    pass it at the same moment look again.
    """

    gate: str
    people: int = 0


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the scores say."""

    known: Candidate | None = None
    """Whom the person is taken for."""
    questions: tuple[Candidate, ...] = ()
    """Whom they may be, the likeliest first, when they are taken for nobody."""


UNRECOGNISED: Final = Recognised()


def by_score(identity: Identity, candidates: Sequence[Candidate]) -> Recognised:
    """Whom somebody is taken for. Two candidates who both qualify are a question, not an answer."""
    ranked = sorted(candidates, key=lambda each: (-each.verdict.bits, each.customer.seniority))
    links: list[Candidate] = []
    questions: list[Candidate] = []
    for candidate in ranked:
        proposal = propose(candidate.verdict)
        if proposal is Proposal.APART:
            continue
        if proposal is Proposal.LINK and not verified_apart(identity, candidate.customer):
            links.append(candidate)
        questions.append(candidate)
    if len({_person(candidate.customer) for candidate in links}) == 1:
        return Recognised(known=links[0])
    return Recognised(questions=tuple(questions[:MOST_QUESTIONS]))


def explained(candidate: Candidate) -> Mapping[str, Any]:
    """Why somebody was taken for a customer, as the touch keeps it."""
    return {"rule": BY_SCORE, **explanation(candidate.verdict)}


def explanation(verdict: Verdict) -> dict[str, Any]:
    """A score taken apart: `prior` and the bits of the fields add up to `bits`."""
    return {
        "bits": verdict.bits,
        "probability": verdict.probability,
        "against": verdict.against.value,
        "prior": verdict.prior,
        "fields": [
            {"field": weight.field.value, "level": weight.level.value, "bits": weight.bits}
            for weight in verdict.weights
        ],
    }


def _person(customer: Customer) -> str:
    """One id for those who were merged with the same customer."""
    return (
        customer.customer_id if customer.merged_into is None else customer.merged_into.customer_id
    )

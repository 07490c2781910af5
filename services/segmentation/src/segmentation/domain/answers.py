"""The inputs of segment rules: what is answered of a household on a given day, and what is not.

Unknown is never guessed. An input that cannot be known yet says which questions would settle it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from keyturn_events.values import Affordability, Household
from keyturn_events.vocabulary import Incomes, MaritalStatus, PurchaseStage, Relationship
from segmentation.domain.affordability import LendingTerms, reach, unanswered
from segmentation.domain.facts import Facts, Json

Answer: TypeAlias = bool | int | str

ADULT_AGE: Final = 18
"""From this birthday on, a child of the household is no longer a minor."""

ABILITY: Final = "ability_to_pay"
"""The input that needs lending terms."""

_NOT_TOLD: Final[tuple[str, Json]] = ("", {})
_COUPLES: Final = (MaritalStatus.MARRIED, MaritalStatus.COHABITING)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The questions whose answers would settle an input."""

    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the inputs are read from: the household, its means and its homes, on one day."""

    household: Household
    affordability: Affordability
    homes_bought: int
    """Homes bought from the builder and not given back."""
    on: date
    terms: LendingTerms | None


def circumstances(facts: Facts, on: date, terms: LendingTerms | None) -> Circumstances:
    """The circumstances that `facts` tell of, on a day."""
    household = facts.get("household")
    affordability = facts.get("affordability")
    return Circumstances(
        Household() if household is None else Household.model_validate(household[1]),
        Affordability()
        if affordability is None
        else Affordability.model_validate(affordability[1]),
        sum(1 for _ in _bought(facts)),
        on,
        terms,
    )


def _bought(facts: Facts) -> Iterator[str]:
    signed, rescinded = f"/{PurchaseStage.SIGNED}", f"/{PurchaseStage.RESCINDED}"
    for name in facts:
        if name.startswith("purchase/") and name.endswith(signed):
            purchase = name.removesuffix(signed)
            if f"{purchase}{rescinded}" not in facts:
                yield purchase


def answer(name: str, given: Circumstances) -> Answer | Unanswered:
    """The input `name`. Raises KeyError for an input that does not exist."""
    return INPUTS[name](given)


def shown(name: str, given: Circumstances) -> dict[str, Answer]:
    """An answered input as an explanation shows it; ability to pay shows the price reach too."""
    found = answer(name, given)
    if isinstance(found, Unanswered):
        return {}
    if name != ABILITY or given.terms is None:
        return {name: found}
    means = reach(given.affordability, given.terms)
    return {name: found, "price_reach": means.price, "price_currency": means.currency}


def birthday(born: date, age: int) -> date:
    """The day on which somebody turns `age`; who was born on 29 February waits for 1 March."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def age_on(born: date, on: date) -> int:
    """Completed years on a day; 0 before birth."""
    years = on.year - born.year
    return max(0, years - (birthday(born, years) > on)) if years > 0 else 0


def _age(given: Circumstances) -> Answer | Unanswered:
    born = _self_born(given.household)
    return Unanswered(("birth_date",)) if born is None else age_on(born, given.on)


def _couple(given: Circumstances) -> Answer | Unanswered:
    status = given.household.marital_status
    if status is not None:
        return status in _COUPLES
    if _has(given.household, Relationship.PARTNER):
        return True
    return Unanswered(("marital_status",))


def _incomes(given: Circumstances) -> Answer | Unanswered:
    incomes = given.household.incomes
    return Unanswered(("incomes",)) if incomes is None else Incomes(incomes).value


def _relocating(given: Circumstances) -> Answer | Unanswered:
    relocating = given.household.relocating
    return Unanswered(("relocating",)) if relocating is None else relocating


def _homes_owned(given: Circumstances) -> Answer | Unanswered:
    """Homes owned before and bought since; a purchase answers it where nobody was asked."""
    before = given.household.homes_owned
    if before is None and given.homes_bought == 0:
        return Unanswered(("homes_owned",))
    return (before or 0) + given.homes_bought


def _children(given: Circumstances) -> Answer | Unanswered:
    if not _listed_in_full(given.household):
        return Unanswered(("household_members",))
    return sum(1 for _ in _child_births(given.household))


def _minor_child(given: Circumstances) -> Answer | Unanswered:
    births = list(_child_births(given.household))
    if any(born is not None and age_on(born, given.on) < ADULT_AGE for born in births):
        return True
    if None in births:
        return Unanswered(("child_birth_date",))
    return False if _listed_in_full(given.household) else Unanswered(("household_members",))


def _youngest_child_age(given: Circumstances) -> Answer | Unanswered:
    births = list(_child_births(given.household))
    known = [born for born in births if born is not None]
    if not births:
        return Unanswered(("household_members",))
    if len(known) < len(births):
        return Unanswered(("child_birth_date",))
    return age_on(max(known), given.on)


def _ability_to_pay(given: Circumstances) -> Answer | Unanswered:
    if given.terms is None:
        return Unanswered(("lending_terms",))
    questions = unanswered(given.affordability, given.terms)
    return Unanswered(questions) if questions else reach(given.affordability, given.terms).band


def _self_born(household: Household) -> date | None:
    return next((m.birth_date for m in household.members if m.relationship == "self"), None)


def _child_births(household: Household) -> Iterator[date | None]:
    return (m.birth_date for m in household.members if m.relationship == "child")


def _has(household: Household, relationship: Relationship) -> bool:
    return any(member.relationship == relationship for member in household.members)


def _listed_in_full(household: Household) -> bool:
    """Whether the members that are listed are all there are.

    Who lists their household lists all of it; a couple whose partner is not listed has not.
    """
    if _has(household, Relationship.PARTNER):
        return True
    alone = household.marital_status is not None and household.marital_status not in _COUPLES
    return alone and bool(household.members)


INPUTS: Final[Mapping[str, Callable[[Circumstances], Answer | Unanswered]]] = {
    "age": _age,
    "couple": _couple,
    "incomes": _incomes,
    "relocating": _relocating,
    "homes_owned": _homes_owned,
    "children": _children,
    "minor_child": _minor_child,
    "youngest_child_age": _youngest_child_age,
    ABILITY: _ability_to_pay,
}
"""Every input that a rule can name."""


NUMBERS: Final = ("age", "homes_owned", "children", "youngest_child_age")
FLAGS: Final = ("couple", "relocating", "minor_child")
WORDS: Final = ("incomes", ABILITY)
"""With `NUMBERS` and `FLAGS`: the inputs by the kind of their answers."""


def births_behind(name: str, given: Circumstances) -> tuple[date, ...]:
    """The birth dates whose anniversaries can change the input `name`."""
    if name == "age":
        born = _self_born(given.household)
        return () if born is None else (born,)
    if name in ("youngest_child_age", "minor_child"):
        return tuple(born for born in _child_births(given.household) if born is not None)
    return ()

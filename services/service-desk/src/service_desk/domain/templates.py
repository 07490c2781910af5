"""Handover templates: which gates a community's handovers pass, and how long before the keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from keyturn_events import Refusal, RefusalKind
from keyturn_events.vocabulary import Gate

MOST_DAYS_BEFORE = 730


@dataclass(frozen=True, slots=True)
class TemplateGate:
    """A gate, and how many days before the handover it is to be passed."""

    gate: Gate
    days_before: int


@dataclass(frozen=True, slots=True)
class HandoverTemplate:
    """The gates of a handover in the order of passing. Versions never change."""

    code: str
    version: int
    gates: tuple[TemplateGate, ...]
    completion_days: int
    """Days from contract to handover where the contract names no day."""


def checked(template: HandoverTemplate) -> HandoverTemplate:
    """The template, if a handover can be planned by it; raises `Refusal` otherwise."""
    gates = [step.gate for step in template.gates]
    days = [step.days_before for step in template.gates]
    if not gates or len(set(gates)) != len(gates) or gates[-1] is not Gate.KEYS:
        raise _unusable("Name each gate once, and `keys` last.")
    if any(a < b for a, b in pairwise(days)) or days[-1] != 0:
        raise _unusable("Let days_before fall from gate to gate, down to 0 at `keys`.")
    return template


def next_template(
    known: HandoverTemplate | None,
    code: str,
    gates: tuple[TemplateGate, ...],
    completion_days: int,
) -> HandoverTemplate:
    """The template as it is now to be: the known version when nothing differs, else another."""
    wanted = checked(HandoverTemplate(code, known.version if known else 1, gates, completion_days))
    if known is None or wanted == known:
        return wanted
    return replace(wanted, version=known.version + 1)


def due_on(step: TemplateGate, handover_on: date, signed_on: date) -> date:
    """When a gate falls due: never before the contract, however soon the home is ready."""
    return max(handover_on - timedelta(days=step.days_before), min(signed_on, handover_on))


def _unusable(detail: str) -> Refusal:
    return Refusal("template-unusable", detail, kind=RefusalKind.INVALID, pointer="/gates")

"""Where a person stands: their segments, whether they fell silent, and when time moves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from typing import Final

from keyturn_events import Event
from keyturn_events.segmentation import CustomerDormant, CustomerReactivated, CustomerSegmented
from segmentation.domain.answers import Answer, circumstances
from segmentation.domain.classification import Classification, classify, next_change, stranger
from segmentation.domain.facts import Facts, stamped_at
from segmentation.domain.models import Models, SegmentModel, SilenceModel
from segmentation.domain.telling import ACTIVE


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's place in one model, why, since when, and the event that brought them there."""

    segment: str
    rule: str
    version: int
    inputs: Mapping[str, Answer]
    missing: tuple[str, ...]
    since: datetime
    caused_by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What has been concluded of a person so far.

    `as_of` is the latest business time that was taken into account; it never goes back, so that a
    late event does not make anybody younger. `silence_due` is when silence is next looked at: it
    may be earlier than the silence would be complete, and is then put off.
    """

    as_of: datetime | None = None
    memberships: Mapping[str, Membership] = field(default_factory=dict)
    next_change: datetime | None = None
    silence_due: datetime | None = None
    dormant_since: datetime | None = None
    silent_since: datetime | None = None
    """When a dormant person was last heard of."""

    def seen_until(self, as_of: datetime) -> Standing:
        """The same at a later time; written out, since every event calls for it."""
        return Standing(
            as_of,
            self.memberships,
            self.next_change,
            self.silence_due,
            self.dormant_since,
            self.silent_since,
        )


UNKNOWN: Final = Standing()
"""The standing of somebody of whom nothing has been concluded."""

DECISIVE: Final = ("household", "affordability", "purchase/")
"""The beginnings of the names of facts that can change a segment."""


def last_active(facts: Facts) -> datetime | None:
    """When the customer last did something themself, or None when they never did."""
    fact = facts.get(ACTIVE)
    return None if fact is None else stamped_at(fact[0])


def resorted(
    customer_id: str,
    facts: Facts,
    standing: Standing,
    models: Models,
    *,
    at: datetime,
    caused_by: str,
    afresh: bool,
) -> tuple[Standing, list[Event]]:
    """The standing at `at`, with an event for each move.

    Only what can have changed is looked at: all of it with `afresh`, when a model has a new
    version, or when a birthday that matters has passed. The same segment again is no move.
    """
    as_of = at if standing.as_of is None else max(standing.as_of, at)
    passed = standing.next_change is not None and standing.next_change <= as_of
    if not (afresh or passed or _outdated(standing, models)):
        return (standing if as_of == standing.as_of else standing.seen_until(as_of)), []
    events: list[Event] = []
    memberships: dict[str, Membership] = {}
    changes: list[datetime] = []
    on = as_of.astimezone(UTC).date()
    for model in models.segments:
        verdict, change = _verdict(model, facts, on)
        if change is not None:
            changes.append(datetime.combine(change, day_time(), UTC))
        known = standing.memberships.get(model.model)
        stays = known is not None and known.segment == verdict.segment
        membership = Membership(
            segment=verdict.segment,
            rule=verdict.rule,
            version=model.version,
            inputs=verdict.inputs,
            missing=verdict.missing,
            since=known.since if known is not None and stays else at,
            caused_by=known.caused_by if known is not None and stays else caused_by,
        )
        memberships[model.model] = membership
        if not stays:
            events.append(_move(customer_id, model, known, membership))
    return (
        replace(
            standing, as_of=as_of, memberships=memberships, next_change=min(changes, default=None)
        ),
        events,
    )


def _outdated(standing: Standing, models: Models) -> bool:
    """Whether a model has not been applied yet as it is."""
    for model in models.segments:
        known = standing.memberships.get(model.model)
        if known is None or known.version != model.version:
            return True
    return False


def _verdict(model: SegmentModel, facts: Facts, on: date) -> tuple[Classification, date | None]:
    if not any(name.startswith(DECISIVE) for name in facts):
        return stranger(model), None
    given = circumstances(facts, on, model.affordability)
    return classify(model, given), next_change(model, given)


def _move(
    customer_id: str, model: SegmentModel, known: Membership | None, now: Membership
) -> CustomerSegmented:
    return CustomerSegmented(
        customer_id=customer_id,
        model=model.model,
        model_version=model.version,
        from_segment=None if known is None else known.segment,
        to_segment=now.segment,
        rule=now.rule,
        inputs=dict(now.inputs),
        missing=now.missing,
        product_line=model.segment(now.segment).product_line,
        caused_by=now.caused_by,
    )


def heard_of(
    customer_id: str, facts: Facts, standing: Standing, silence: SilenceModel, caused_by: str
) -> tuple[Standing, list[Event]]:
    """The standing after something was heard: a dormant person who acted again is reactivated."""
    active = last_active(facts)
    if active is None:
        return standing, []
    due = active + timedelta(days=silence.dormant_after_days)
    if standing.dormant_since is not None and standing.silent_since is not None:
        if active == standing.silent_since:
            return standing, []
        if active < standing.silent_since:
            # The latest act was somebody else's: an un-merge took it away.
            return replace(standing, dormant_since=due, silent_since=active), []
        back = replace(standing, dormant_since=None, silent_since=None, silence_due=due)
        return back, [
            CustomerReactivated(
                customer_id=customer_id, dormant_since=standing.dormant_since, caused_by=caused_by
            )
        ]
    if standing.silence_due is None or due < standing.silence_due:
        return replace(standing, silence_due=due), []
    return standing, []


def fallen_silent(
    customer_id: str, facts: Facts, standing: Standing, silence: SilenceModel, at: datetime
) -> tuple[Standing, list[Event]]:
    """The standing when silence is looked at: dormant, or looked at again when it is complete."""
    active = last_active(facts)
    if active is None or standing.dormant_since is not None:
        return replace(standing, silence_due=None), []
    due = active + timedelta(days=silence.dormant_after_days)
    if due > at:
        return replace(standing, silence_due=due), []
    dormant = CustomerDormant(
        customer_id=customer_id,
        last_active_at=active,
        threshold_days=silence.dormant_after_days,
    )
    return (
        replace(standing, silence_due=None, dormant_since=at, silent_since=active),
        [dormant],
    )

"""Taking one change back while later ones stay: a three-way comparison of a state with itself.

Given what a state was before a change, what the change made of it, and what it is now: whatever is
still as the change left it becomes what it was before; whatever somebody changed since stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from intake.domain.consent.consents import Consent
from intake.domain.people.customers import Facts
from keyturn_events.values import Affordability, Household


class Restored(NamedTuple):
    """A state after a change was taken back as far as it could be."""

    value: Any
    back: tuple[str, ...] = ()
    """The names of what is as before."""
    kept: tuple[str, ...] = ()
    """The names of what stays, because it was changed since."""


def restore(
    now: Any, before: Any, after: Any, name: str = "", *, keep: Collection[str] = ()
) -> Restored:
    """`now` without the change that led from `before` to `after`.

    The three are of one kind. Fields named in `keep` stay as they are.
    """
    if before in (after, now):
        return Restored(now)
    if name in keep:
        return Restored(now, kept=(name,))
    parts = _parts(now, name)
    if parts:
        return _restored_parts(now, before, after, parts, keep)
    if isinstance(now, tuple) and isinstance(before, tuple) and isinstance(after, tuple):
        return _restored_members(now, before, after, name)
    return Restored(before, back=(name,)) if now == after else Restored(now, kept=(name,))


def _parts(state: Any, name: str) -> tuple[str, ...]:
    """The fields that are restored each on its own; none of a value that is one answer."""
    if isinstance(state, (Household, Affordability)):
        return tuple(type(state).model_fields)
    if isinstance(state, Facts) or not name:
        return tuple(field.name for field in fields(state))
    return ()


def _restored_parts(
    now: Any, before: Any, after: Any, names: Sequence[str], keep: Collection[str]
) -> Restored:
    changes: dict[str, Any] = {}
    back: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    for name in names:
        known = getattr(now, name)
        part = restore(known, getattr(before, name), getattr(after, name), name, keep=keep)
        back += part.back
        kept += part.kept
        if part.value != known:
            changes[name] = part.value
    if not changes:
        return Restored(now, back, kept)
    by_copy = isinstance(now, (Household, Affordability))
    copied = now.model_copy(update=changes) if by_copy else replace(now, **changes)
    return Restored(copied, back, kept)


def _restored_members(
    now: tuple[Any, ...], before: tuple[Any, ...], after: tuple[Any, ...], name: str
) -> Restored:
    """A list without the members that were added and with those that were replaced or removed."""
    held, former, made = _by_key(now), _by_key(before), _by_key(after)
    members: dict[object, Any] = {}
    kept = changed = False
    for key, member in held.items():
        if key not in made or former.get(key) == made[key]:
            members[key] = member
        elif not _same(member, made[key]):
            members[key] = member
            kept = kept or member != former.get(key)
        else:
            changed = True
            if key in former:
                members[key] = former[key]
    for key, member in former.items():
        if key not in made and key not in members:
            changed = True
            members[key] = member
    value = tuple(members.values())
    if set(members) == set(former) and value != before:
        value = tuple(members[key] for key in former)
    return Restored(value, (name,) if changed else (), (name,) if kept else ())


def _by_key(members: tuple[Any, ...]) -> Mapping[object, Any]:
    """Members by what they are about: a consent by channel and purpose, others by themselves."""
    return {
        member.subject if isinstance(member, Consent) else _hashable(member): member
        for member in members
    }


def _hashable(member: Any) -> object:
    return member.model_dump_json() if hasattr(member, "model_dump_json") else member


def _same(now: object, made: object) -> bool:
    """Whether a member is as the change left it; that a consent has run out is no change."""
    if isinstance(now, Consent) and isinstance(made, Consent):
        return replace(now, lapsed=made.lapsed) == made
    return now == made

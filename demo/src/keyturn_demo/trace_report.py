"""A customer's trace as a tree: what was decided where, and how long after the input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from keyturn_demo.trace import Node, Origin, Traced
from keyturn_events.intake import LeadCaptured, PurchaseSigned

_SOURCES: Final = (
    (re.compile(r"^(?P<what>.+)@(?P<at>\d{4}-\d\d-\d\dT\S+)$"), "request {what}"),
    (re.compile(r"^partners\.inbound/(?P<what>\d+/\d+)$"), "partner event {what}"),
    (re.compile(r"^(?P<file>[0-9a-f-]{36})/(?P<what>\d+)$"), "row {what} of file {file}"),
    (re.compile(r"^[^/]+/(?P<what>[a-z-]+)/.*/\d{4}-\d\d-\d\dT\S+$"), "timer {what}"),
    (re.compile(r"^segmentation/models/(?P<what>[^/]+/\d+)/"), "new version of model {what}"),
)
"""How the cause of a decision is written that is no event (see `Cause`), and what it is called."""
_STYLES: Final = {
    "intake": "cyan",
    "segmentation": "magenta",
    "service-desk": "yellow",
    "campaigns": "green",
}
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_PATIENT: Final = 10.0
"""Seconds up to which an offset is told in milliseconds."""


_SHORT: Final = 8
"""Characters of another customer's id that are shown."""


def highlights(found: Sequence[Origin]) -> list[Origin]:
    """The lead and the purchase with the most effects, of all that concerned a customer."""
    shown = []
    for event_class in (LeadCaptured, PurchaseSigned):
        told = [
            origin
            for origin in found
            if any(node.event.type == event_class.type for node in origin.effects)
        ]
        shown += sorted(told, key=len)[-1:]
    return shown


def trace_report(
    customer_id: str, found: Sequence[Origin], shown: Sequence[Origin] | None = None
) -> RenderableType:
    """Every input of a customer, or only those `shown`, with what followed from it."""
    if not found:
        return Text(f"No event of customer {customer_id} is on any topic.")
    events = sum(len(origin) for origin in found)
    headline = Text(
        f"Customer {customer_id} · {_count(len(found), 'input')}, {_count(events, 'event')}",
        style="bold",
    )
    note = Text("real time since the input was decided: to the decision, and to Kafka", style="dim")
    trees = [tree_of(customer_id, origin) for origin in (found if shown is None else shown)]
    return Group(headline, *trees, note)


def tree_of(customer_id: str, origin: Origin) -> Tree:
    """One input and what followed from it."""
    first = origin.effects[0].event
    label = Text(called(origin.cause), style="bold", overflow="fold")
    label.append(f"  {first.at.isoformat(' ', 'minutes')}", style="dim")
    if origin.trace_ids:
        label.append(f"  trace {', '.join(origin.trace_ids)}", style="dim")
    tree = Tree(label, guide_style="dim")
    _grow(tree, origin.effects, origin.began, customer_id)
    return tree


def _grow(tree: Tree, nodes: Sequence[Node], began: float, customer_id: str) -> None:
    lines: dict[str, tuple[Text, list[Node]]] = {}
    for node in nodes:
        line = _line(node.event, began, customer_id)
        # What reads the same and leads to nothing is one line with a number.
        key = node.event.id if node.effects else line.plain
        lines.setdefault(key, (line, []))[1].append(node)
    for line, alike in lines.values():
        if len(alike) > 1:
            line.append(f"  × {len(alike)}")
        branch = tree.add(line)
        for node in alike:
            _grow(branch, node.effects, began, customer_id)


def _line(event: Traced, began: float, customer_id: str) -> Text:
    line = Text(f"{event.service:<13}", style=_STYLES.get(event.service, ""))
    line.append(event.type.removeprefix("keyturn.").rpartition(".")[0], style="default")
    if event.fact is not None:
        line.append(f" {event.fact}", style="default")
    if event.subject != customer_id:
        line.append(f" of {event.subject[:_SHORT]}…", style="dim")
    line.append(f"  +{duration(event.decided - began)}", style="bold")
    line.append(f" · Kafka +{duration(event.published - began)}", style="dim")
    return line


def called(cause: str) -> str:
    """What an input is called, from how it is written as a cause."""
    for pattern, name in _SOURCES:
        match = pattern.match(cause)
        if match is not None:
            return name.format(**match.groupdict())
    return f"event {cause}"


def duration(seconds: float) -> str:
    """A duration in the unit that a person would choose; never less than nothing."""
    seconds = max(0.0, seconds)
    if seconds < _PATIENT:
        return f"{seconds * 1000:,.0f} ms"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""The journey report: what a manager reads, on the terminal and as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import StringIO
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keyturn_demo.figures import Figures
from keyturn_demo.latency import Latency

WIDTH: Final = 100
"""Columns of the plain text."""
BAR: Final = 20
"""Columns of the longest bar."""
MOST_FAULTS: Final = 20
"""Lost and doubled effects that are listed; the rest is counted."""
SLOW_SECONDS: Final = 10_000.0
"""Milliseconds from which a latency is told in seconds."""


def plain_text(figures: Figures) -> str:
    """The report without colours, `WIDTH` columns wide."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, force_terminal=False)
    console.print(report(figures))
    written = console.file
    assert isinstance(written, StringIO)  # noqa: S101 - it was put there three lines above
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def report(figures: Figures) -> RenderableType:
    """The whole report."""
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in _parts(figures)))


def _parts(figures: Figures) -> Iterator[RenderableType]:
    yield _headline(figures)
    yield _doors(figures)
    yield from _rejections(figures)
    yield _segments(figures)
    yield _handovers(figures)
    yield _living(figures)
    yield _messages(figures)
    yield _latency(figures)
    yield _audit(figures)
    if figures.notes:
        yield Group(Text("About these figures", style="bold"), *map(_bullet, figures.notes))


def _headline(figures: Figures) -> RenderableType:
    effects = figures.effects
    return Group(
        Text(f"The journey report · {figures.source}", style="bold"),
        Text(
            f"{effects.customers:,} customers · {figures.purchases:,} purchases · "
            f"{effects.handovers:,} handovers · {effects.complaints:,} complaints · "
            f"{effects.events:,} events in {figures.seconds:.0f} s"
        ),
    )


def _doors(figures: Figures) -> Group:
    table = _table("Through the doors")
    for column in ("what", "door"):
        table.add_column(column)
    for column in ("sent", "accepted", "joined", "repeated", "rejected"):
        table.add_column(column, justify="right")
    previous = None
    for (noun, door), row in sorted(figures.tally.rows.items()):
        table.add_row(
            noun.value if noun is not previous else "",
            door,
            *(
                f"{number:,}" if number else "·"
                for number in (
                    row.sent, row.accepted, row.joined, row.repeated, sum(row.rejected.values())
                )
            ),
        )  # fmt: skip
        previous = noun
    return _with_caption(
        table,
        "joined: somebody known already · repeated: the same input again, no second effect",
    )


def _rejections(figures: Figures) -> Iterator[RenderableType]:
    rejections = figures.tally.rejections()
    if not rejections:
        return
    table = _table("Rejected, and why")
    table.add_column("door")
    table.add_column("reason")
    table.add_column("inputs", justify="right")
    for door, reasons in sorted(rejections.items()):
        for number, (reason, count) in enumerate(sorted(reasons.items())):
            table.add_row(door if number == 0 else "", reason, f"{count:,}")
    yield table


def _segments(figures: Figures) -> Table:
    table = _table(f"Who they are: the segments of model {figures.segment_model}")
    for column in ("segment", "分群"):
        table.add_column(column, no_wrap=True)
    table.add_column("customers", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = max((segment.customers for segment in figures.segments), default=0)
    total = sum(segment.customers for segment in figures.segments)
    for segment in figures.segments:
        share = segment.customers / total if total else 0
        table.add_row(
            segment.name_en,
            segment.name_zh,
            f"{segment.customers:,}",
            f"{_bar(segment.customers, most)} {share:.0%}" if segment.customers else "",
        )
    return table


def _handovers(figures: Figures) -> Group:
    table = _table("Handovers, gate by gate")
    table.add_column("gate")
    for column in ("passed", "of these late", "refused"):
        table.add_column(column, justify="right")
    table.add_column("why refused")
    for gate in figures.gates:
        table.add_row(
            gate.gate,
            f"{gate.passed:,}",
            f"{gate.late:,}" if gate.late else "·",
            f"{sum(gate.refused.values()):,}" if gate.refused else "·",
            ", ".join(f"{reason} {number}" for reason, number in sorted(gate.refused.items())),
        )
    return _with_caption(
        table,
        f"{figures.effects.handovers:,} planned · {figures.completed:,} households have their keys"
        f" · {figures.effects.defects:,} defects reported",
    )


def _living(figures: Figures) -> Table:
    complaints, effects = figures.complaints, figures.effects
    share = f"{figures.referral_share:.1%}"
    table = _table("Living there, and bringing friends", headed=False)
    table.add_column("")
    table.add_column("", justify="right")
    rows: list[tuple[str, str]] = [
        ("complaints raised", f"{complaints.raised:,}"),
        ("  resolved on time", f"{complaints.on_time:,}"),
        ("  resolved late", f"{complaints.late:,}"),
        ("  resolved, no due date", f"{complaints.undated:,}"),
        ("  closed", f"{complaints.closed:,}"),
        ("  escalations", f"{complaints.escalated:,}"),
        ("  reopened by the owner", f"{complaints.reopened:,}"),
        ("surveys answered", f"{effects.surveys:,}"),
        (
            "purchases by referral",
            f"{figures.purchases_by_referral:,} of {figures.purchases:,}, {share}",
        ),
        ("referral rewards", f"{effects.referral_rewards:,}"),
        ("  clawed back", f"{effects.referral_claw_backs:,}"),
    ]
    for label, value in rows:
        table.add_row(label, value)
    return table


def _messages(figures: Figures) -> Group:
    table = _table("Messages to customers")
    table.add_column("outcome")
    table.add_column("reason")
    table.add_column("messages", justify="right")
    outcomes: Counter[str] = Counter()
    for row in figures.messages:
        outcomes[row.outcome] += row.number
    shown: set[str] = set()
    for row in figures.messages:
        table.add_row("" if row.outcome in shown else row.outcome, row.reason, f"{row.number:,}")
        shown.add(row.outcome)
    return _with_caption(
        table, " · ".join(f"{name} {number:,}" for name, number in outcomes.items()) or "none"
    )


def _latency(figures: Figures) -> Group:
    table = _table("From fact to effect, across services")
    table.add_column("hop")
    for column in ("effects", "half within", "99 % within"):
        table.add_column(column, justify="right")
    for name, hop in figures.latency.items():
        table.add_row(name.replace("_", " "), f"{hop.count:,}", *_durations(hop))
    return _with_caption(
        table, "real time from the commit of the fact to the decision on its effect"
    )


def _durations(hop: Latency) -> tuple[str, str]:
    return _duration(hop.p50), _duration(hop.p99)


def _duration(milliseconds: float) -> str:
    if milliseconds >= SLOW_SECONDS:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:,.0f} ms"


def _audit(figures: Figures) -> RenderableType:
    audit = figures.audit
    verdict = Text("The audit   ", style="bold")
    verdict.append(
        f"lost {len(audit.lost)} · doubled {len(audit.doubled)} · parked {audit.parked}",
        style="bold green" if figures.sound else "bold red",
    )
    lines: list[RenderableType] = [
        verdict,
        Text(
            f"{audit.traced:,} accepted inputs traced to their effects over"
            f" {figures.effects.events:,} events; {audit.redelivered:,} records came twice"
            " unchanged and had no second effect."
        ),
    ]
    for title, faults in (("lost", audit.lost), ("doubled", audit.doubled)):
        lines.extend(Text(f"  {title}: {fault}", style="red") for fault in faults[:MOST_FAULTS])
        if len(faults) > MOST_FAULTS:
            lines.append(Text(f"  … and {len(faults) - MOST_FAULTS:,} more {title}", style="red"))
    return Group(*lines)


def _table(title: str, *, headed: bool = True) -> Table:
    return Table(
        title=title,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        show_header=headed,
        pad_edge=False,
    )


def _with_caption(table: Table, caption: str) -> Group:
    """A caption of its own line: a table's own would be broken at the table's width."""
    return Group(table, Text(caption, style="dim"))


def _bar(number: int, most: int) -> str:
    return "█" * max(1, round(number / most * BAR))


def _bullet(note: str) -> Text:
    return Text(f"  · {note}")

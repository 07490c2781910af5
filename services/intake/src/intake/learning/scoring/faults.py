"""How a fit says no."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from keyturn_events import Refusal, RefusalKind


def refuse(code: str, detail: str) -> Refusal:
    """The refusal of a file or an option that cannot be used; the detail says what to mend."""
    return Refusal(code, detail, kind=RefusalKind.INVALID)


def unknown_column(name: str, known: Iterable[str], option: str) -> Refusal:
    """The refusal of a column that the table has not; it names the likeliest ones."""
    columns = list(known)
    lowered = {column.lower(): column for column in columns}
    near = get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    meant = f" Did you mean {' or '.join(lowered[word] for word in near)}?" if near else ""
    shown = ", ".join(columns[:40]) + (f" and {len(columns) - 40} more" if columns[40:] else "")
    return refuse(
        "unknown-column", f"{option}: no column is called {name!r}.{meant} The columns: {shown}."
    )

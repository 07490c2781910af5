"""How a line of cells becomes the form of a lead.

The name of a column is the place of its value in the form, such as `phone`, `budget.amount` or
`household.members.0.birth_date`. The column `consents` holds all of them, each as
`channel/purpose` or `channel/purpose/status`, with spaces between. An empty cell says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from intake.reading.lead_form import LeadForm
from keyturn_events import Refusal, RefusalKind

_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WHOLE_NUMBERS: Final = frozenset({("household", "homes_owned")})
_YES_OR_NO: Final = frozenset({("household", "relocating")})
_LISTS: Final = frozenset({("household", "members"), ("consents",)})
_COMPOUND: Final = frozenset({"household", "affordability", "budget", "utm", "consents"})

Path = tuple[str, ...]


class Columns:
    """The columns of one file, in their order."""

    def __init__(
        self, header: Sequence[str], names: Mapping[str, str], *, ignore_unknown: bool
    ) -> None:
        """Read the header.

        Raises `Refusal` `unknown-column` and `duplicate-column`, naming the columns.
        """
        ours = [names.get(cell.strip(), cell.strip()) for cell in header]
        unknown = [name for name in ours if not _is_known(name)]
        if unknown and not ignore_unknown:
            raise _invalid(
                "unknown-column",
                f"No field of a lead is called {', '.join(unknown[:5])}; map the column with"
                " `column`, or set ignore_unknown_columns.",
            )
        known = [name for name in ours if _is_known(name)]
        repeated = sorted({name for name in known if known.count(name) > 1})
        if repeated:
            raise _invalid("duplicate-column", f"Two columns are called {', '.join(repeated)}.")
        self._paths: list[Path | None] = [
            tuple(name.split(".")) if _is_known(name) else None for name in ours
        ]

    def form(self, cells: Sequence[str]) -> dict[str, Any]:
        """The form of one line. Raises `Refusal` `wrong-number-of-cells`."""
        if len(cells) != len(self._paths):
            raise _invalid(
                "wrong-number-of-cells",
                f"The line has {len(cells)} cells and the header {len(self._paths)}; put cells"
                " that contain the delimiter into double quotes.",
            )
        form: dict[str, Any] = {}
        nested = False
        for path, cell in zip(self._paths, cells, strict=True):
            value = cell.strip()
            if not value or path is None:
                continue
            if len(path) == 1:
                form[path[0]] = _consents(value) if path[0] == "consents" else value
            else:
                _set(form, path, _value(path, value))
                nested = True
        if nested:
            _to_lists(form)
        return form


def _is_known(name: str) -> bool:
    first, _, rest = name.partition(".")
    if first not in LeadForm.model_fields:
        return False
    return bool(rest) == (first in _COMPOUND) or name == "consents"


def _value(path: Path, text: str) -> object:
    if path in _WHOLE_NUMBERS and text.isascii() and text.isdigit() and len(text) <= 10:
        return int(text)
    if path in _YES_OR_NO:
        return _FLAGS.get(text.lower(), text)
    return text


def _set(form: dict[str, Any], path: Path, value: object) -> None:
    for step in path[:-1]:
        form = form.setdefault(step, {})
    form[path[-1]] = value


def _to_lists(form: dict[str, Any]) -> None:
    """Turn members that are numbered by their columns into lists, without gaps."""
    for *parents, last in _LISTS:
        place: Any = form
        for parent in parents:
            place = place.get(parent, {})
        if isinstance(place.get(last), dict):
            place[last] = list(place[last].values())


def _consents(text: str) -> list[dict[str, str]]:
    consents = []
    for word in text.split():
        parts = dict(zip(("channel", "purpose", "status"), word.split("/"), strict=False))
        consents.append(parts)
    return consents


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)

"""How a line of cells becomes the form of a lead.

The name of a column is the place of its value in the form, such as `phone`, `budget.amount` or
`household.members.0.birth_date`. The column `consents` holds all of them, each as
`channel/purpose` or `channel/purpose/status`, with spaces between. An empty cell says nothing.

Which columns there are follows from the form itself. Columns that begin with `import.` are those
that we add to rejected rows when we give them back; they are skipped, so that such a file can be
mended and sent again as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from intake.reading.column_words import NAMES_ELSEWHERE
from intake.reading.lead_form import LeadForm
from keyturn_events import Refusal, RefusalKind

MARK: Final = "import"
"""The first part of the names of our own columns; in NDJSON the name of our own field."""
CONSENTS: Final = "consents"

_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LONGEST_NUMBER: Final = 10
_SUGGESTED: Final = 3
"""How many known names are offered for one that is not known."""
_place_in_list = re.compile(r"\.(0|[1-9][0-9]{0,2})(?=\.)").sub

Path = tuple[str, ...]


def _leaves(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, type]]:
    """Every place of a form that holds one value, with the type of it; N for a place in a list."""
    for name, info in model.model_fields.items():
        place = f"{before}{name}"
        kind, many = _kind(info.annotation)
        if place == CONSENTS:
            yield place, str
        elif issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{place}.N." if many else f"{place}.")
        else:
            yield place, kind


def _kind(annotation: Any) -> tuple[type, bool]:
    """The class that an annotation is about, and whether it is of many of them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return _kind(next(each for each in arguments if each is not type(None)))
    if origin is tuple:
        return _kind(arguments[0])[0], True
    return (annotation, False) if isinstance(annotation, type) else (str, False)


COLUMNS: Final[Mapping[str, type]] = dict(_leaves(LeadForm))
"""Every column that a file may have, with the type of its value; N is a number from 0."""

_LISTS: Final = tuple(
    sorted({tuple(name.partition(".N.")[0].split(".")) for name in COLUMNS if ".N." in name})
)


class Columns:
    """The columns of one file, in their order."""

    def __init__(
        self, header: Sequence[str], names: Mapping[str, str], *, ignore_unknown: bool
    ) -> None:
        """Read the header.

        Raises `Refusal` `unknown-column` and `duplicate-column`, naming the columns.
        """
        ours = [names.get(cell.strip(), cell.strip()) for cell in header]
        unknown = [name for name in ours if not (is_known(name) or is_mark(name))]
        if unknown and not ignore_unknown:
            raise _invalid(
                "unknown-column",
                "; ".join(_unknown(name) for name in unknown[:5])
                + ". Map a column with `column=ours=theirs`, or set ignore_unknown_columns;"
                " GET /imports/columns lists all that there are.",
            )
        known = [name for name in ours if is_known(name)]
        repeated = sorted({name for name in known if known.count(name) > 1})
        if repeated:
            raise _invalid("duplicate-column", f"Two columns are called {', '.join(repeated)}.")
        self._paths: list[Path | None] = [
            tuple(name.split(".")) if is_known(name) else None for name in ours
        ]
        self._types = [COLUMNS.get(_pattern(name), str) for name in ours]

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
        for path, kind, cell in zip(self._paths, self._types, cells, strict=True):
            value = cell.strip()
            if not value or path is None:
                continue
            if len(path) == 1:
                form[path[0]] = _consents(value) if path[0] == CONSENTS else _value(kind, value)
            else:
                _set(form, path, _value(kind, value))
                nested = True
        if nested:
            _to_lists(form)
        return form


def is_known(name: str) -> bool:
    """Whether a file may have a column of this name."""
    return _pattern(name) in COLUMNS


def is_mark(name: str) -> bool:
    """Whether the column is one that we add to rejected rows."""
    return name.startswith(f"{MARK}.")


def without_marks(form: dict[str, Any]) -> dict[str, Any]:
    """An object of an NDJSON file without the field that we add to rejected rows."""
    form.pop(MARK, None)
    return form


def nearest(name: str) -> list[str]:
    """The known columns that somebody may mean by this name, the likeliest first."""
    folded = _folded(name)
    elsewhere = NAMES_ELSEWHERE.get(folded)
    if elsewhere is not None:
        return [elsewhere]
    by_end = [
        known for known in COLUMNS if folded in (_folded(known), _folded(known.rpartition(".")[2]))
    ]
    return by_end[:_SUGGESTED] or get_close_matches(_pattern(name), COLUMNS, _SUGGESTED)


def _folded(name: str) -> str:
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _unknown(name: str) -> str:
    likely = nearest(name)
    perhaps = f" (perhaps {' or '.join(likely)})" if likely else ""
    return f"No column is called {name!r}{perhaps}"


def _pattern(name: str) -> str:
    """The name with N in place of each number."""
    return _place_in_list(".N", name)


def _value(kind: type, text: str) -> object:
    if kind is int and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    if kind is bool:
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

"""Renders templates, in a sandbox of which little is left: text, names, conditions and filters.

A template is a Jinja2 text. It may show values and choose between texts; it may not loop, call,
include, define or assign, so it always ends and reaches nothing beyond the values it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from campaigns.domain.template import Content

LONGEST_RESULT: Final = 20_000
"""Characters of a rendered body, at most."""

ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Test,
    nodes.Filter,
)
FILTERS: Final = frozenset({"capitalize", "default", "lower", "title", "trim", "upper"})
TESTS: Final = frozenset({"defined", "undefined", "none", "equalto"})


class UnfitTemplate(Exception):
    """A template that cannot be rendered; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as the person sees it."""

    subject: str
    body: str


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
)


@lru_cache(maxsize=256)
def check(source: str) -> None:
    """Raise `UnfitTemplate` for what is no template, or does more than a template may."""
    try:
        tree = _environment.parse(source)
    except TemplateError as error:
        line = getattr(error, "lineno", 1)
        raise UnfitTemplate(f"line {line}: {error.message}") from error
    for node in tree.find_all(nodes.Node):
        allowed = (
            isinstance(node, ALLOWED)
            and not (isinstance(node, nodes.Getattr) and node.attr.startswith("_"))
            and not (isinstance(node, nodes.Filter) and node.name not in FILTERS)
            and not (isinstance(node, nodes.Test) and node.name not in TESTS)
        )
        if not allowed:
            name = (
                getattr(node, "name", None)
                or getattr(node, "attr", None)
                or type(node).__name__.lower()
            )
            raise UnfitTemplate(f"line {node.lineno}: {name} is not allowed in a template")


def render(content: Content, values: Mapping[str, object]) -> Rendered:
    """The message for these values. Raises `UnfitTemplate` when a value is missing."""
    subject = " ".join(_rendered(content.subject, values).split())
    return Rendered(subject, _rendered(content.body, values))


@lru_cache(maxsize=256)
def _compiled(source: str) -> Template:
    return _environment.from_string(source)


def _rendered(source: str, values: Mapping[str, object]) -> str:
    check(source)
    try:
        text = _compiled(source).render(values)
    except (TemplateError, TypeError, ValueError) as error:
        raise UnfitTemplate(f"{type(error).__name__}: {error}") from error
    if len(text) > LONGEST_RESULT:
        raise UnfitTemplate(f"the result is longer than {LONGEST_RESULT} characters")
    return text

"""Rounds: ours and the baselines take turns, and every figure is the median of its rounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Run = Callable[[], Awaitable[float]]
"""Takes one figure, from a fresh start."""

Figures = Mapping[str, Sequence[float]]
"""The figures of each contender, one a round."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two contenders, of which one is ours, and the ratio that must be reached."""

    name: str
    unit: str
    ours: str
    """Name of the contender that is ours."""
    baseline: str
    """Name of the contender it is compared with."""
    bound: float
    at_most: bool = False
    """Whether the bound is the largest ratio allowed; else it is the smallest."""

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound


@dataclass(frozen=True, slots=True)
class Result:
    """A comparison, measured. `least` and `most` are the extremes of the ratio over the rounds."""

    comparison: Comparison
    ours: float
    baseline: float
    ratio: float
    least: float
    most: float

    @property
    def reached(self) -> bool:
        """Whether the median ratio is good enough."""
        return self.comparison.holds(self.ratio)


def turns(contenders: Sequence[str], rounds: int) -> list[list[str]]:
    """Who goes when: each round in the opposite order of the one before."""
    return [list(contenders if number % 2 == 0 else contenders[::-1]) for number in range(rounds)]


def compared(comparison: Comparison, figures: Figures) -> Result:
    """The medians over the rounds: of each side, and of the ratio within each round."""
    ours, baseline = figures[comparison.ours], figures[comparison.baseline]
    ratios = [one / other for one, other in zip(ours, baseline, strict=True)]
    return Result(
        comparison, median(ours), median(baseline), median(ratios), min(ratios), max(ratios)
    )

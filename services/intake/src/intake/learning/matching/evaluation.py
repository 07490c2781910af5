"""How good pairs are, where it is known who is who."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """Pairs found, pairs that are true, and pairs that are both."""

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """The part of the pairs found that are true; 1 when none was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The part of the true pairs that were found; 1 when there are none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


def quality(
    truth: Sequence[str | None],
    groups: Sequence[int],
    reviews: Iterable[tuple[int, int]] = (),
) -> Quality:
    """Hold groups, and pairs of different groups, against the truth; None is not known.

    Records whose truth is not known are left out.
    """
    known = [(who, group) for who, group in zip(truth, groups, strict=True) if who is not None]
    found = _pairs(Counter(group for _, group in known))
    right = _pairs(Counter(known))
    true = _pairs(Counter(who for who, _ in known))
    for first, second in set(reviews):
        if truth[first] is not None and truth[second] is not None:
            found += 1
            right += truth[first] == truth[second]
    return Quality(found, true, right)


def _pairs(sizes: Counter[int] | Counter[str] | Counter[tuple[str, int]]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())

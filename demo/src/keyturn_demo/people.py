"""Invented people: names out of syllables, and contact points made up for one run.

E-mail addresses are of example.com, which belongs to nobody. No range of Chinese mobile numbers is
set aside for fiction, so the numbers are made up and nothing is ever sent to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

SURNAMES: Final = (
    ("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("杨", "yang"),
    ("赵", "zhao"), ("黄", "huang"), ("周", "zhou"), ("吴", "wu"), ("徐", "xu"), ("孙", "sun"),
    ("胡", "hu"), ("朱", "zhu"), ("高", "gao"), ("林", "lin"), ("何", "he"), ("郭", "guo"),
)  # fmt: skip
SYLLABLES: Final = (
    ("思", "si"), ("远", "yuan"), ("雨", "yu"), ("晨", "chen"), ("佳", "jia"), ("明", "ming"),
    ("子", "zi"), ("涵", "han"), ("文", "wen"), ("静", "jing"), ("浩", "hao"), ("然", "ran"),
    ("欣", "xin"), ("怡", "yi"), ("志", "zhi"), ("强", "qiang"), ("丽", "li"), ("华", "hua"),
    ("建", "jian"), ("国", "guo"), ("春", "chun"), ("梅", "mei"), ("秋", "qiu"), ("月", "yue"),
)  # fmt: skip

MOBILE_PREFIXES: Final = tuple(
    f"1{second}{third}"
    for second, thirds in (("3", "056789"), ("5", "012356789"), ("8", "012356789"))
    for third in thirds
)
RUN_SECONDS: Final = 15
"""No two runs begin within this time, so its multiples tell runs apart."""
BLOCKS_PER_PREFIX: Final = 1_000
PEOPLE_PER_RUN: Final = 100_000
"""Phone numbers that one run may use."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the demo. Its people, homes and references are no other run's."""

    number: int

    @classmethod
    def at(cls, unix_seconds: float) -> Run:
        """The run that begins at this time."""
        return cls(int(unix_seconds) // RUN_SECONDS)

    @property
    def tag(self) -> str:
        """What every id of the run begins with: short, lower-case."""
        digits, number = "", self.number
        while number:
            number, digit = divmod(number, 36)
            digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        return f"r{digits or '0'}"

    def mobile(self, person: int) -> str:
        """The made-up mobile number of a person, as people write it in China.

        Raises ValueError when the run has no more numbers.
        """
        if not 0 <= person < PEOPLE_PER_RUN:
            raise ValueError(f"a run has {PEOPLE_PER_RUN} people at most")
        block = self.number % (len(MOBILE_PREFIXES) * BLOCKS_PER_PREFIX)
        prefix, middle = divmod(block, BLOCKS_PER_PREFIX)
        return f"{MOBILE_PREFIXES[prefix]}{middle:03d}{person:05d}"


@dataclass(frozen=True, slots=True)
class Person:
    """How a person is named and reached."""

    reference: str
    """Unique to the run; what a partner calls the person."""
    name: str
    phone: str | None
    email: str | None
    language: str = "zh"


def invent(rng: Random, run: Run, number: int, surname: tuple[str, str] | None = None) -> Person:
    """The `number`-th person of a run; of a family, when a surname is given."""
    family, family_latin = surname or rng.choice(SURNAMES)
    given = [rng.choice(SYLLABLES) for _ in range(rng.choice((1, 2, 2, 2)))]
    latin = "".join(syllable for _, syllable in given)
    return Person(
        reference=f"{run.tag}-p{number:05d}",
        name=family + "".join(character for character, _ in given),
        phone=run.mobile(number),
        email=f"{latin}.{family_latin}.{number}@{run.tag}.example.com",
    )

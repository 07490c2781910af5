"""A town of people who became leads: any number, each of them the same every time.

Names follow the shares of Chinese surnames, of which one in twelve people has the most common; one
community has three leads in ten; most leads are old and lost. All of a person follows from their
number, so that whoever asks for somebody knows who is there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from bench.people import CHANNEL_WEIGHTS, CHANNELS, phone

SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁于蒋蔡余杜叶程苏魏吕"
    "丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃"
    "武戴莫孔向汤"
)
COMMON_SHARES: Final = (
    *(7.3, 7.2, 6.8, 5.4, 4.5, 3.1, 2.3, 2.3, 2.1, 2.1),
    *(1.5, 1.5, 1.3, 1.3, 1.3, 1.2, 1.2, 1.2, 1.1, 1.1),
)
"""How many people in a hundred have the first surnames; the others follow a power law."""
GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲梅文建国志海波宇浩然子轩梓涵欣怡佳慧雨婷"
    "思博晨俊峰鹏飞雪琳璐瑶嘉诗妍悦彤菲蕾薇颖莹莉燕云兰凤洁琴瑞祥龙虎林森木水火土金银铜铁东南西北春夏"
    "秋冬天地日月星辰山川江河湖溪泉石岩松柏竹菊荷莲桃李杏梨枫桐槐柳杨安康宁静和睦仁义礼智信忠孝廉耻勤"
    "俭恭良温让正直诚恳善美真朴厚德载物自强不息长青永昌盛荣耀辉煌灿烂光亮彩虹霓裳羽翼翔腾跃奔驰骏逸凡"
)
LATIN_FIRST: Final = ("John", "Maria", "José", "Anna", "Wei", "Michael", "Sofía", "Daniel")
LATIN_LAST: Final = ("Smith", "García", "Müller", "Johnson", "Li", "Brown", "Nguyen", "Keller")
LATIN_SHARE: Final = 0.04

COMMUNITIES: Final = tuple(f"community-{number}" for number in range(1, 61))
LARGEST_SHARE: Final = 30.0
"""How many leads in a hundred the first community has."""
ADVISORS: Final = 1_500
PRODUCT_LINES: Final = ("first-home", "first-move-up", "second-move-up", "active-adult", None)
STAGES: Final = ("new", "contacted", "visited", "queued", "reserved", "subscribed")
DAYS: Final = 1_095.0
RECENT_DAYS: Final = 60.0
"""Leads younger than that are mostly open."""

_MASK: Final = 2**64 - 1


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return list(accumulate(weight / total for weight in weights))


_SURNAME_SHARES: Final = _shares(
    [
        *COMMON_SHARES,
        *(0.9 * (20 / place) ** 0.9 for place in range(20, len(SURNAMES))),
    ]
)
_GIVEN_SHARES: Final = _shares([1 / (place + 8) for place in range(len(GIVEN))])
_CHANNEL_SHARES: Final = _shares(CHANNEL_WEIGHTS)
_COMMUNITY_SHARES: Final = _shares(
    [LARGEST_SHARE]
    + [(100 - LARGEST_SHARE) / 59 * 2 * (59 - place) / 59 + 0.01 for place in range(59)]
)
_STAGE_SHARES: Final = _shares([45, 30, 23.5, 1.0, 0.3, 0.2])


@dataclass(frozen=True, slots=True)
class Someone:
    """A person with one lead."""

    number: int
    customer_id: str
    lead_id: str
    name: str
    phone: str
    email: str | None
    community_id: str
    channel: str
    captured_at: datetime
    stage: str
    status: str
    advisor_id: str | None
    score: int
    product_line: str | None


@dataclass(frozen=True, slots=True)
class Town:
    """So many people, in the order in which they came, the last of them at `until`."""

    people: int
    until: datetime

    def someone(self, number: int) -> Someone:
        """The person of this number, from 0."""
        return someone(number, 1 - (number + _draw(number, 1)) / self.people, self.until)


def someone(number: int, share: float, until: datetime) -> Someone:
    """The person of this number; `share` of the others came after them."""
    age = max(share, 0.0) ** 1.3 * DAYS
    status = _status(_draw(number, 2), age)
    place = bisect(_COMMUNITY_SHARES, _draw(number, 3))
    place = min(place, len(COMMUNITIES) - 1)
    return Someone(
        number=number,
        customer_id=_id("customer", number),
        lead_id=_id("lead", number),
        name=name(number),
        phone=f"+86{phone(number * 7919 % 1_000_000_007 % 10**9)}",
        email=f"person.{number}@example.com" if number % 5 < 3 else None,
        community_id=COMMUNITIES[place],
        channel=_one(CHANNELS, _CHANNEL_SHARES, _draw(number, 4)),
        captured_at=until - timedelta(days=age),
        stage="signed" if status == "won" else _one(STAGES, _STAGE_SHARES, _draw(number, 5)),
        status=status,
        advisor_id=advisor(place, _draw(number, 6)) if _draw(number, 7) < 0.9 else None,
        score=int(_draw(number, 8) ** 1.5 * 100),
        product_line=PRODUCT_LINES[int(_draw(number, 9) * len(PRODUCT_LINES))],
    )


def name(number: int) -> str:
    """What the person of this number is called."""
    if _draw(number, 10) < LATIN_SHARE:
        first = LATIN_FIRST[int(_draw(number, 11) * len(LATIN_FIRST))]
        return f"{first} {LATIN_LAST[int(_draw(number, 12) * len(LATIN_LAST))]}"
    called = _one(SURNAMES, _SURNAME_SHARES, _draw(number, 11))
    called += _one(GIVEN, _GIVEN_SHARES, _draw(number, 12))
    if _draw(number, 13) < 0.8:
        called += _one(GIVEN, _GIVEN_SHARES, _draw(number, 14))
    return called


def advisor(community: int, share: float) -> str:
    """One of the advisors of a community; a large one has more of them."""
    before = _COMMUNITY_SHARES[community - 1] if community else 0.0
    most = max(1, int((_COMMUNITY_SHARES[community] - before) * ADVISORS))
    return f"advisor-{community}-{int(share * most)}"


def _status(share: float, age: float) -> str:
    open_share, lost_share = (0.8, 0.97) if age < RECENT_DAYS else (0.04, 0.88)
    return "open" if share < open_share else "lost" if share < lost_share else "won"


def _one(values: Sequence[str], shares: Sequence[float], share: float) -> str:
    return values[min(bisect(shares, share), len(values) - 1)]


def _draw(number: int, salt: int) -> float:
    """A number from 0 to 1 that looks like chance, and is the same every time (splitmix64)."""
    mixed = (number * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) >> 11) / 2**53


def _id(kind: str, number: int) -> str:
    digest = hashlib.md5(f"{kind}/{number}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"

"""Invented people who become leads: the bodies of `POST /leads` and the rows of files."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

RETURNING = 0.15
"""Share of the leads whose person came before."""
COMMUNITIES = [f"community-{number}" for number in range(1, 21)]
CHANNELS = ["web", "walk-in", "phone", "wechat", "portal", "agency", "event"]
CHANNEL_WEIGHTS = [40, 15, 10, 15, 10, 5, 5]
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲"
BUDGETS = ["980000.00", "1280000.00", "1680000.00", "2150000.00", "3200000.00"]

Form = dict[str, Any]
"""The body of `POST /leads`."""


def leads(
    random: Random, first: int, number: int, *, returning: float = RETURNING
) -> Iterator[Form]:
    """Leads of people `first`, `first + 1` and so on; some of those come once more."""
    newcomer = first
    for _ in range(number):
        if newcomer > first and random.random() < returning:
            yield lead(random, random.randrange(first, newcomer))
        else:
            yield lead(random, newcomer)
            newcomer += 1


def lead(random: Random, person: int) -> Form:
    """What a person says who shows interest in a community."""
    form: Form = {
        "name": _name(person),
        "phone": phone(person),
        "channel": random.choices(CHANNELS, CHANNEL_WEIGHTS)[0],
        "community_id": random.choice(COMMUNITIES),
        "consents": [{"channel": "sms", "purpose": "marketing", "wording": "privacy-2026-03"}],
    }
    if person % 5 < 3:
        form["email"] = f"person.{person}@example.com"
    if random.random() < 0.5:
        form["household"] = {
            "marital_status": random.choice(["single", "married", "married", "divorced"]),
            "homes_owned": random.choice([0, 0, 1, 2]),
            "members": [
                {"relationship": "self", "birth_date": _birth_date(random, 25, 60)},
                *(
                    {"relationship": "child", "birth_date": _birth_date(random, 0, 18)}
                    for _ in range(random.choice([0, 0, 1, 2]))
                ),
            ],
        }
    if random.random() < 0.5:
        form["budget"] = {"amount": random.choice(BUDGETS), "currency": "CNY"}
    if random.random() < 0.3:
        form["affordability"] = {
            "annual_income": {"amount": f"{random.randrange(80, 900)}000.00", "currency": "CNY"},
            "down_payment": {"amount": f"{random.randrange(100, 1500)}000.00", "currency": "CNY"},
        }
    if form["channel"] == "web":
        form["utm"] = {"source": "search", "medium": "cpc", "campaign": "spring-opening"}
    return form


CELLS = [
    "name",
    "phone",
    "email",
    "channel",
    "community_id",
    "budget.amount",
    "budget.currency",
    "household.marital_status",
    "household.homes_owned",
    "household.members.0.relationship",
    "household.members.0.birth_date",
    "affordability.annual_income.amount",
    "affordability.annual_income.currency",
    "utm.source",
    "consents",
]
"""The columns of a file of leads."""


def csv_lines(random: Random, first: int, number: int) -> Iterator[str]:
    """The same leads as lines of CSV, the header first."""
    yield ",".join(CELLS) + "\n"
    for form in leads(random, first, number):
        yield ",".join(_cell(form, name) for name in CELLS) + "\n"


def phone(person: int) -> str:
    """A Chinese mobile number, different for each person below 10^9."""
    return f"13{person:09d}"


def _cell(form: Form, name: str) -> str:
    if name == "consents":
        return " ".join(f"{c['channel']}/{c['purpose']}" for c in form["consents"])
    value: Any = form
    for step in name.split("."):
        value = value[int(step)] if isinstance(value, list) else value.get(step)
        if value is None:
            return ""
    return str(value)


def _name(person: int) -> str:
    surname = SURNAMES[person % len(SURNAMES)]
    given = GIVEN[person // 20 % len(GIVEN)] + GIVEN[person // 600 % len(GIVEN)]
    return surname + given


def _birth_date(random: Random, youngest: int, oldest: int) -> str:
    year = 2026 - random.randrange(youngest, oldest)
    return f"{year}-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"

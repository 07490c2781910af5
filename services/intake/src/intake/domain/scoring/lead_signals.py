"""What a trained model may ask of a lead: what was said at its touches, as the cells of a table.

The same function makes the rows that a model is trained on (of the first touch alone) and the row
that a live lead is scored by (of all touches so far: the first answer stands, a later one fills a
gap). What became of the lead, its stage and its steps, is not among it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date
from typing import Any, Final, NamedTuple

from intake.domain.leads.leads import Touch

MOST_TOUCHES: Final = 20
"""Touches of one lead that count, from the first."""


class Label(NamedTuple):
    """What people call a signal."""

    en: str
    zh: str


SIGNALS: Final[Mapping[str, Label]] = {
    "channel": Label("Channel", "渠道"),
    "community": Label("Community", "楼盘"),
    "partner": Label("Partner", "合作方"),
    "campaign": Label("Campaign", "活动"),
    "referred": Label("Recommended by an owner", "老带新"),
    "known_before": Label("Known customer", "老客户"),
    "captured_weekday": Label("Weekday (UTC)", "星期（UTC）"),
    "captured_hour": Label("Hour (UTC)", "时段（UTC）"),
    "product_line": Label("Product line", "产品线"),
    "budget": Label("Budget", "预算"),
    "budget_currency": Label("Currency of the budget", "预算币种"),
    "utm_source": Label("Traffic source", "流量来源"),
    "utm_medium": Label("Traffic medium", "流量媒介"),
    "utm_campaign": Label("Traffic campaign", "流量活动"),
    "marital_status": Label("Marital status", "婚姻状况"),
    "incomes": Label("Incomes", "收入来源数"),
    "relocating": Label("Relocating", "异地工作"),
    "homes_owned": Label("Homes owned", "已有住房"),
    "household_size": Label("Household size", "家庭人数"),
    "children": Label("Children", "子女数"),
    "youngest_child": Label("Age of the youngest child", "最小子女年龄"),
    "age": Label("Age", "年龄"),
    "annual_income": Label("Annual income", "年收入"),
    "monthly_debts": Label("Monthly debts", "月负债"),
    "down_payment": Label("Down payment", "首付"),
}
"""Every signal with its labels, in the order of an export's columns."""

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def signals_of(community_id: str | None, touches: Sequence[Touch]) -> dict[str, str]:
    """The signals of a lead in a community with these touches, the earliest first."""
    signals: dict[str, str] = {}
    if community_id is not None:
        signals["community"] = community_id
    if not touches:
        return signals
    first = touches[0]
    signals["channel"] = first.channel
    signals["known_before"] = _yes_or_no(first.joined)
    # The database gives a time back in UTC, whatever its offset was.
    came = first.captured_at.astimezone(UTC)
    signals["captured_weekday"] = _WEEKDAYS[came.weekday()]
    signals["captured_hour"] = str(came.hour)
    counting = touches[:MOST_TOUCHES]
    signals["referred"] = _yes_or_no(any(touch.referral_code for touch in counting))
    for touch in counting:
        for name, value in _said(touch):
            if value is not None:
                signals.setdefault(name, value)
    return signals


def _said(touch: Touch) -> Iterator[tuple[str, str | None]]:
    yield "partner", touch.partner_id
    yield "campaign", touch.campaign
    answers = touch.answers
    if not answers:
        return
    yield "product_line", answers.get("product_line")
    budget = answers.get("budget")
    if budget:
        yield "budget", str(budget["amount"])
        yield "budget_currency", budget["currency"]
    utm = answers.get("utm")
    if utm:
        yield "utm_source", utm.get("source")
        yield "utm_medium", utm.get("medium")
        yield "utm_campaign", utm.get("campaign")
    affordability = answers.get("affordability") or {}
    for name in ("annual_income", "monthly_debts", "down_payment"):
        money = affordability.get(name)
        if money:
            yield name, str(money["amount"])
    household = answers.get("household")
    if household:
        yield from _household(household, touch.captured_at.astimezone(UTC).date())


def _household(household: Mapping[str, Any], on: date) -> Iterator[tuple[str, str | None]]:
    yield "marital_status", household.get("marital_status")
    yield "incomes", household.get("incomes")
    relocating = household.get("relocating")
    if relocating is not None:
        yield "relocating", _yes_or_no(relocating)
    owned = household.get("homes_owned")
    if owned is not None:
        yield "homes_owned", str(owned)
    members = household.get("members")
    if not members:
        return
    yield "household_size", str(len(members))
    children = [member for member in members if member["relationship"] == "child"]
    yield "children", str(len(children))
    ages = [age for child in children if (age := _age(child, on)) is not None]
    if ages:
        yield "youngest_child", str(min(ages))
    for member in members:
        age = _age(member, on)
        if member["relationship"] == "self" and age is not None:
            yield "age", str(age)


def _age(member: Mapping[str, Any], on: date) -> int | None:
    """In whole years; None when the birth is not known, or yet to come."""
    written = member.get("birth_date")
    if written is None:
        return None
    born = written if isinstance(written, date) else date.fromisoformat(written)
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return years if years >= 0 else None


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"

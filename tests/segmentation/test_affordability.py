from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn_events import Affordability, Money
from keyturn_events.currencies import CurrencyCode
from segmentation.domain.affordability import LendingTerms, Reach, reach, unanswered
from segmentation.domain.models import SegmentModel


def _means(
    income: int, debts: int, down_payment: int, currency: CurrencyCode = "CNY"
) -> Affordability:
    return Affordability(
        annual_income=Money(amount=Decimal(income), currency=currency),
        monthly_debts=Money(amount=Decimal(debts), currency=currency),
        down_payment=Money(amount=Decimal(down_payment), currency=currency),
    )


@pytest.fixture(scope="session")
def terms(pulte: SegmentModel) -> LendingTerms:
    assert pulte.affordability is not None
    return pulte.affordability


def test_the_front_ratio_bounds_a_household_without_debts(terms: LendingTerms) -> None:
    # 28 % of 40,000 a month is 11,200; the annuity factor of 4 % over 360 months is 209.4612.
    assert reach(_means(480_000, 0, 500_000), terms) == Reach(2_845_965, "CNY", "middle")


def test_the_back_ratio_bounds_a_household_with_debts(terms: LendingTerms) -> None:
    # 36 % of 40,000 less 8,000 is 6,400 a month.
    assert reach(_means(480_000, 8_000, 500_000), terms) == Reach(1_840_551, "CNY", "middle")


def test_debts_beyond_the_back_ratio_leave_the_down_payment(terms: LendingTerms) -> None:
    assert reach(_means(120_000, 9_000, 300_000), terms) == Reach(300_000, "CNY", "entry")


def test_a_reach_on_the_border_belongs_to_the_band_above(terms: LendingTerms) -> None:
    assert reach(_means(0, 0, 1_499_999), terms).band == "entry"
    assert reach(_means(0, 0, 1_500_000), terms).band == "middle"
    assert reach(_means(0, 0, 6_000_000), terms).band == "premium"


def test_a_loan_without_interest_pays_out_what_is_paid_back(terms: LendingTerms) -> None:
    free = LendingTerms(
        Decimal("0.28"), Decimal("0.36"), Decimal(0), 100, terms.bands, terms.markets
    )
    assert reach(_means(120_000, 0, 0), free).price == 280_000


def test_the_same_means_reach_another_band_in_another_market(terms: LendingTerms) -> None:
    assert reach(_means(0, 0, 700_000, "GBP"), terms).band == "premium"
    assert reach(_means(0, 0, 700_000, "CNY"), terms).band == "entry"


def test_what_is_missing_is_named(terms: LendingTerms) -> None:
    yuan = Money(amount=Decimal(1), currency="CNY")
    assert unanswered(Affordability(), terms) == (
        "annual_income",
        "monthly_debts",
        "down_payment",
    )
    mixed = Affordability(
        annual_income=yuan,
        monthly_debts=yuan,
        down_payment=Money(amount=Decimal(1), currency="EUR"),
    )
    assert unanswered(mixed, terms) == ("one_currency",)
    assert unanswered(_means(1, 1, 1, "CHF"), terms) == ("market_prices",)
    assert unanswered(_means(1, 1, 1), terms) == ()


def test_reckoning_without_answers_is_an_error(terms: LendingTerms) -> None:
    with pytest.raises(ValueError, match="needed"):
        reach(Affordability(), terms)


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**9), st.integers(1, 10**6))
def test_more_income_never_reaches_less(income: int, debts: int, down: int, more: int) -> None:
    terms = LendingTerms(
        Decimal("0.28"), Decimal("0.36"), Decimal("0.04"), 360, ("all",), {"CNY": ()}
    )
    poorer, richer = _means(income, debts, down), _means(income + more, debts, down)
    assert reach(poorer, terms).price <= reach(richer, terms).price

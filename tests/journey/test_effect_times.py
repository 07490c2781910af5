"""What the workers' own buckets tell of effects that no event tells of."""

from __future__ import annotations

from keyturn_demo.effect_times import grown, parse_buckets
from keyturn_demo.latency import Latency
from keyturn_events.service_desk import ComplaintRaised, SurveyAnswered

PAGE = """\
# TYPE keyturn_effect_latency_seconds histogram
keyturn_effect_latency_seconds_bucket{le="0.01",reaction="keyturn.complaint.raised.v1"} 2.0
keyturn_effect_latency_seconds_bucket{le="0.1",reaction="keyturn.complaint.raised.v1"} 8.0
keyturn_effect_latency_seconds_bucket{le="0.5",reaction="keyturn.complaint.raised.v1"} 10.0
keyturn_effect_latency_seconds_bucket{le="+Inf",reaction="keyturn.complaint.raised.v1"} 10.0
keyturn_effect_latency_seconds_count{reaction="keyturn.complaint.raised.v1"} 10.0
"""


def test_half_and_nearly_all_are_told_by_the_bounds_they_came_within() -> None:
    assert grown({}, parse_buckets(PAGE), ComplaintRaised) == Latency(10, 100.0, 500.0)


def test_only_what_the_buckets_grew_by_counts() -> None:
    before = {ComplaintRaised.type: {0.01: 2.0, 0.1: 8.0, 0.5: 8.0, float("inf"): 8.0}}
    assert grown(before, parse_buckets(PAGE), ComplaintRaised) == Latency(2, 500.0, 500.0)


def test_a_worker_that_was_started_anew_counts_from_zero() -> None:
    before = {ComplaintRaised.type: {0.01: 90.0, 0.1: 90.0, 0.5: 90.0, float("inf"): 90.0}}
    assert grown(before, parse_buckets(PAGE), ComplaintRaised) == Latency(10, 100.0, 500.0)


def test_effects_that_did_not_happen_have_no_latency() -> None:
    assert grown({}, parse_buckets(PAGE), SurveyAnswered) is None
    page = parse_buckets(PAGE)
    assert grown(page, page, ComplaintRaised) is None

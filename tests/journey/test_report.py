"""The report: readable, complete, and the same figures as the JSON."""

from __future__ import annotations

import pytest

from keyturn_demo.figures import (
    Audit,
    Complaints,
    Effects,
    Figures,
    GateCount,
    MessageCount,
    Segment,
)
from keyturn_demo.latency import Latency
from keyturn_demo.report import WIDTH, plain_text
from keyturn_demo.tally import Noun, Tally


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    tally.accepted(Noun.LEAD, "api", 40)
    tally.joined(Noun.LEAD, "api", 3)
    tally.repeated(Noun.LEAD, "api")
    tally.rejected(Noun.LEAD, "api", "invalid-request", 2)
    tally.rejected(Noun.LEAD, "partner events", "unknown-partner")
    tally.accepted(Noun.PURCHASE, "sales ledger", 12)
    tally.rejected(Noun.PURCHASE, "sales ledger", "home-already-claimed")
    return tally


def figures(tally: Tally, audit: Audit) -> Figures:
    return Figures(
        source="a generated neighbourhood of 40 households, seed 1",
        seconds=31.4,
        tally=tally,
        segment_model="pulte",
        segments=[
            Segment("empty-nester", "Empty nester", "空巢家庭", 10),
            Segment("first-time-buyer", "First-time buyer", "首次置业者", 30),
        ],
        gates=[GateCount("risk-inspection", 12, 1, {"critical-defect": 2})],
        completed=11,
        complaints=Complaints(5, 3, 1, 0, 2, 1, 4),
        messages=[MessageCount("sent", "welcome", 9), MessageCount("skipped", "no-consent", 4)],
        purchases=12,
        purchases_by_referral=3,
        effects=Effects(40, 40, 40, 12, 5, 1, 13, 3, 1, 4, 6, 900),
        latency={"lead_to_segment": Latency(40, 31.5, 120.0)},
        audit=audit,
        notes=["The people are invented."],
    )


def test_the_report_tells_what_happened_at_each_door(tally: Tally) -> None:
    text = plain_text(figures(tally, Audit(traced=57)))
    assert "a generated neighbourhood of 40 households, seed 1" in text
    for line in (
        ("leads", "api", "46", "40", "3", "1", "2"),
        ("partner", "events", "unknown-partner", "1"),
        ("First-time", "buyer", "首次置业者", "30"),
        ("risk-inspection", "12", "1", "2", "critical-defect", "2"),
        ("purchases", "by", "referral", "3", "of", "12,", "25.0%"),
        ("lead", "to", "segment", "40", "32", "ms", "120", "ms"),
    ):
        assert any(row.split()[: len(line)] == list(line) for row in text.splitlines()), line
    assert "lost 0 · doubled 0 · parked 0" in text
    assert "The people are invented." in text


def test_the_plain_report_has_no_colours_and_fits_the_page(tally: Tally) -> None:
    text = plain_text(figures(tally, Audit(traced=57)))
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_faults_are_named_and_the_rest_counted(tally: Tally) -> None:
    audit = Audit(traced=57, lost=[f"lead l{number}" for number in range(25)], doubled=["home h1"])
    found = figures(tally, audit)
    text = plain_text(found)
    assert not found.sound
    assert "lost 25 · doubled 1" in text
    assert "lost: lead l19" in text
    assert "lead l20" not in text
    assert "and 5 more lost" in text
    assert "doubled: home h1" in text


def test_the_json_has_the_figures_that_others_read(tally: Tally) -> None:
    written = figures(tally, Audit(traced=57, parked=1)).as_json()
    assert written["sent"] == {"leads": 47, "purchases": 13, "complaints": 0, "referrals": 0}
    assert written["accepted"] == {"leads": 43, "purchases": 12, "complaints": 0, "referrals": 0}
    assert written["rejected"] == {
        "api": {"invalid-request": 2},
        "partner events": {"unknown-partner": 1},
        "sales ledger": {"home-already-claimed": 1},
    }
    assert (written["lost"], written["doubled"], written["parked"]) == (0, 0, 1)
    assert written["latency_ms"]["lead_to_segment"] == {"p50": 31.5, "p99": 120.0, "count": 40}
    assert written["effects"]["complaints_late"] == 1
    assert written["effects"]["referral_rewards"] == 3

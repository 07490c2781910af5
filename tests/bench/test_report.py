from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import report
from bench.rounds import Comparison, compared

RESULT = compared(
    Comparison("relay_vs_produce", "events/s", "relay", "produce", 0.6),
    {"relay": [12_345.678, 13_000.0], "produce": [20_000.0, 20_000.0]},
)


def test_bench_json_says_of_each_result_what_programs_look_for(tmp_path: Path) -> None:
    report.write(tmp_path / "build" / "bench.json", [RESULT], "apache")

    written = json.loads((tmp_path / "build" / "bench.json").read_text(encoding="utf-8"))
    assert written["broker"] == "apache"
    assert "Python" in written["machine"]
    assert written["results"] == [
        {
            "name": "relay_vs_produce",
            "ours": 12_673,
            "baseline": 20_000,
            "ratio": 0.63364,
            "unit": "events/s",
            "min": 0.61728,
            "max": 0.65,
        }
    ]


@pytest.mark.parametrize(
    ("figure", "text"), [(12_345.6, "12,346"), (99.96, "100"), (3.14159, "3.14"), (0.75, "0.75")]
)
def test_people_read_three_significant_digits(figure: float, text: str) -> None:
    assert report.written(figure) == text

from __future__ import annotations

from typer.testing import CliRunner

from bench.__main__ import app

WANTED = {
    "lead_capture_vs_empty",
    "lead_capture_vs_textbook",
    "consume_vs_textbook",
    "consume_vs_faststream",
    "consume_vs_validation",
    "relay_vs_produce",
    "import_vs_copy",
    "lead_to_campaign_p99_vs_hops",
    "growth_1m_vs_10k",
    "backlog_1m_vs_empty",
    "worker_rss_mb",
    "import_growth_mb",
    "parked_1pct_p99_vs_none",
    "intake_search_p99_ms",
    "intake_list_p99_ms",
}


def test_every_promise_about_speed_has_its_measure() -> None:
    answer = CliRunner().invoke(app, ["--list"])

    assert set(answer.output.split()) == WANTED


def test_a_name_that_is_not_measured_is_refused_before_anything_starts() -> None:
    answer = CliRunner().invoke(app, ["--only", "relay_vs_produce,throughput"])

    assert answer.exit_code == 2
    assert "throughput" in answer.output

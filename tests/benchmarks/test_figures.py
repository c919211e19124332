"""Rates as the sink saw them, and the table they are shown in."""

import json
from pathlib import Path

import pytest

from benchmarks import report, sink


def test_the_sinks_last_counter_is_read(tmp_path: Path) -> None:
    log = tmp_path / "count"
    log.write_bytes(b"sess=1 quit=0 mesg=1\rsess=1 quit=0 mesg=2\rsess=1 quit=0 mesg=3")
    arrivals = sink.Arrivals(log)
    arrivals.look()
    assert arrivals.count == 2, "the third is not yet written to its end"


def test_a_rate_counts_what_arrived_between_two_moments(tmp_path: Path) -> None:
    arrivals = sink.Arrivals(tmp_path / "count", [(10.0, 5), (11.0, 105), (12.0, 305), (13.0, 405)])
    assert arrivals.rate(11.0, 13.0) == 150
    assert arrivals.rate(9.0, 10.0) == 5
    assert arrivals.span() == (10.0, 5, 13.0, 405)


def test_the_table_and_the_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[report.Row] = [{"system": "ours", "msg/s": 2_600}, {"system": "peer", "CPU": {"milter": 1.5}}]
    report.tell({"messages": 20_000}, rows, {"ours / peer": 4.3}, as_json=False)
    table = capsys.readouterr().out
    assert "messages: 20,000" in table
    assert "| ours   | 2,600 |            |" in table
    assert "| peer   |       | milter 1.5 |" in table
    report.tell({"messages": 20_000}, rows, {"ours / peer": 4.3}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "messages": 20_000,
        "results": rows,
        "ratios": {"ours / peer": 4.3},
    }

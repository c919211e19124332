"""Logs: form, secrets, recipients, control characters. Metrics: the table and its values."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest
import structlog

from tests.support.clock import ManualClock
from tierii_mta.daemon import metrics, telemetry
from tierii_mta.daemon.metrics import TABLE, Metrics


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(format: Literal["json", "console"] = "json", event: str = "it happened", /, **settings: Any) -> str:
    values = settings.pop("values")
    stream = io.StringIO()
    telemetry.configure_logging(format=format, stream=stream, **settings)
    structlog.get_logger().info(event, **values)
    return stream.getvalue()


def test_a_json_line_has_time_level_and_values() -> None:
    line = json.loads(logged(values={"count": 3, "nested": {"a": [1, None]}}, process="web"))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "it happened",
        "level": "info",
        "process": "web",
        "count": 3,
        "nested": {"a": [1, None]},
    }


def test_libraries_speak_through_the_same_line() -> None:
    stream = io.StringIO()
    telemetry.configure_logging(stream=stream)
    logging.getLogger("some.library").warning("to %s", "ann@example.com")
    assert json.loads(stream.getvalue())["event"] == "to a***@example.com"


def test_lines_below_the_level_are_left_out() -> None:
    assert logged(level="warning", values={}) == ""


@pytest.mark.parametrize("format", ["json", "console"])
def test_values_with_a_secret_name_are_never_shown(format: Literal["json", "console"]) -> None:
    text = logged(
        format, values={"password": "hunter2", "api_key": "hunter3", "a": {"Authorization": "hunter4"}}, level="debug"
    )
    assert "hunter" not in text


def test_recipients_are_masked_unless_asked_for() -> None:
    values = {
        "recipient": "ann@example.com",
        "reply": "550 <bob@example.com>: no such user",
        "many": ["carl@example.com"],
        "message_id": "<abc@mta.example.com>",
    }
    masked = json.loads(logged(values=values))
    assert masked["recipient"] == "a***@example.com"
    assert masked["reply"] == "550 <b***@example.com>: no such user"
    assert masked["many"] == ["c***@example.com"]
    assert masked["message_id"] == "<abc@mta.example.com>"
    assert json.loads(logged(values=values, recipients="full"))["recipient"] == "ann@example.com"
    assert json.loads(logged(values=values, level="debug"))["recipient"] == "ann@example.com"


HOSTILE = '220 hello\n{"level": "error"}\r\x1b[2J\x9b31m\u202e'


def test_what_a_peer_sent_cannot_forge_a_json_line() -> None:
    text = logged(values={"reply": HOSTILE})
    assert text.count("\n") == 1
    assert text.isascii()
    assert text.rstrip("\n").isprintable()
    assert json.loads(text)["reply"] == HOSTILE


def test_what_a_peer_sent_cannot_move_the_cursor_of_a_terminal() -> None:
    text = logged("console", HOSTILE, values={"reply": HOSTILE})
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


def test_an_exception_is_told_in_one_json_line() -> None:
    stream = io.StringIO()
    telemetry.configure_logging(stream=stream)
    try:
        raise RuntimeError("to ann@example.com")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    line = json.loads(stream.getvalue())
    assert "RuntimeError: to a***@example.com" in line["exception"]


def test_no_metric_is_labelled_by_what_grows_without_end() -> None:
    labels = {label for metric in TABLE for label in metric.labels}
    assert not labels & {"domain", "site", "campaign", "recipient", "lane", "mx", "list"}
    assert len({metric.name for metric in TABLE}) == len(TABLE)


def test_values_appear_in_the_prometheus_format() -> None:
    kept = Metrics()
    kept.count(metrics.DELIVERIES, outcome="delivered", priority="high")
    kept.count(metrics.DELIVERIES, 2, outcome="delivered", priority="high")
    kept.observe(metrics.GROUP_SIZE, 7)
    kept.replace(metrics.QUEUE, {("pending", "high"): 3, ("retry", "low"): 1})
    kept.replace(metrics.QUEUE, {("pending", "high"): 4})
    text = kept.text()
    assert 'tierii_deliveries_total{outcome="delivered",priority="high"} 3.0' in text
    assert 'tierii_queue_deliveries{priority="high",state="pending"} 4.0' in text
    assert 'state="retry"' not in text
    assert 'tierii_commit_group_size_bucket{le="10.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_two_daemons_in_one_process_share_no_metric() -> None:
    one, other = Metrics(), Metrics()
    one.count(metrics.EXPIRED)
    assert "tierii_expired_total 1.0" in one.text()
    assert "tierii_expired_total 0.0" in other.text()


def test_a_metric_is_used_as_its_kind_says() -> None:
    with pytest.raises(TypeError, match="is no gauge"):
        Metrics().set(metrics.EXPIRED, 1)


async def test_the_event_loops_lag_is_measured() -> None:
    clock, kept = ManualClock(), Metrics()
    watching = asyncio.create_task(metrics.watch_loop_lag(kept, clock))
    await clock.settle()
    clock.advance(timedelta(seconds=0.75))  # it wanted to wake after half a second
    await clock.settle()
    watching.cancel()
    assert "tierii_event_loop_lag_seconds_sum 0.25" in kept.text()

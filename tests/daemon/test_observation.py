"""What endings become in metrics and alerts."""

from structlog.testing import capture_logs

from tests.queue.values import attempt, delivery
from tests.support.clock import ManualClock
from tierii_mta.daemon.metrics import Metrics
from tierii_mta.daemon.observation import Observer
from tierii_mta.queue.crashes import FAULT
from tierii_mta.queue.delivery import Failed, FailureReason, Stage
from tierii_mta.queue.hand import Ending


def ended(metrics: Metrics, stage: Stage, reason: FailureReason, reply_class: str = "ContentRelated") -> list[str]:
    """Tell an observer of a failure and return the alerts."""
    outcome = Failed(attempt=attempt(554, "no", "5.6.0", stage=stage, reply_class=reply_class), reason=reason)
    with capture_logs() as logs:
        Observer(metrics, ManualClock()).ended(Ending(delivery=delivery(), outcome=outcome, settle=None))
    return [f"{line['event']} {line['cause']}" for line in logs if line["log_level"] == "error"]


def test_a_mail_that_no_worker_survives_has_a_cause_of_its_own_and_an_alert() -> None:
    metrics = Metrics()
    assert ended(metrics, Stage.WORKER, FailureReason.RENDER) == ["delivery.set_aside worker"]
    assert 'tierii_set_aside_total{cause="worker",reason="render"} 1.0' in metrics.text()


def test_values_that_break_a_template_are_counted_without_an_alert_and_our_faults_with_one() -> None:
    metrics = Metrics()
    assert ended(metrics, Stage.RENDER, FailureReason.RENDER) == []
    assert ended(metrics, Stage.BODY, FailureReason.ERROR, FAULT) == ["delivery.set_aside fault"]
    text = metrics.text()
    assert 'tierii_set_aside_total{cause="render",reason="render"} 1.0' in text
    assert 'tierii_set_aside_total{cause="fault",reason="error"} 1.0' in text

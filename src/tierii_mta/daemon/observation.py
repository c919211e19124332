"""What the daemon's parts tell, turned into metrics and log lines.

Owns which counter an ending moves and the one canonical log line of an attempt; the events themselves are written by
the queue in the commit they describe.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import cache

import structlog

from tierii_mta.clock import Clock
from tierii_mta.daemon.metrics import (
    ATTEMPT_SECONDS,
    COMMIT_SECONDS,
    COMMITS,
    CRASHES,
    DELIVERIES,
    DISK_FREE,
    GROUP_SIZE,
    INTAKE_OPEN,
    NOTIFICATIONS,
    REPLY_CLASSES,
    SET_ASIDE,
    STORE_SICK,
    SUPPRESSIONS,
    SUSPENSIONS,
    Metrics,
)
from tierii_mta.errors import Unavailable
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.crashes import FAULT
from tierii_mta.queue.delivery import (
    Attempt,
    Deferred,
    Delivered,
    Delivery,
    Failed,
    FailureReason,
    InDoubt,
    Outcome,
    Returned,
    Stage,
    State,
)
from tierii_mta.queue.hand import Ending
from tierii_mta.queue.reserve import NoRoom, Reserve

_NAMES = {
    Delivered: "delivered",
    Deferred: "deferred",
    Failed: "failed",
    InDoubt: "indoubt",
    Returned: "returned",
    type(None): "lost",
}
_RATE_WINDOW_S = 10
_OURS = frozenset({FailureReason.ERROR, FailureReason.RENDER})
_ROOM_EVERY_S = 5.0
TellRoom = Callable[[bool, str], Awaitable[None]]


class Observer:
    """Watches one daemon."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._log = structlog.get_logger().bind()  # else each line would put a logger together first
        self._threshold = logging.getLogger(__name__)
        self._deliveries = cache(
            lambda name, priority: metrics.counter(DELIVERIES, outcome=name, priority=priority.name.lower())
        )
        self._reply_classes = cache(
            lambda name, provider: metrics.counter(REPLY_CLASSES, **{"class": name, "provider": provider})
        )
        self._attempt_seconds = cache(lambda name: metrics.histogram(ATTEMPT_SECONDS, outcome=name))
        self._finished: dict[int, int] = {}  # second → endings, of the last few seconds

    def ended(self, ending: Ending) -> None:
        """Count an ending and write its line."""
        outcome = ending.outcome
        name = _NAMES[type(outcome)]
        self._deliveries(name, ending.delivery.priority).inc()
        if outcome is None or isinstance(outcome, Returned):
            return
        self._tick()
        attempt = outcome.attempt
        self._reply_classes(attempt.reply_class or "accepted", attempt.provider).inc()
        self._attempt_seconds(name).observe(attempt.elapsed.total_seconds())
        if isinstance(outcome, Deferred) and outcome.is_blocked:
            self._metrics.count(SUSPENSIONS, provider=attempt.provider)
        if ending.settle is not None and ending.settle.suppression is not None:
            self._metrics.count(SUPPRESSIONS, reason=str(ending.settle.suppression.reason))
        if attempt.reply_class == FAULT:
            self._metrics.count(CRASHES)
        if isinstance(outcome, Failed) and outcome.reason in _OURS:
            self.set_aside("fault" if attempt.reply_class == FAULT else str(attempt.stage), reason=outcome.reason)
        self._write(name, ending.delivery, outcome, attempt)
        if ending.settle is not None and ending.settle.to_state is State.FAILED and ending.delivery.reverse_path == "":
            self._log.warning("bounce.double", delivery=ending.delivery.id, recipient=ending.delivery.recipient)

    def notified(self, action: Action) -> None:
        """A sender is told what became of their mail."""
        self._metrics.count(NOTIFICATIONS, action=str(action))

    def set_aside(self, cause: str, count: int = 1, *, reason: FailureReason = FailureReason.ERROR) -> None:
        """Deliveries were given up though no peer is to blame; what is our fault needs the operator."""
        self._metrics.count(SET_ASIDE, count, reason=str(reason), cause=cause)
        if reason is FailureReason.ERROR or cause == Stage.WORKER:
            self._log.error("delivery.set_aside", cause=cause, count=count)

    def committed(self, operations: int, seconds: float, is_kept: bool) -> None:
        """A group of operations came to its end."""
        self._metrics.count(COMMITS, result="kept" if is_kept else "failed")
        self._metrics.observe(GROUP_SIZE, operations)
        self._metrics.observe(COMMIT_SECONDS, seconds)

    def sick(self, failure: Unavailable) -> None:
        """The store failed a COMMIT."""
        self._metrics.set(STORE_SICK, 1)
        self._log.error("store.sick", error=str(failure))

    def well(self) -> None:
        """The store has recovered."""
        self._metrics.set(STORE_SICK, 0)
        self._log.info("store.well")

    async def watch_room(self, reserve: Reserve, tell: TellRoom | None = None) -> None:
        """Follow the free space until cancelled; say it once when intake closes, and once when it opens."""
        was_open = True
        while True:
            try:
                self._metrics.set(DISK_FREE, reserve.free_bytes())
                reserve.check()
                is_open, why = True, ""
            except Unavailable as failure:
                is_open, why = not isinstance(failure, NoRoom) and was_open, str(failure)
            self._metrics.set(INTAKE_OPEN, is_open)
            if was_open and not is_open:
                self._log.error("intake.closed", error=why)
            elif is_open and not was_open:
                self._log.info("intake.open")
            if is_open is not was_open and tell is not None:
                await tell(is_open, why)
            was_open = is_open
            await self._clock.sleep(_ROOM_EVERY_S)

    def send_rate(self) -> float:
        """Return attempts finished per second, over the last ten full seconds."""
        now = int(self._clock.monotonic())
        counted = sum(count for second, count in self._finished.items() if now - _RATE_WINDOW_S <= second < now)
        return counted / _RATE_WINDOW_S

    def _tick(self) -> None:
        second = int(self._clock.monotonic())
        if second not in self._finished:
            for old in [past for past in self._finished if past < second - _RATE_WINDOW_S]:
                del self._finished[old]
            self._finished[second] = 0
        self._finished[second] += 1

    def _write(self, name: str, delivery: Delivery, outcome: Outcome, attempt: Attempt) -> None:
        """The canonical line: all that is known of the attempt, once."""
        if not self._threshold.isEnabledFor(logging.INFO):
            return
        self._log.info(
            "attempt." + name,
            delivery=delivery.id,
            campaign=delivery.campaign,
            recipient=delivery.recipient,
            attempt=delivery.attempts + 1,
            stage=str(attempt.stage),
            reply=str(attempt.reply),
            reply_class=attempt.reply_class,
            mx=attempt.mx,
            address=attempt.address,
            source=attempt.source,
            tls=attempt.tls,
            provider=attempt.provider,
            message_id=attempt.message_id,
            elapsed_ms=round(attempt.elapsed.total_seconds() * 1000),
            reason=str(reason) if (reason := getattr(outcome, "reason", None)) else None,
        )

"""Every metric of the daemon, as a table, and the registry that holds their values.

Owns names, kinds, labels and help; not when they change.  No metric is labelled by domain, campaign or person: a
label's values are few and known.  A registry belongs to the object that made it, never to the module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from tierii_mta.clock import Clock


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # of histograms


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

INFO = Metric("tierii_build_info", "gauge", "1, labelled by version", ("version",))
DELIVERIES = Metric("tierii_deliveries_total", "counter", "Settled attempts by outcome", ("outcome", "priority"))
REPLY_CLASSES = Metric("tierii_reply_classes_total", "counter", "Attempts by class of the reply", ("class", "provider"))
ATTEMPT_SECONDS = Metric(
    "tierii_attempt_seconds", "histogram", "Length of an attempt, route to final reply", ("outcome",), _SECONDS
)
QUEUE = Metric("tierii_queue_deliveries", "gauge", "Open deliveries by state", ("state", "priority"))
OLDEST_ELIGIBLE = Metric(
    "tierii_queue_oldest_eligible_seconds",
    "gauge",
    "Age of the oldest delivery whose lane is open: alert at 30 s high, 5 min normal, 1 h low",
    ("priority",),
)
LANES = Metric("tierii_lanes", "gauge", "Lanes in the directory", ("state",))
IN_HAND = Metric("tierii_in_hand_deliveries", "gauge", "Claimed and not yet settled")
SESSIONS_IDLE = Metric("tierii_sessions_idle", "gauge", "SMTP sessions to other servers that wait for a message")
COMMITS = Metric("tierii_commits_total", "counter", "Group commits by result", ("result",))
COMMIT_SECONDS = Metric("tierii_commit_seconds", "histogram", "Length of a group commit", (), _SHORT)
GROUP_SIZE = Metric("tierii_commit_group_size", "histogram", "Operations in a group commit", (), _COUNTS)
STORE_SICK = Metric("tierii_store_sick", "gauge", "1 while a failed COMMIT keeps intake and delivery closed")
DISK_FREE = Metric("tierii_disk_free_bytes", "gauge", "Free space below data_dir; see storage.reserve")
INTAKE_OPEN = Metric("tierii_intake_open", "gauge", "0 while so little space is free that new mail is refused (452)")
LOOP_LAG = Metric("tierii_event_loop_lag_seconds", "histogram", "How late the event loop wakes", (), _SHORT)
SUSPENSIONS = Metric(
    "tierii_lane_suspensions_total", "counter", "Lanes closed because a destination refuses us", ("provider",)
)
SUPPRESSIONS = Metric("tierii_suppressions_total", "counter", "Entries added to the suppression list", ("reason",))
CRASHES = Metric("tierii_crashes_total", "counter", "Attempts that broke off through a fault of ours")
SET_ASIDE = Metric(
    "tierii_set_aside_total",
    "counter",
    "Deliveries that ended failed(error) or failed(render): alert on error, and on the cause worker",
    ("reason", "cause"),
)
NOTIFICATIONS = Metric("tierii_notifications_total", "counter", "Notifications made for senders (DSN)", ("action",))
EXPIRED = Metric("tierii_expired_total", "counter", "Deliveries ended by age")
FRONT_SESSIONS = Metric("tierii_front_sessions_open", "gauge", "Open sessions of clients", ("door",))
FRONT_OPENED = Metric("tierii_front_sessions_total", "counter", "Sessions let in", ("door",))
FRONT_ACCEPTED = Metric("tierii_front_messages_total", "counter", "Messages kept", ("door",))
FRONT_REFUSED = Metric(
    "tierii_front_refusals_total",
    "counter",
    "Sessions, commands and messages refused, by a word or the enhanced code",
    ("door", "reason"),
)
FRONT_BANS = Metric("tierii_front_bans_total", "counter", "Addresses put out for a while", ("reason",))
FRONT_OCTETS = Metric("tierii_front_octets_total", "counter", "Octets that came, by sessions ended", ("door",))
VERDICTS = Metric("tierii_inbound_verdicts_total", "counter", "Messages judged on port 25", ("decision",))
FINDINGS = Metric(
    "tierii_inbound_findings_total", "counter", "Messages of which a rule of the checks was found", ("check",)
)
CHECK_TROUBLES = Metric(
    "tierii_inbound_check_troubles_total",
    "counter",
    "Checks that were late or failed: alert on failed",
    ("check", "how"),
)
INBOX_PROCESSED = Metric("tierii_inbox_processed_total", "counter", "Received messages by what they were", ("kind",))
INBOX_EFFECTS = Metric(
    "tierii_inbox_effects_total", "counter", "What followed from received messages, by event", ("event",)
)
MAILBOX_ATTEMPTS = Metric(
    "tierii_mailbox_attempts_total",
    "counter",
    "Received messages handed to mailboxes: done, later, never",
    ("outcome",),
)
MAILBOXES_FAILING = Metric("tierii_mailboxes_failing", "gauge", "Mailboxes that take no mail: alert above 0")

TABLE: Sequence[Metric] = (
    INFO,
    DELIVERIES,
    REPLY_CLASSES,
    ATTEMPT_SECONDS,
    QUEUE,
    OLDEST_ELIGIBLE,
    LANES,
    IN_HAND,
    SESSIONS_IDLE,
    COMMITS,
    COMMIT_SECONDS,
    GROUP_SIZE,
    STORE_SICK,
    DISK_FREE,
    INTAKE_OPEN,
    LOOP_LAG,
    SUSPENSIONS,
    SUPPRESSIONS,
    CRASHES,
    SET_ASIDE,
    NOTIFICATIONS,
    EXPIRED,
    FRONT_SESSIONS,
    FRONT_OPENED,
    FRONT_ACCEPTED,
    FRONT_REFUSED,
    FRONT_BANS,
    FRONT_OCTETS,
    VERDICTS,
    FINDINGS,
    CHECK_TROUBLES,
    INBOX_PROCESSED,
    INBOX_EFFECTS,
    MAILBOX_ATTEMPTS,
    MAILBOXES_FAILING,
)


class Metrics:
    """The values of one process, for one run."""

    def __init__(self, table: Sequence[Metric] = TABLE) -> None:
        self._registry = CollectorRegistry()
        self._collectors: dict[str, Counter | Gauge | Histogram] = {}
        self._children: dict[tuple[object, ...], Counter | Gauge | Histogram] = {}  # what `labels` gives, asked once
        ProcessCollector(registry=self._registry)
        for metric in table:
            self._collectors[metric.name] = self._collector(metric)

    def _collector(self, metric: Metric) -> Counter | Gauge | Histogram:
        match metric.kind:
            case "counter":
                return Counter(metric.name, metric.help, metric.labels, registry=self._registry)
            case "gauge":
                return Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
            case "histogram":
                return Histogram(
                    metric.name, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets
                )

    def counter(self, metric: Metric, **labels: str) -> Counter:
        """Return a counter, for those who count often."""
        child = self._child(metric, labels)
        if not isinstance(child, Counter):
            raise TypeError(f"{metric.name} is no counter")
        return child

    def histogram(self, metric: Metric, **labels: str) -> Histogram:
        """Return a histogram, for those who observe often."""
        child = self._child(metric, labels)
        if not isinstance(child, Histogram):
            raise TypeError(f"{metric.name} is no histogram")
        return child

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self.counter(metric, **labels).inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        child = self._child(metric, labels)
        if not isinstance(child, Gauge):
            raise TypeError(f"{metric.name} is no gauge")
        child.set(value)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add an observation to a histogram."""
        self.histogram(metric, **labels).observe(value)

    def replace(self, metric: Metric, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge's whole family, by label values in the order of the table; others disappear."""
        self._collectors[metric.name].clear()
        self._children = {key: child for key, child in self._children.items() if key[0] != metric.name}
        for labels, value in values.items():
            self.set(metric, value, **dict(zip(metric.labels, labels, strict=True)))

    def text(self) -> str:
        """Return all values in the Prometheus text format."""
        return generate_latest(self._registry).decode()

    def _child(self, metric: Metric, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        key = (metric.name, *labels.items())
        child = self._children.get(key)
        if child is None:
            collector = self._collectors[metric.name]
            child = self._children[key] = collector.labels(**labels) if labels else collector
        return child


async def watch_loop_lag(metrics: Metrics, clock: Clock, every: float = 0.5) -> None:
    """Measure how late this event loop wakes up, until cancelled."""
    while True:
        due = clock.monotonic() + every
        await clock.sleep(every)
        metrics.observe(LOOP_LAG, max(0.0, clock.monotonic() - due))

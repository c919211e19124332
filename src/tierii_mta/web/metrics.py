"""Metrics of the web process, beside the daemon's.

Owns their names, all under `tierii_web_`, so that both processes' values can stand on one page.  Labels are routes and
codes, never paths: a path holds a token.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class WebMetrics:
    """The values of one web process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(namespace="tierii_web", registry=self._registry)
        self.requests = Counter(
            "tierii_web_requests_total", "Requests by route and status", ("route", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "tierii_web_request_seconds", "Length of a request", ("route",), registry=self._registry
        )
        self.unsubscribed = Counter(
            "tierii_web_unsubscribed_total", "Persons who unsubscribed", ("method",), registry=self._registry
        )
        self.daemon_up = Gauge(
            "tierii_web_daemon_up", "1 if the daemon answered for this page", registry=self._registry
        )

    def text(self) -> str:
        """Return all values in the Prometheus text format."""
        return generate_latest(self._registry).decode()

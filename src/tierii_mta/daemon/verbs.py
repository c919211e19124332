"""The verbs of the control socket: what the daemon answers about itself, and what it does on the operator's word.

Owns the answers' shapes; not the protocol (daemon.control).  Everything durable goes through the database and works
with the daemon down; here is only what lives in this process: lanes, the throttle, sessions, metrics.
"""

import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tierii_mta.clock import elapsed, rfc3339
from tierii_mta.daemon.control import Answer, Handler
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.metrics import IN_HAND, LANES, OLDEST_ELIGIBLE, QUEUE, SESSIONS_IDLE, Metrics
from tierii_mta.daemon.observation import Observer
from tierii_mta.daemon.way_out import WayOut
from tierii_mta.errors import Unavailable, UsageError
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.lane_report import LaneRow, report_lanes
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager

_OLDEST_LANES = 50


class Verbs:
    """The handlers of one daemon."""

    def __init__(
        self,
        installation: Installation,
        *,
        manager: QueueManager,
        directory: LaneDirectory,
        way_out: WayOut,
        committer: Committer,
        metrics: Metrics,
        observer: Observer,
    ) -> None:
        self._installation, self._clock = installation, installation.clock
        self._manager, self._directory, self._way_out = manager, directory, way_out
        self._committer, self._metrics, self._observer = committer, metrics, observer

    def handlers(self) -> Mapping[str, Handler]:
        """Return every verb."""
        return {
            "ping": self._ping,
            "status": self._status,
            "metrics": self._show_metrics,
            "explain": self._explain,
        }

    async def _ping(self, _: Mapping[str, Any]) -> Answer:
        return {
            "ready": not self._committer.is_sick,
            "pid": os.getpid(),
            "in_hand": len(self._manager.hand),
            **self._health(),
        }

    async def _status(self, _: Mapping[str, Any]) -> Answer:
        report = report_lanes(self._directory, now=self._clock.now(), limit=_OLDEST_LANES)
        return {
            "pid": os.getpid(),
            **self._health(),
            "in_hand": len(self._manager.hand),
            "sessions": self._way_out.idle_sessions,
            "send_rate_per_s": self._observer.send_rate(),
            "oldest_eligible_s": {priority.name.lower(): age for priority, age in report.oldest_eligible_s.items()},
            "oldest_lanes": [self._lane(row) for row in report.oldest],
        }

    def _health(self) -> dict[str, str]:
        """Return whether the store takes commits and whether new mail is taken, each with the reason if not."""
        health = {"store": "well", "intake": "open"}
        if sickness := self._committer.sickness:
            health = {
                "store": "sick",
                "store_reason": str(sickness),
                "intake": "closed",
                "intake_reason": sickness.what,
            }
        else:
            try:
                self._installation.reserve.check()
            except Unavailable as failure:
                health |= {"intake": "closed", "intake_reason": str(failure)}
        return health

    async def _show_metrics(self, _: Mapping[str, Any]) -> Answer:
        report = report_lanes(self._directory, now=self._clock.now(), limit=0)
        self._metrics.set(IN_HAND, len(self._manager.hand))
        self._metrics.set(SESSIONS_IDLE, self._way_out.idle_sessions)
        self._metrics.replace(LANES, {(place,): float(count) for place, count in report.places.items()})
        self._metrics.replace(
            OLDEST_ELIGIBLE, {(priority.name.lower(),): age for priority, age in report.oldest_eligible_s.items()}
        )
        try:
            totals = await self._installation.queue.totals()
        except Unavailable:  # the metrics that say so are needed now more than ever
            totals = {}
        self._metrics.replace(
            QUEUE, {(str(state), priority.name.lower()): float(n) for (state, priority), n in totals.items()}
        )
        return {"text": self._metrics.text()}

    async def _explain(self, request: Mapping[str, Any]) -> Answer:
        domain = _text(request, "domain")
        found = await self._way_out.explain(domain)

        async def lines() -> AsyncIterator[Mapping[str, Any]]:
            for line in found:
                yield line

        return lines()

    def _lane(self, row: LaneRow) -> dict[str, Any]:
        age = elapsed(row.due, self._clock.now()).total_seconds()
        return {
            "lane": row.lane.id,
            "stream": row.lane.stream,
            "domain": row.lane.domain,
            "priority": row.priority.name.lower(),
            "place": row.place,
            "due": rfc3339(row.due),
            "age_s": max(0.0, round(age, 1)),
        }


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} is missing", where=str(request.get("verb")))
    return value

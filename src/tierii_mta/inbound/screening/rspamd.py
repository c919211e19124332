"""What rspamd says, asked over its HTTP protocol.

Owns the request, what of the answer counts, and when to stop asking for a while; not what a point is worth (rules, the
settings).  rspamd is optional and never in the way: without an answer there is a note.  Touches: HTTP.
Protocol: https://rspamd.com/doc/developers/protocol.html
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import httpx
import structlog

from tierii_mta.clock import Clock
from tierii_mta.inbound.screening.case import Case, Report, observed

_LEAST, _MOST = -5.0, 15.0  # points of rspamd's that count
_NAMED = 8  # symbols in the finding
_MAX_ANSWER = 1_000_000
_FAILURES = 3  # in a row, until it is left alone
_REST = timedelta(seconds=30)
_MAX_OCTETS = 10_000_000
_AT_ONCE = 20  # messages that are held whole
_PLAIN = range(0x20, 0x7F)


class Rspamd:
    """One rspamd."""

    name = "rspamd"

    def __init__(self, url: str, *, timeout: timedelta, clock: Clock, hostname: str) -> None:
        """`url` of a normal worker, e.g. `http://127.0.0.1:11333`."""
        self._url = f"{url.rstrip('/')}/checkv2"
        self._clock, self._hostname, self._timeout = clock, hostname, timeout.total_seconds()
        self._client = httpx.AsyncClient(timeout=self._timeout, trust_env=False)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._failures = 0
        self._rests_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def look(self, case: Case) -> Report:
        """Return the score, with the symbols that weigh most."""
        if self._clock.monotonic() < self._rests_until:
            return observed("rspamd_unusable", f"it failed {_FAILURES} times in a row, and is left alone for a while")
        if case.incoming.message.size_bytes > _MAX_OCTETS:
            return observed("rspamd_unusable", f"the message is larger than {_MAX_OCTETS} octets")
        try:
            answer = await self._ask(case)
        except (httpx.HTTPError, TimeoutError, ValueError, TypeError, KeyError) as failure:
            return self._failed(failure)
        self._failures = 0
        return answer

    async def _ask(self, case: Case) -> Report:
        # httpx's own time-out bounds each step, not the whole.
        async with self._room, asyncio.timeout(self._timeout):
            response = await self._client.post(self._url, content=case.octets(), headers=list(self._headers(case)))
        response.raise_for_status()
        if len(response.content) > _MAX_ANSWER:
            raise ValueError("its answer is too long")
        said = json.loads(response.content)
        score = float(said["score"])
        symbols = sorted(said.get("symbols", {}).values(), key=lambda one: -abs(float(one.get("score", 0))))
        named = ", ".join(f"{one['name']} {float(one.get('score', 0)):+g}" for one in symbols[:_NAMED])
        detail = f"{score:g} of {float(said.get('required_score', 0)):g}, {said.get('action')}: {named}"
        return observed("rspamd", detail, times=min(max(score, _LEAST), _MOST))

    def _headers(self, case: Case) -> Iterator[tuple[str, str]]:
        incoming, session = case.incoming, case.incoming.session
        yield "IP", str(case.client)
        yield "From", _plain(str(incoming.reverse_path or ""))
        for one in incoming.recipients:
            yield "Rcpt", _plain(one.address)
        yield "Queue-Id", session.id
        yield "MTA-Name", self._hostname
        if session.client_name:
            yield "Helo", _plain(session.client_name)
        if session.tls is not None:
            version, _, cipher = session.tls.partition(" ")
            yield "TLS-Version", version
            yield "TLS-Cipher", cipher

    def _failed(self, failure: Exception) -> Report:
        self._failures += 1
        why = f"{type(failure).__name__}: {failure}".rstrip(": ")[:200]
        if self._failures >= _FAILURES:
            self._failures = 0
            self._rests_until = self._clock.monotonic() + _REST.total_seconds()
            structlog.get_logger().warning("rspamd.unusable", url=self._url, why=why, rest_s=_REST.total_seconds())
        return observed("rspamd_unusable", why)


def _plain(text: str) -> str:
    """Return what can stand in an HTTP header; addresses beyond ASCII travel percent-encoded."""
    return "".join(one if ord(one) in _PLAIN else "".join(f"%{octet:02X}" for octet in one.encode()) for one in text)

"""Webhooks: a JSON document is posted to an address of the operator's, signed.

Owns the request, its signature (Standard Webhooks 1.0.0) and what came back; not what is posted nor when it is tried
again.  The addresses stand in the settings, so they are trusted, whatever network they lead to; a redirect is not
followed, for whoever answers has not been named, nor are proxies of the environment used.  Of the answer the status
is read and nothing else.  Touches the network.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from tierii_mta.clock import Clock, Instant, rfc3339
from tierii_mta.queue.delivery import Json

_MAX_WAIT = timedelta(hours=1)
_USER_AGENT = "tierii-mta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One webhook of the settings."""

    name: str
    url: str
    secret: bytes = field(repr=False)
    timeout: timedelta = timedelta(seconds=15)
    raw_bytes: int = 0  # the largest message whose octets go along


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came of a post."""

    status: int | None  # None: no answer
    reason: str  # in words, for logs
    after: timedelta | None = None  # Retry-After, an hour at most

    @property
    def is_taken(self) -> bool:
        """2xx: whoever listens has it."""
        return self.status is not None and 200 <= self.status < 300


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: version 1, HMAC-SHA256 over id, timestamp (seconds) and body."""
    mac = hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode('ascii')}"


class HookCaller:
    """Posts to hooks, over connections that are kept. `close` it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._client: httpx.AsyncClient | None = None  # made for the first post: it reads the system's trust store

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def post(self, hook: Hook, *, id: str, kind: str, at: Instant, data: Mapping[str, Json]) -> Posted:
        """Post a document of type `kind`; the same `id` says that it is the same one, tried again."""
        body = json.dumps({"type": kind, "timestamp": rfc3339(at), "data": data}, ensure_ascii=False).encode()
        sent_at = self._clock.now() // 1000
        headers = {
            "content-type": "application/json",
            "user-agent": _USER_AGENT,
            "webhook-id": id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(hook.secret, id, sent_at, body),
        }
        seconds = hook.timeout.total_seconds()
        client = self._client = self._client or httpx.AsyncClient(follow_redirects=False, trust_env=False)
        try:
            async with (
                asyncio.timeout(seconds),  # httpx bounds each step, a trickle has many
                client.stream("POST", hook.url, content=body, headers=headers, timeout=seconds) as answer,
            ):
                return Posted(
                    status=answer.status_code,
                    reason=f"{hook.name} answered {answer.status_code} {answer.reason_phrase}".rstrip(),
                    after=_wish(answer.headers.get("retry-after", "")),
                )
        except (TimeoutError, httpx.TimeoutException):
            return Posted(status=None, reason=f"{hook.name} did not answer within {seconds:g} s")
        except httpx.HTTPError as failure:
            return Posted(status=None, reason=f"{hook.name} cannot be reached: {failure}")


def _wish(text: str) -> timedelta | None:
    """Return a Retry-After in seconds; dates are not understood."""
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return min(timedelta(seconds=int(text)), _MAX_WAIT) if is_number else None

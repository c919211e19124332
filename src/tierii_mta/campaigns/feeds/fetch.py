"""One page of an http feed: fetched with patience, within bounds, from where the settings let us.

Owns redirects, retries and limits.  Each connection goes to an address that `Reach` has judged, so that a name cannot
mean another server a moment later.  The authorization travels to the origin that the campaign names, and no further.
Nothing compressed is asked for: a page is as large as what was sent.  RFC 9110 §10.2.3 (Retry-After), §15.4.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from tierii_mta.campaigns.feeds.reach import Reach
from tierii_mta.clock import Clock, from_datetime
from tierii_mta.errors import CheckFailed, Refused, Unavailable

_TRIES = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0
_STEP_S, _PAGE_S = 30.0, 300.0  # of one network step, of one try
_MAX_PAGE = 8 << 20  # octets
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_ALIKE = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Page:
    """What a server sent."""

    url: httpx.URL  # where it came from in the end
    body: bytes
    next: str | None  # of its Link field (RFC 8288)


@dataclass(frozen=True, slots=True)
class _Later:
    """The page may come at another try."""

    why: str
    wait_s: float | None = None  # what the server asks for


class Fetcher:
    """Fetches pages for one feed. Made by `open_fetcher`."""

    def __init__(
        self, client: httpx.AsyncClient, start: httpx.URL, auth: str | None, reach: Reach, clock: Clock
    ) -> None:
        self._client, self._start, self._auth, self._reach, self._clock = client, start, auth, reach, clock

    async def get(self, url: httpx.URL) -> Page:
        """Return a page; raises `CheckFailed`, `Refused`, or `Unavailable` after five tries."""
        wait = _FIRST_WAIT_S
        for number in range(1, _TRIES + 1):
            answer = await self._follow(url, number)
            if isinstance(answer, Page):
                return answer
            asked = answer.wait_s
            if number == _TRIES or (asked or 0) > _LONGEST_WAIT_S:
                again = f", and asks to be left alone for {asked:.0f} s" if asked else ""
                raise Unavailable(
                    f"{answer.why} at try {number}{again}", where=shown(url), remedy="the same command goes on later"
                )
            await self._clock.sleep(asked if asked is not None else wait * (1 + self._clock.random() / 2))
            wait *= 2
        raise AssertionError("the last try returns or raises")

    async def _follow(self, url: httpx.URL, number: int) -> Page | _Later:
        for _ in range(_MAX_REDIRECTS + 1):
            check_url(url)
            try:
                async with asyncio.timeout(_PAGE_S):
                    answer = await self._once(url, number)
            except (httpx.TransportError, TimeoutError) as fault:
                return _Later(f"fails: {str(fault) or type(fault).__name__}")
            if not isinstance(answer, httpx.URL):
                return answer
            url = answer
        raise CheckFailed(f"redirects more than {_MAX_REDIRECTS} times", where=shown(self._start))

    async def _once(self, url: httpx.URL, number: int) -> Page | _Later | httpx.URL:
        """Return the page, why there is none yet, or where it is instead."""
        addresses = await self._reach.addresses(url.host, _port(url))
        fields = {"Host": url.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._auth is not None and _origin(url) == _origin(self._start):
            if url.scheme != "https" and not self._reach.names(url.host):
                raise Refused(
                    "the authorization would travel in the clear",
                    where=shown(url),
                    remedy="use https, or name the host in feeds.allow of the settings",
                )
            fields["Authorization"] = self._auth if " " in self._auth else f"Bearer {self._auth}"
        dialled = url.copy_with(host=addresses[(number - 1) % len(addresses)])
        named = {"sni_hostname": url.host}
        async with self._client.stream("GET", dialled, headers=fields, extensions=named) as response:
            return await self._read(url, response)

    async def _read(self, url: httpx.URL, response: httpx.Response) -> Page | _Later | httpx.URL:
        status = response.status_code
        if status in _PASSING:
            return _Later(f"answers {status}", self._wait_asked(response.headers))
        if status in _REDIRECTS and "location" in response.headers:
            return url.join(response.headers["location"])
        if status != 200:
            remedy = "check auth" if status in {401, 403} else "check the address"
            raise CheckFailed(f"answers {status} {response.reason_phrase}".rstrip(), where=shown(url), remedy=remedy)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise CheckFailed("is sent compressed, which nobody asked for", where=shown(url))
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > _MAX_PAGE:
                raise CheckFailed(
                    f"a page has more than {_MAX_PAGE >> 20} MiB", where=shown(url), remedy="ask for smaller pages"
                )
        return Page(url, bytes(body), response.links.get("next", {}).get("url"))

    def _wait_asked(self, headers: Mapping[str, str]) -> float | None:
        text = headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, IndexError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (from_datetime(moment) - self._clock.now()) / 1000)


@asynccontextmanager
async def open_fetcher(
    start: httpx.URL, auth: str | None, reach: Reach, clock: Clock, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Fetcher]:
    """Open a fetcher for pages that begin at `start`; no proxy and no setting of the environment is used."""
    # A connection is known by the address dialled: one that waits could be of another name.
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        verify=tls or ssl.create_default_context(),
        timeout=_STEP_S,
        limits=limits,
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": "tierii-mta"},
    ) as client:
        yield Fetcher(client, start, auth, reach, clock)


def check_url(url: httpx.URL) -> None:
    """Raise `CheckFailed` for an address that is not one of a page."""
    if url.scheme not in _ALIKE or not url.host:
        raise CheckFailed("is not an http or https address", where=shown(url), remedy="write https://…")
    if url.userinfo:
        raise CheckFailed("holds a user name or password", where=shown(url), remedy="write them as auth")


def shown(url: httpx.URL) -> str:
    """Return the address as errors show it: what may be secret, the query, is left out."""
    return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}{url.path}"


def _port(url: httpx.URL) -> int:
    return url.port or _ALIKE[url.scheme]


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, _port(url)

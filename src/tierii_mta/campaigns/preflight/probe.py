"""The web, asked for a probe: one request, nothing followed, little read.

Owns the HTTP client behind the port `Web`.  Touches: the network.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from tierii_mta.campaigns.preflight.case import WebAnswer

_WITHIN_S = 10.0
_HEADERS = {"user-agent": "tierii-mta-check"}
# A connection is known by the address dialled: one that waits could be of another name.
_LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=0)


class HttpProbe:
    """`Web` over httpx."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, at: str | None = None
    ) -> WebAnswer | str:
        """Send one request and read the head of the answer."""
        try:
            request = self._client.build_request(method, url, data=dict(form) if form else None)
            if at is not None:  # its Host field is written by now
                request.extensions["sni_hostname"] = request.url.host
                request.url = request.url.copy_with(host=at)
            async with contextlib.aclosing(await self._client.send(request, stream=True)) as response:
                return WebAnswer(status=response.status_code, sets_cookie="set-cookie" in response.headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            return str(failure) or type(failure).__name__


@asynccontextmanager
async def open_probe() -> AsyncIterator[HttpProbe]:
    """Open the client: no redirects, no proxies of the environment, certificates verified."""
    async with httpx.AsyncClient(
        timeout=_WITHIN_S, follow_redirects=False, trust_env=False, headers=_HEADERS, limits=_LIMITS
    ) as client:
        yield HttpProbe(client)

"""What the demo holds against the mail that arrived: signatures, and the one-click unsubscribe.

Owns the checks by foreign code: dkimpy for signatures, an HTTP client for links.  They fail with `StepFailed`.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.message import Message

import dkim
import dns.exception
import dns.resolver
import httpx

from tierii_mta.rehearsal.exchange import Received

_LINK = re.compile(r"<(https?://[^>\s]+)>")
_COVERED = re.compile(r";h=([^;]+)")
_ONE_CLICK = "List-Unsubscribe=One-Click"


class StepFailed(Exception):
    """The demo did not see what it must see; the text says what was there instead."""


async def verify_signatures(messages: Sequence[Received], nameserver: str, *, per_message: int) -> int:
    """Verify every DKIM-Signature of every message with dkimpy, keys from our DNS; return how many there were."""
    ask = _txt_from(nameserver)
    return await asyncio.to_thread(lambda: sum(_verify(message, ask, per_message) for message in messages))


def one_click_link(message: Received) -> str:
    """Return the HTTP link of List-Unsubscribe, given that RFC 8058 allows one click on it."""
    headers = message_from_bytes(message.data)
    found = _LINK.search(_unfolded(headers, "List-Unsubscribe"))
    if not found or _unfolded(headers, "List-Unsubscribe-Post").strip() != _ONE_CLICK:
        raise StepFailed("the message offers no one-click unsubscribe (List-Unsubscribe and List-Unsubscribe-Post)")
    for signature in headers.get_all("DKIM-Signature", []):
        covered = _COVERED.search("".join(str(signature).split()).lower())
        if not covered or not {"list-unsubscribe", "list-unsubscribe-post"} <= set(covered[1].split(":")):
            raise StepFailed("a signature does not cover List-Unsubscribe and List-Unsubscribe-Post (RFC 8058 §4)")
    return found[1]


async def is_healthy(web: str) -> bool:
    """Return whether the web process at this address answers."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        try:
            return (await client.get(f"{web}healthz")).status_code == 200
        except httpx.TransportError:
            return False


async def look(link: str) -> None:
    """Follow a link as a reader or a scanner does."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for method in ("GET", "HEAD"):
            response = await client.request(method, link)
            if response.status_code != 200:
                raise StepFailed(f"{method} of the unsubscribe link answers {response.status_code}")


async def click_once(link: str) -> None:
    """Unsubscribe as a mailbox provider does (RFC 8058 §3.1): a POST without cookies or redirects."""
    async with httpx.AsyncClient(timeout=10, trust_env=False, follow_redirects=False) as client:
        response = await client.post(link, data={"List-Unsubscribe": "One-Click"})
    if response.status_code != 200:
        raise StepFailed(f"POST to the unsubscribe link answers {response.status_code}")


def _verify(message: Received, ask: Callable[..., bytes | None], expected: int) -> int:
    whose = ", ".join(message.recipients)
    count = sum(name.lower() == "dkim-signature" for name in message_from_bytes(message.data).keys())  # noqa: SIM118
    if count != expected:
        raise StepFailed(f"the mail to {whose} bears {count} signatures, not {expected}")
    for number in range(count):
        try:
            is_good = dkim.DKIM(message.data).verify(idx=number, dnsfunc=ask)
        except dkim.DKIMException as cause:
            raise StepFailed(f"dkimpy cannot check signature {number + 1} of the mail to {whose}: {cause}") from cause
        if not is_good:
            raise StepFailed(f"dkimpy refuses signature {number + 1} of the mail to {whose}")
    return count


def _txt_from(nameserver: str) -> Callable[..., bytes | None]:
    host, _, port = nameserver.rpartition(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [host], int(port), 5.0

    def ask(name: bytes | str, timeout: float = 5.0) -> bytes | None:
        owner = name.decode() if isinstance(name, bytes) else name
        try:
            answer = resolver.resolve(owner, "TXT", lifetime=timeout)
        except dns.exception.DNSException:
            return None
        return b"".join(answer[0].strings)

    return ask


def _unfolded(headers: Message, name: str) -> str:
    return re.sub(r"\r?\n", "", str(headers.get(name, "")))

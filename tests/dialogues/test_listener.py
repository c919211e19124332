"""The same stories over TCP: the listener says what its engine says."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dialogues import world
from tests.dialogues.script import Script, StreamPeer, play, scripts
from tests.inbound.porch import Desk, certificate, open_porch
from tierii_mta.clock import SystemClock
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.session import Message, Session
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail, Recipient

# Whether the client was heard before the greeting is a matter of time here: see tests/inbound.
STORIES = [story for story in scripts() if story.name != "early_talker"]


class HurriedClock(SystemClock):
    """Pauses that slow a client down are short."""

    async def sleep(self, seconds: float) -> None:
        """Sleep a hundredth of a second at most."""
        await asyncio.sleep(min(seconds, 0.01))


@dataclass
class Judge:
    """Judges one session in the world of the stories."""

    messages: list[bytes]
    last: Address | None = None

    async def greet(self) -> Reply | None:
        """Welcome everybody."""
        return None

    async def authenticate(self, credentials: Credentials) -> Reply:
        """Know alice."""
        return world.authenticate(credentials)

    async def mail(self, mail: Mail) -> Reply:
        """Know the sender that is blocked."""
        return world.sender(mail)

    async def recipient(self, recipient: Recipient) -> Reply:
        """Know the mailboxes."""
        self.last = recipient.forward_path
        return world.recipient(recipient.forward_path)

    async def data(self) -> Reply:
        """Let the message come."""
        return world.data(self.last)

    async def message(self, message: Message) -> Reply:
        """Keep it."""
        self.messages.append(message.head + b"".join(message.body()))
        return world.KEPT

    def abandoned(self) -> None:
        """Keep nothing of it; nothing was kept."""

    def closed(self) -> None:
        """Forget the session; there is nothing to forget."""


class StoriesDesk(Desk):
    """Where the sessions of one story are judged."""

    def judge(self, session: Session) -> Judge:  # type: ignore[override]  # a judge of another kind
        """Return the judge of a session."""
        return Judge(self.messages)


class LivePeer(StreamPeer):
    """A stream, and what lies on the desk behind it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, desk: Desk) -> None:
        super().__init__(reader, writer)
        self._desk = desk

    async def stored(self) -> int:
        """Return how many messages were kept."""
        return len(self._desk.messages)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_listener_says_what_the_story_tells(story: Script, tmp_path: Path) -> None:
    rules: dict[str, Any] = {
        "name": world.NAME,
        "has_tls": False,
        "has_auth": False,
        "auth_needs_tls": True,
    } | story.rules
    is_mending = story.eol == "normalize"
    bounds = MessageBounds(size=int(story.rules.get("message_octets", 25_000_000)), mends_line_ends=is_mending)
    desk = StoriesDesk()
    async with open_porch(
        tmp_path,
        clock=HurriedClock(),
        desk=desk,
        message=bounds,
        tls=certificate() if "has_tls" in story.rules else None,
        **(rules | {"takes_bare_lf": is_mending}),
    ) as porch:
        client = await porch.client()
        await play(story, LivePeer(client.reader, client.writer, desk))

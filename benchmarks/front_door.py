"""Our own side with its front door open: port 25 for one domain, and submission, both on ports of loopback.

Limits that protect against one client are raised, since one client is all there is; Postfix exempts `mynetworks` from
its own.  AUTH is allowed without TLS, which loopback permits; one user, allowed everything.  Nothing is checked of what
comes in, as by the peers (benchmarks.inbound measures the checks).
"""

import json
import time
from collections.abc import Sequence

from benchmarks.ours import Ours
from benchmarks.sink import free_port
from benchmarks.source import SENDER, Login, hand_in
from benchmarks.testbed import SELECTOR, SENDER_DOMAIN, Testbed
from tierii_mta.correspondence.mailboxes.jobs import JobState
from tierii_mta.queue.delivery import State
from tierii_mta.queue.received import InboxState
from tierii_mta.storage.codes import INBOX_STATE, MAILBOX_JOB, STATE

MAILBOX_DOMAIN = "inbox.example"
_USER = "bench"
_PATIENCE_S = 600
_UNDONE = (
    f"SELECT (SELECT COUNT(*) FROM inbox WHERE state = {INBOX_STATE[InboxState.NEW]}), "
    f"(SELECT COUNT(*) FROM mailbox_job WHERE state = {MAILBOX_JOB[JobState.WAITING]})"
)
_MANY = 1_000_000
_LIMITS = ("messages", "messages_rate", "connections_per_ip", "connections_per_network", "connection_rate")


class FrontDoor(Ours):
    """A `System` that is fed through submission; with the roles of intake alone it keeps what it takes."""

    def __init__(self, testbed: Testbed, *, roles: str) -> None:
        self.inbound, self.submission = free_port(), free_port()
        self._sessions = testbed.connections
        self._done = 0
        self.handed_in_s = 0.0  # of the latest `take`
        self._login: Login | None = None
        key = {"selector": SELECTOR, "key": str(testbed.key)}
        super().__init__(
            testbed,
            roles=roles,
            settings={
                "domains": {
                    SENDER_DOMAIN: {"dkim": [key]},
                    MAILBOX_DOMAIN: {"mailboxes": {"*": {"maildir": "mail"}}},
                },
                "smtp": {
                    "inbound": {"listen": [f"127.0.0.1:{self.inbound}"], "checks": {"enabled": False}},
                    "submission": {
                        "listen": [f"127.0.0.1:{self.submission}"],
                        "tls_listen": [],
                        "plaintext_auth": "loopback",
                    },
                    "limits": dict.fromkeys(_LIMITS, _MANY),
                },
            },
        )

    def add_user(self) -> None:
        """Make the user who submits."""
        unlimited = ("--messages-per-day", "none", "--newcomers-per-day", "none")
        done = self.run("--json", "user", "add", _USER, "--sender", SENDER, *unlimited)
        self._login = Login(user=_USER, password=json.loads(done.output.splitlines()[-1])["password"])

    # -- System

    def take(self, label: str, messages: int) -> None:
        recipients = addresses(label, messages, domains=self._testbed.domains)
        self.handed_in_s = hand_in(self.submission, recipients, sessions=self._sessions, login=self._login)

    def settle(self, label: str, messages: int) -> None:
        """Wait until the database counts every message handed in so far as completed."""
        self._done += messages
        deadline = time.monotonic() + _PATIENCE_S
        while (completed := self._completed()) < self._done:
            if self.complaint() or time.monotonic() > deadline:
                raise SystemExit(f"tierii-mta completed {completed} of {self._done}: {self.complaint()}")
            time.sleep(0.05)

    def _completed(self) -> int:
        ((count,),) = self.query("SELECT COALESCE(SUM(count), 0) FROM tally WHERE kind = ?", STATE[State.COMPLETED])
        return int(count)

    def rest(self) -> None:
        """Wait until everything received is processed and in its mailbox: it would disturb whoever comes next."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.query(_UNDONE) != [(0, 0)]:
            if self.complaint() or time.monotonic() > deadline:
                raise SystemExit(f"tierii-mta does not get done with what it received: {self.complaint()}")
            time.sleep(0.2)

    # -- what is kept

    def queued(self) -> tuple[int, int]:
        """Return how many submitted messages the queue holds with content and delivery, and the octets of them."""
        ((count, size),) = self.query(
            "SELECT COUNT(DISTINCT delivery.message), COALESCE(SUM(LENGTH(content)), 0) FROM delivery "
            "JOIN message ON message.id = delivery.message JOIN body_part ON body_part.message = message.id"
        )
        return int(count), int(size)

    def received(self) -> tuple[int, int]:
        """Return how many messages the Inbox holds with content and recipient, and the octets of them."""
        ((count, size),) = self.query(
            "SELECT COUNT(DISTINCT inbox.id), COALESCE(SUM(LENGTH(content)), 0) FROM inbox "
            "JOIN inbox_recipient ON inbox_recipient.message = inbox.id "
            "JOIN inbox_part ON inbox_part.message = inbox.id"
        )
        return int(count), int(size)


def addresses(label: str, messages: int, *, domains: int) -> Sequence[str]:
    """Return one recipient a message, spread over the domains that the sink takes mail for."""
    return [f"{label}.{number}@d{number % domains}.example" for number in range(messages)]

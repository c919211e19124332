"""What the settings say of a mailbox: what is done with its mail.

Owns these values; who delivers to them is beside it (maildir, lmtp, forward, webhook), where they come from is
daemon.correspondence.  Pure.
"""

from dataclasses import dataclass
from typing import TypeAlias

from tierii_mta.mail.address import Address


@dataclass(frozen=True, slots=True)
class MaildirTarget:
    """A folder of files."""

    path: str  # absolute


@dataclass(frozen=True, slots=True)
class LmtpTarget:
    """A server that takes it by LMTP."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """Another address."""

    address: Address


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """One of the webhooks of the settings, by its name."""

    name: str


Target: TypeAlias = MaildirTarget | LmtpTarget | ForwardTarget | WebhookTarget

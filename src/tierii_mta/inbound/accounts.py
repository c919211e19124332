"""Accounts: who may submit mail, as whom, and how much of it a day.

Owns the values and the port they are kept behind; not how a password is proven (inbound.logins) nor what is refused
when a limit is reached (inbound.submission).  Pure.
"""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol, Self

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import Suppression
from tierii_mta.mail.address import Address, InvalidAddress, parse_domain
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Priority

_DAY_MS = 86_400_000
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?")

Day = NewType("Day", int)
"""Days since 1970, UTC: limits begin anew at midnight."""


def day_of(now: Instant) -> Day:
    """Return the day an instant lies in."""
    return Day(now // _DAY_MS)


def end_of(day: Day) -> Instant:
    """Return when the next day begins."""
    return Instant((day + 1) * _DAY_MS)


def is_account_name(name: str) -> bool:
    """Whether an account may be called so: also like an address, as many applications insist on one."""
    return _NAME.fullmatch(name) is not None


class Role(StrEnum):
    """What an account is for."""

    SUBMIT = "submit"  # sends mail
    ADMIN = "admin"  # also signs in to the dashboard


class ReturnPath(StrEnum):
    """The envelope sender of an account's mail."""

    KEEP = "keep"  # as the application gave it
    VERP = "verp"  # a signed address for each delivery, so that bounces are understood


@dataclass(frozen=True, slots=True)
class SenderPattern:
    """An address, or all addresses of a domain."""

    text: str  # an address's key, or `@domain` in A-labels

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern for `ann@example.com` or `@example.com`; raises `InvalidAddress`."""
        if text.startswith("@"):
            return cls(f"@{parse_domain(text[1:])}")
        if "@" not in text:
            raise InvalidAddress("is neither an address nor a domain written as @example.com")
        return cls(Address.parse(text).key)

    @property
    def domain(self) -> str:
        """The domain it allows, wholly or in part."""
        return self.text.rpartition("@")[2]

    def covers(self, address: Address) -> bool:
        """Whether the address is the one, or lies in the domain; upper and lower case are one."""
        return self.text in (address.key, f"@{address.domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLimits:
    """How much an account may send in a day; None: as much as it likes."""

    messages: int | None = 1000
    recipients: int | None = None
    newcomers: int | None = 200  # persons it has never written to: where a stolen password shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may submit mail: as a rule, an application."""

    name: str
    password: str  # its argon2id hash, with the parameters
    senders: tuple[SenderPattern, ...]
    created_at: Instant
    changed_at: Instant
    role: Role = Role.SUBMIT
    max_priority: Priority = Priority.HIGH
    return_path: ReturnPath = ReturnPath.KEEP
    limits: DailyLimits = DailyLimits()
    is_enabled: bool = True

    def __repr__(self) -> str:
        return f"Account(name={self.name!r})"  # the hash stays out of logs

    def may_send_as(self, address: Address) -> bool:
        """Whether one of its senders covers the address."""
        return any(pattern.covers(address) for pattern in self.senders)


class Usage(NamedTuple):
    """What an account has sent on one day, or is about to send."""

    messages: int = 0
    recipients: int = 0
    newcomers: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum."""
        return Usage(*map(operator.add, self, other))

    def minus(self, other: "Usage") -> "Usage":
        """Return the difference."""
        return Usage(*map(operator.sub, self, other))

    def at_least(self, other: "Usage") -> "Usage":
        """Return the larger of each."""
        return Usage(*map(max, self, other))


NOTHING = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquaintance:
    """What is known of a recipient before an account writes to it."""

    is_known: bool  # the account has written to this person before
    suppressions: Sequence[Suppression]


class AccountStore(Protocol):
    """Accounts, kept durably. Every method is atomic; usage and acquaintances are written with the mail itself
    (`queue.store.Accept.account`).
    """

    async def get(self, name: str) -> Account | None:
        """Return an account."""

    async def put(self, account: Account) -> bool:
        """Add or replace an account; return whether it is new."""

    async def delete(self, name: str) -> bool:
        """Remove an account with its usage and acquaintances; return whether it was there. Its mail stays queued."""

    async def list(self) -> Sequence[Account]:
        """Return all accounts by name."""

    async def standing(self, name: str, day: Day) -> tuple[Account, Usage] | None:
        """Return an account and what it has sent that day, in one read."""

    async def acquaintance(self, name: str, person: PersonKey) -> Acquaintance:
        """Return what is known of a recipient, in one read."""

"""Parties: deliveries of one stored message to one destination that travel in one transaction (RFC 5321 §3.3).

Owns who drives and what becomes of the guests; not the attempt (outbound.attempt).  The first delivery that comes
drives: it has the content made, waits for the permit and sends.  Those that come before it sends ride along, each with
a RCPT of its own; each is activated and settled for itself, with the reply that decided its own fate.

    join → `Guest.ride` waits … the driver: `board` (nobody more; the guests activate) → `arrive`, or `disband`
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tierii_mta.mail.address import Address
from tierii_mta.outbound.content import Prepared
from tierii_mta.outbound.encounter import Met
from tierii_mta.queue.delivery import LaneId, MessageRow
from tierii_mta.smtp.talk import Exchange

MOST = 50  # recipients of a transaction
PartyKey = tuple[MessageRow, LaneId, str]  # and the source


@dataclass(frozen=True, slots=True, kw_only=True)
class Ride:
    """What became of a guest's transaction."""

    prepared: Prepared
    met: Met
    exchange: Exchange


class Guest:
    """A delivery that rides along."""

    __slots__ = ("_activate", "_arrived", "_is_gone", "is_active", "recipient")

    def __init__(self, recipient: Address, activate: Callable[[], Awaitable[bool]]) -> None:
        self.recipient, self._activate = recipient, activate
        self.is_active = False
        self._is_gone = False  # recalled: nobody waits for it
        self._arrived: asyncio.Future[Ride | None] = asyncio.get_running_loop().create_future()

    async def ride(self) -> Ride | None:
        """Wait for the driver; None: it did not take us, and nothing was sent. Lets `Unavailable` of the activation
        through, and whatever ended the driver in the middle of the transaction.
        """
        try:
            return await self._arrived
        finally:
            self._is_gone = True

    async def board(self) -> bool:
        """Activate; return whether it rides."""
        if self._is_gone:  # asked first: once `activate` was called nobody recalls it
            return False
        try:
            self.is_active = await self._activate()
        except Exception as failure:  # the guest's own, which its owner deals with
            self.fail(failure)
            return False
        if not self.is_active:
            self.arrive(None)
        return self.is_active

    def arrive(self, ride: Ride | None) -> None:
        """Tell what became of it."""
        if not self._arrived.done():
            self._arrived.set_result(ride)

    def fail(self, fault: BaseException) -> None:
        """Tell that nobody knows."""
        if not self._arrived.done():
            self._arrived.set_exception(fault)


class Party:
    """One driver's guests."""

    def __init__(self, close: Callable[["Party"], None]) -> None:
        self._close = close
        self._guests: list[Guest] = []
        self._has_boarded = False

    @property
    def recipients(self) -> tuple[Address, ...]:
        """Those who ride along."""
        return tuple(guest.recipient for guest in self._guests)

    @property
    def is_full(self) -> bool:
        """Whether nobody more finds a place."""
        return len(self._guests) + 1 >= MOST

    def join(self, recipient: Address, activate: Callable[[], Awaitable[bool]]) -> Guest:
        """Ride along."""
        guest = Guest(recipient, activate)
        self._guests.append(guest)
        return guest

    async def board(self) -> None:
        """Take nobody more, and have the guests activate. Called again it does nothing."""
        if self._has_boarded:
            return
        self._has_boarded = True
        self._close(self)
        rides = await asyncio.gather(*(guest.board() for guest in self._guests))
        self._guests = [guest for guest, is_riding in zip(self._guests, rides, strict=True) if is_riding]

    def arrive(self, ride: Callable[[Address], Ride]) -> None:
        """Tell each guest what became of it."""
        guests, self._guests = self._guests, []
        for guest in guests:
            guest.arrive(ride(guest.recipient))

    def disband(self, fault: BaseException | None = None) -> None:
        """Let the guests go on alone; with `fault` the transaction broke off, and nobody knows what became of them."""
        self._close(self)
        guests, self._guests = self._guests, []
        for guest in guests:
            if fault is not None and self._has_boarded:
                guest.fail(fault)
            else:
                guest.arrive(None)


class Parties:
    """The parties of a process that still take guests."""

    def __init__(self) -> None:
        self._open: dict[PartyKey, Party] = {}

    def find(self, key: PartyKey) -> Party | None:
        """Return a party that takes one more."""
        party = self._open.get(key)
        return party if party is not None and not party.is_full else None

    def begin(self, key: PartyKey) -> Party:
        """Return a new party, which the next ones find."""

        def close(closed: Party) -> None:
            if self._open.get(key) is closed:
                del self._open[key]

        party = self._open[key] = Party(close)
        return party

"""Allowances: what an account may still send today.

Owns the limits a day and the replies at their end.  What was sent is in the store, written with the mail; what is in
open transactions of this process is counted here, so that many sessions at once do not pass a limit together.  An
account is read anew after a second: a removal or another limit counts from then on.
"""

from dataclasses import dataclass

from tierii_mta.clock import Clock, rfc3339
from tierii_mta.inbound.accounts import NOTHING, Account, AccountStore, Day, Usage, day_of, end_of
from tierii_mta.mail.reply import Reply

_FRESH_S = 1.0


@dataclass(slots=True)
class Allowance:
    """One account's day."""

    account: Account
    day: Day
    used: Usage
    read_at: float  # Clock.monotonic
    reserved: Usage = NOTHING

    def against_message(self) -> Reply | None:
        """Return why the account may not begin a message now."""
        most = self.account.limits.messages
        if most is None or self.used.messages + self.reserved.messages < most:
            return None
        return Reply.of(450, f"{most} messages a day are used up{self._end}", "4.7.1")

    def against_recipient(self, *, is_newcomer: bool) -> Reply | None:
        """Return why a message may not have one more recipient now."""
        limits = self.account.limits
        if limits.recipients is not None and self.used.recipients + self.reserved.recipients >= limits.recipients:
            return Reply.of(452, f"{limits.recipients} recipients a day are used up{self._end}", "4.5.3")
        newcomers = self.used.newcomers + self.reserved.newcomers
        if is_newcomer and limits.newcomers is not None and newcomers >= limits.newcomers:
            return Reply.of(450, f"{limits.newcomers} new recipients a day are used up{self._end}", "4.7.1")
        return None

    def reserve(self, usage: Usage) -> None:
        """Count what an open transaction will use."""
        self.reserved = self.reserved.plus(usage)

    def release(self, usage: Usage, *, is_spent: bool) -> None:
        """Take back a reservation; what was spent is used from now on."""
        self.reserved = self.reserved.minus(usage)
        if is_spent:
            self.used = self.used.plus(usage)

    @property
    def _end(self) -> str:
        return f"; the next day begins at {rfc3339(end_of(self.day))}"


class Allowances:
    """The allowances of all accounts that have logged in."""

    def __init__(self, accounts: AccountStore, clock: Clock) -> None:
        self._accounts, self._clock = accounts, clock
        self._by_name: dict[str, Allowance] = {}

    async def of(self, name: str) -> Allowance | None:
        """Return an account's allowance; None: there is no such account any more, or it is disabled."""
        day, now = day_of(self._clock.now()), self._clock.monotonic()
        known = self._by_name.get(name)
        if known is not None and known.day == day and now - known.read_at < _FRESH_S:
            return known
        standing = await self._accounts.standing(name, day)
        if standing is None or not standing[0].is_enabled:
            self._by_name.pop(name, None)
            return None
        account, used = standing
        known = self._by_name.get(name)
        if known is None:
            known = self._by_name[name] = Allowance(account=account, day=day, used=used, read_at=now)
        # What was read may be older than what was spent meanwhile; within a day usage only grows.
        known.used = used.at_least(known.used) if known.day == day else used
        known.account, known.day, known.read_at = account, day, now
        return known

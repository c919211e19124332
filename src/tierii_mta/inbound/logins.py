"""Logins: whether a password is an account's.

Owns the hash (argon2id, RFC 9106), the threads it is computed on and what is remembered of a success; not the accounts
(inbound.accounts) nor what many failures lead to (inbound.gate).  Whoever asks cannot tell an unknown account from a
disabled one or a wrong password: each costs one hash with the same parameters.  Touches threads.
"""

import asyncio
import hmac
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tierii_mta.clock import Clock
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.accounts import Account, AccountStore, is_account_name

_THREADS = 2
_MOST_WAITING = 50
_REMEMBERED = 1000
_REMEMBERED_S = 300.0
_KEY_OCTETS = 32


def password_hasher() -> PasswordHasher:
    """Return the hash all passwords of ours are kept with: 19 MiB and two passes, some 20 ms of one core."""
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Logins:
    """Verifies passwords. `close` when done."""

    def __init__(self, accounts: AccountStore, clock: Clock) -> None:
        self._accounts, self._clock = accounts, clock
        self._hasher = password_hasher()
        self._decoy = self._hasher.hash(clock.token(_KEY_OCTETS).hex())  # what nobody's password is checked against
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="login")
        self._waiting = 0
        self._key = clock.token(_KEY_OCTETS)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()  # proof → until when, oldest first
        self.hashes = 0

    async def verify(self, name: str, password: str) -> Account | None:
        """Return the account if the password is its own and it is enabled.

        A success is remembered for a few minutes, under a keyed hash that holds the account's present password hash:
        the account is read each time, so a new password or a removal counts at once. Raises `Unavailable` when the
        store does not answer, or more ask than the threads can serve.
        """
        account = await self._accounts.get(name) if is_account_name(name) else None
        encoded = account.password if account is not None else self._decoy
        proof = hmac.digest(self._key, f"{name}\0{encoded}\0{password}".encode(), "sha256")
        if not self._recalls(proof):
            if not await self._matches(encoded, password) or account is None:
                return None
            self._remember(proof)
        return account if account is not None and account.is_enabled else None

    async def hash(self, password: str) -> str:
        """Return how a password is kept."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(cancel_futures=True)

    async def _matches(self, encoded: str, password: str) -> bool:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("more clients log in than passwords can be verified")
        self._waiting += 1
        self.hashes += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._check, encoded, password)
        finally:
            self._waiting -= 1

    def _check(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    def _recalls(self, proof: bytes) -> bool:
        return self._remembered.get(proof, 0.0) > self._clock.monotonic()

    def _remember(self, proof: bytes) -> None:
        self._remembered.pop(proof, None)
        self._remembered[proof] = self._clock.monotonic() + _REMEMBERED_S
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

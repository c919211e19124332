"""TLS towards MX hosts: the policy of a session, what may follow a TLS failure and for how long, and the contexts.

Owns which TLS a policy asks for; not who sets the policy (outbound.shaping, later MTA-STS and DANE) nor the handshake
(outbound.connection).  Opportunistic TLS never verifies: verify-or-fail loses mail, and plaintext is worse than an
unverified certificate.  RFC 3207, RFC 7435, RFC 8314 §4 (TLS 1.2 and later).  Reads the system's trust store once.
"""

import ssl
from enum import StrEnum
from pathlib import Path

from tierii_mta.clock import Clock


class TlsPolicy(StrEnum):
    """What a session's TLS must be."""

    NONE = "none"  # never
    OPPORTUNISTIC = "opportunistic"  # unverified TLS where offered; plaintext only after a TLS failure
    REQUIRED = "required"  # TLS, certificate unchecked
    VERIFIED = "verified"  # TLS with a trusted certificate for the MX host's name

    @property
    def wants_tls(self) -> bool:
        """Whether STARTTLS is used where the host offers it."""
        return self is not TlsPolicy.NONE

    @property
    def requires_tls(self) -> bool:
        """Whether a host without STARTTLS is of no use."""
        return self in (TlsPolicy.REQUIRED, TlsPolicy.VERIFIED)


def fallback(policy: TlsPolicy) -> TlsPolicy | None:
    """Return the policy to connect to the same host with after a TLS failure, or None: this host is of no use now."""
    return TlsPolicy.NONE if policy is TlsPolicy.OPPORTUNISTIC else None


class BrokenTls:
    """Addresses whose STARTTLS failed and which then took us in plaintext; believed for an hour, then tried again.

    Without it each new session to such a host pays for its handshake once more, up to the time-out.  Only a policy
    that allows plaintext is weakened.  Bounded: the one noted longest ago is forgotten first.
    """

    LIFETIME_SECONDS = 3600.0

    def __init__(self, clock: Clock, *, entries: int = 10_000) -> None:
        self._clock, self._entries = clock, entries
        self._until: dict[str, float] = {}

    def note(self, address: str) -> None:
        """Remember an address."""
        self._until.pop(address, None)
        if len(self._until) >= self._entries:
            del self._until[next(iter(self._until))]
        self._until[address] = self._clock.monotonic() + self.LIFETIME_SECONDS

    def policy(self, address: str, wanted: TlsPolicy) -> TlsPolicy:
        """Return the policy for a new session: the one wanted, or the weaker one it allows after a TLS failure."""
        weaker = fallback(wanted)
        if weaker is None or (until := self._until.get(address)) is None:
            return wanted
        if self._clock.monotonic() < until:
            return weaker
        del self._until[address]
        return wanted


class TlsContexts:
    """The process's two client contexts; built once, because loading the trust store takes tens of milliseconds."""

    def __init__(self, *, ca_file: Path | None = None) -> None:
        """`ca_file`: PEM certificates trusted instead of the system's store."""
        self._unverified = _unverified_context()
        self._verified = _verified_context(ca_file)

    def context(self, policy: TlsPolicy) -> ssl.SSLContext:
        """Return the context for a policy that wants TLS."""
        return self._verified if policy is TlsPolicy.VERIFIED else self._unverified


def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Level 2 refuses the 1024-bit keys some hosts still have; here the alternative would be plaintext.
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


def _verified_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

"""What the installation's settings say about sending, as campaigns need it.

Owns no policy of its own: `daemon.assembly` fills these values from the settings, so that this floor knows nothing of
configuration files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.errors import Refused
from tierii_mta.mail.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingDomain:
    """A domain we send as."""

    name: str  # A-labels
    return_path: str  # domain of the VERP addresses
    pool: str = "default"  # of sources that its mail leaves from
    reply_domain: str | None = None  # of tracked reply addresses; None: the return path's
    keys: tuple[DkimKey, ...] = ()  # every one signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The installation as a sender."""

    domains: Mapping[str, SendingDomain] = field(default_factory=dict)  # by name
    public_url: str | None = None  # where unsubscribe links lead, without a final slash
    postal_address: str | None = None  # for footers, unless the campaign names its own
    lifetime: timedelta = timedelta(days=5)  # from acceptance until a delivery expires
    max_message_bytes: int = 25_000_000

    def domain_of(self, address: Address, *, where: str | None = None) -> SendingDomain:
        """Return the domain an address sends as; raises `Refused` (exit 5) if it is not ours."""
        domain = self.domains.get(address.domain)
        if domain is None:
            ours = ", ".join(sorted(self.domains)) or "none yet"
            raise Refused(
                f"{address.domain} is not a domain we send as (domains in the settings: {ours})",
                where=where,
                remedy=f"add {address.domain} to `domains` in the settings with its DKIM key, or send as one of ours",
            )
        return domain

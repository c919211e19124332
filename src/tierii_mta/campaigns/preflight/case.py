"""The case: all that a rule may look at, and the ports to what it cannot know.

Owns the values; `run` fills them.  `Network` is there only where the operator lets us ask it.  Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tierii_mta.campaigns.audience import Survey
from tierii_mta.campaigns.compliance import Demand
from tierii_mta.campaigns.preflight.census import Census
from tierii_mta.campaigns.preflight.history import DayCount
from tierii_mta.campaigns.preflight.knowledge import Knowledge
from tierii_mta.campaigns.preflight.page import Page
from tierii_mta.campaigns.preflight.profiles import Profile
from tierii_mta.campaigns.problems import Problem
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.specification import Campaign, Specification
from tierii_mta.campaigns.template import Sources
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.compose import Attachment
from tierii_mta.mail.parts import Mail
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.resolver.answer import Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One contact's mail, as it would go out."""

    place: str  # file and line of the contact
    recipient: Address
    person: PersonKey
    data: bytes  # signed
    mail: Mail
    page: Page | None  # the HTML part, read
    html: str
    text: str

    def field(self, name: str) -> str:
        """Return a header field's value, or the empty text."""
        return self.mail.root.get(name) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the settings say about sending this campaign."""

    hostname: str
    sources: tuple[Source, ...]  # of the campaign's pool
    shaping: Shaping
    allows_loopback: bool = False  # a rehearsal: nothing leaves this machine
    enrolled: frozenset[str] = frozenset()  # programmes of providers that the operator says they take part in
    blocklists: tuple[str, ...] = ()  # zones


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One campaign before the rules."""

    campaign: Campaign
    sender: Sender
    domain: SendingDomain
    setup: Setup
    codec: TokenCodec
    knowledge: Knowledge
    sources: Sources  # every template
    attachments: Sequence[Attachment] = ()  # in the order of the file
    profiles: tuple[Profile, ...] = ()
    specimens: Sequence[Specimen] = ()
    failures: Sequence[Problem] = ()  # contacts whose mail could not be made
    left_out: Mapping[Demand, int] = field(default_factory=dict)  # whom the profiles keep from being written to
    problems: Sequence[Problem] = ()  # kinds of contacts whose mail cannot be made
    hostile: bytes | None = None  # what a contact full of markup and line breaks would get; None: nothing
    census: Census
    survey: Survey
    history: Sequence[DayCount] = ()  # of the last days
    now: Instant

    @property
    def specification(self) -> Specification:
        return self.campaign.specification

    @property
    def file(self) -> str:
        return str(self.campaign.path)

    @property
    def postal_address(self) -> str | None:
        return self.specification.compliance.postal_address or self.sender.postal_address

    def where(self, *path: str | int) -> str:
        """Return where a key stands in the campaign file."""
        return self.campaign.document.where(path)


class Reach(StrEnum):
    """Whether mail to a domain can arrive."""

    MX = "mx"
    ADDRESS = "address"  # no MX, but an address (RFC 5321 §5.1)
    NULL_MX = "null_mx"  # it says that it takes no mail (RFC 7505)
    NOWHERE = "nowhere"
    UNKNOWN = "unknown"  # the DNS did not say


@dataclass(frozen=True, slots=True)
class Destination:
    """Where mail to one domain goes."""

    reach: Reach
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """What a web server said."""

    status: int
    sets_cookie: bool = False


class Web(Protocol):
    """One request over HTTP, no redirect followed, certificates verified."""

    async def ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, at: str | None = None
    ) -> WebAnswer | str:
        """Return the answer, or in words why there is none. `at` is the address to connect to, whatever the name
        stands for by now; the certificate is the name's all the same.
        """


class Opinions(Protocol):
    """Who has unsubscribed; what H3 looks at before and after it asked the endpoint."""

    async def has_left(self, person: PersonKey) -> bool:
        """Return whether an unsubscription of this person is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The world outside."""

    resolver: Resolver
    web: Web
    opinions: Opinions
    addresses: Mapping[str, str] = field(default_factory=dict)  # each of our addresses → its EHLO name
    destinations: Mapping[str, Destination] = field(default_factory=dict)  # by domain, of most contacts

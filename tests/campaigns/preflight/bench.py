"""A bench for the rules: a campaign in a folder, looked at by a real preflight, with a DNS and a web of its own."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta import shipped, yaml12
from tierii_mta.authentication.dkim import DkimKey, KeyKind, generate_key
from tierii_mta.authentication.keys import load_private_key
from tierii_mta.campaigns.audience import Contact, Survey
from tierii_mta.campaigns.compliance import compliance_of
from tierii_mta.campaigns.examination import Subject
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.inquiry import Inquiry
from tierii_mta.campaigns.preflight.case import Setup
from tierii_mta.campaigns.preflight.findings import Finding
from tierii_mta.campaigns.preflight.history import DayCount
from tierii_mta.campaigns.preflight.probe import open_probe
from tierii_mta.campaigns.preflight.run import Preflight, Scope, Tools, World
from tierii_mta.campaigns.preflight.specimens import OwnPress
from tierii_mta.campaigns.press import Press
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import parse
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.summary import Progress
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec, open_unsubscribe
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.resolver.stub import StubResolver

ADDRESS = "127.0.0.9"
NAME = "mta.example.com"
CODEC = TokenCodec(b"a secret of the tests, long enough")
FILE = """
campaign: {id: spring, name: Spring}
from: {name: Acme, email: news@example.com}
list: {id: news.example.com, name: News, opt_in: double}
subject: "Hello {{ first_name }}"
template: {html: mail.html.j2}
headers: {Feedback-ID: "spring:marketing:acme"}
contacts: [{type: inline, items: [{email: a@example.org}]}]
"""
HTML = """<html><body><p>Dear {{ first_name }}, the tulips are here, and so are the daffodils of spring.</p>
<p><a href="https://example.com/">Shop</a></p></body></html>
"""
CONSENT = {"consent_basis": "express", "consent_source": "shop", "consent_at": "2026-01-02"}
PEOPLE: list[dict[str, Any]] = [
    {"email": "anna@example.org", "first_name": "Anna", **CONSENT},
    {"email": "bob@example.net", "first_name": "Bob", **CONSENT},
]


@cache
def signing_key(bits: int = 2048, domain: str = "example.com") -> DkimKey:
    """Return a key, the same for all tests of a process: making one takes a while."""
    return DkimKey(domain, f"s{bits}", load_private_key(generate_key(KeyKind.RSA, rsa_bits=bits)))


@cache
def shipped_shaping() -> Shaping:
    return Shaping.load([yaml12.load(shipped.folder("config") / "shaping.yaml")])


@dataclass
class Past:
    """`MailHistory` of so many days."""

    counts: Sequence[DayCount] = ()

    async def days(self, *, since: Instant) -> Sequence[DayCount]:
        return self.counts


@dataclass
class Bench:
    """What a test changes before it looks."""

    folder: Path
    file: str = FILE
    html: str = HTML
    people: Sequence[Mapping[str, Any]] = tuple(PEOPLE)
    domain: SendingDomain = field(
        default_factory=lambda: SendingDomain(
            name="example.com", return_path="bounce.example.com", keys=(signing_key(),)
        )
    )
    public_url: str = "https://mail.example.com"
    setup: Setup = field(
        default_factory=lambda: Setup(
            hostname=NAME,
            sources=(Source(name="main", ehlo=NAME, address=ADDRESS),),
            shaping=shipped_shaping(),
            enrolled=frozenset({"google-postmaster-tools", "yahoo-cfl", "microsoft-jmrp", "microsoft-snds"}),
        )
    )
    history: Sequence[DayCount] = ()
    postal_address: str | None = "1 Main St, Oakland CA"
    clock: ManualClock = field(default_factory=ManualClock)
    press: Press | None = None
    max_message_bytes: int = 25_000_000
    shown: list[Progress] = field(default_factory=list)

    async def examine(self, world: World | None = None, scope: Scope | None = None) -> Preflight:
        """Run the rules over the campaign as it stands now."""
        (self.folder / "mail.html.j2").write_text(self.html)
        campaign = parse(self.file, path=self.folder / "campaign.yaml")
        sender = Sender(
            domains={self.domain.name: self.domain},
            public_url=self.public_url,
            postal_address=self.postal_address,
            max_message_bytes=self.max_message_bytes,
        )
        tools = Tools(
            codec=CODEC,
            sender=sender,
            setup=self.setup,
            press=self.press or OwnPress(self.clock),
            history=Past(self.history),
            clock=self.clock,
        )
        preflight = Preflight(campaign, tools, world=world, scope=scope or Scope())
        survey = Survey(rows=len(self.people))
        contacts = []
        compliance = compliance_of(campaign.specification, now=self.clock.now())
        for number, fields in enumerate(self.people):
            address = Address.parse(fields["email"])
            contact = Contact(number + 2, "people.csv", address, CODEC.person_key(address), dict(fields))
            waiting = Waiting(contact.person, number, str(address), address.domain, contact.fields, 0, contact.line)
            if await compliance.reasons([waiting]) != [None]:
                continue
            names = tuple(sorted(fields))
            if survey.is_sample(number, names):
                survey.keep(number, names, contact)
            preflight.see(waiting)
            contacts.append(waiting)
        expansion = expand(campaign)
        snapshot, _ = make_snapshot(campaign.specification, expansion, sender=sender, now=self.clock.now())
        inquiry = Inquiry(campaign, expansion, snapshot, max_bytes=25_000_000, now=self.clock.now())
        await preflight.examine(
            Subject(
                campaign=campaign,
                expansion=expansion,
                snapshot=snapshot,
                survey=survey,
                feeds=("people.csv",),
                left_out=compliance.left_out,
                problems=tuple(inquiry.problems(survey)),
                contacts=contacts,
                show=self.shown.append,
            )
        )
        return preflight


def of_rule(preflight: Preflight, rule: str) -> list[Finding]:
    """Return a rule's findings that are more than an information."""
    return [finding for finding in preflight.findings if finding.rule == rule and finding.severity != "info"]


class Endpoint:
    """A web server on loopback that plays our endpoint, well or badly."""

    def __init__(self) -> None:
        self.left: set[PersonKey] = set()
        self.unsubscribing = {"POST"}  # methods that do
        self.statuses: dict[str, int] = {}  # by method, or by path
        self.cookie = ""
        self.url = ""

    async def has_left(self, person: PersonKey) -> bool:
        return person in self.left

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path = head.split(b" ", 2)[:2]
        link = open_unsubscribe(CODEC, path.decode().rpartition("/")[2])
        if link is not None and method.decode() in self.unsubscribing:
            self.left.add(link.key)
        status = self.statuses.get(path.decode(), self.statuses.get(method.decode(), 200))
        writer.write(f"HTTP/1.1 {status} X\r\n{self.cookie}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@dataclass
class Outside:
    """The network of a test: a DNS server in which all is well, and an endpoint."""

    dns: DnsServer
    endpoint: Endpoint
    world: World


@asynccontextmanager
async def open_outside(clock: ManualClock) -> AsyncIterator[Outside]:
    """Open the network: SPF, DKIM, DMARC, PTR and MX as they should be."""
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(DnsServer())
        endpoint = Endpoint()
        server = await stack.enter_async_context(await asyncio.start_server(endpoint.serve, "127.0.0.1", 0))
        endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        publish(dns)
        resolver = StubResolver(clock, nameservers=[dns.address])
        stack.push_async_callback(resolver.close)
        web = await stack.enter_async_context(open_probe())
        yield Outside(dns, endpoint, World(resolver=resolver, web=web, opinions=endpoint))


def publish(dns: DnsServer) -> None:
    """Publish what a good sender publishes."""
    dns.add("bounce.example.com", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
    dns.add(NAME, "A", ADDRESS)
    dns.add_ptr(ADDRESS, NAME)
    dns.add("example.com", "MX", 10, NAME)
    dns.add("example.com", "A", ADDRESS)
    dns.add("_dmarc.example.com", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@example.com")
    for key in (signing_key(), signing_key(1024)):
        dns.add(key.dns_name, "TXT", key_record(key))
    for domain in ("example.org", "example.net"):
        dns.add(domain, "MX", 10, f"mx.{domain}")


def key_record(key: DkimKey) -> str:
    """Return what is published for a key."""
    public = key.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def with_domain(bench: Bench, **changes: Any) -> None:
    """Change the sending domain."""
    bench.domain = replace(bench.domain, **changes)


def with_setup(bench: Bench, **changes: Any) -> None:
    """Change what the settings say."""
    bench.setup = replace(bench.setup, **changes)

"""The providers of an audience's domains, asked of a real name server."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.campaigns.preflight.bench import shipped_shaping
from tests.campaigns.workshop import CAMPAIGN, SENDER, Workshop
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.campaigns.audience import Contact
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.providers import MxProviders
from tierii_mta.campaigns.summary import Options
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.resolver.stub import StubResolver
from tierii_mta.storage.database import Database

HOSTED = (
    "  - {type: inline, items: [{email: a@hosted.example}, {email: b@hosted.example}, {email: c@broken.example}]}\n"
)


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        server.add("hosted.example", "MX", 10, "aspmx.l.google.com")
        server.add("example.org", "MX", 10, "mail.example.org")
        server.fail("broken.example", "SERVFAIL")
        yield server


@pytest.fixture
async def resolver(dns: DnsServer, clock: ManualClock) -> AsyncIterator[StubResolver]:
    resolver = StubResolver(clock, nameservers=[dns.address], timeout=timedelta(seconds=1))
    yield resolver
    await resolver.close()


async def test_a_segment_may_ask_for_the_provider(
    workshop: Workshop,
    database: Database,
    codec: TokenCodec,
    clock: ManualClock,
    resolver: StubResolver,
    dns: DnsServer,
) -> None:
    async def accepted(segment: str) -> tuple[int, bool]:
        summary = await enqueue(
            workshop.campaign(CAMPAIGN + HOSTED + f"segment: {segment}\n"),
            database.campaigns,
            codec,
            sender=SENDER,
            clock=clock,
            providers=MxProviders(resolver, shipped_shaping()),
            options=Options(dry_run=True),
        )
        assert summary.rows == 5
        unknown = "provider: blank for 1 contacts, because the DNS did not answer, for instance of broken.example"
        return summary.accepted, unknown in summary.notices

    assert await accepted("provider == 'google'") == (2, True)
    assert await accepted("provider == 'other'") == (2, True)
    assert await accepted("provider is blank") == (1, True)
    assert await accepted("provider != 'google'") == (3, True)
    assert dns.queries["hosted.example", "MX"] == 1, "each domain once"


async def test_without_the_dns_nothing_is_known_and_said_so(codec: TokenCodec) -> None:
    address = Address.parse("a@hosted.example")
    providers = MxProviders(None, shipped_shaping())
    contacts = [Contact(1, "people.csv", address, codec.person_key(address), {})]
    assert await providers.enrich(contacts) == contacts
    assert await providers.finish() == (
        "provider: blank for 1 contacts, because the DNS is not asked, for instance of hosted.example",
    )
    assert providers.provider_of("hosted.example") is None

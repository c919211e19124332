"""From an accepted row to signed octets: what the attempt gets, checked by foreign readers."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path

import dkim
import pytest

from tests.campaigns.pressroom.room import SLOW, TEMPLATE
from tests.campaigns.workshop import CAMPAIGN, HTML, SENDER, Workshop, parsed, part
from tests.support.clock import ManualClock
from tierii_mta.authentication.dkim import DkimKey, KeyKind, dns_record, generate_key
from tierii_mta.authentication.keys import load_private_key
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.merge import CampaignContent
from tierii_mta.campaigns.press import EditionUnusable, Menace
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import SystemClock
from tierii_mta.errors import Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import open_message_id
from tierii_mta.mail.tokens import (
    Leaver,
    Purpose,
    SignedAddress,
    TokenCodec,
    list_tag,
    open_return_path,
    open_signed_address,
    open_unsubscribe,
)
from tierii_mta.outbound.content import Prepared, RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Delivery
from tierii_mta.queue.store import Quota
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.database import Database
from tierii_mta.workers.process import Limits

PEMS = {"rsa": generate_key(KeyKind.RSA), "ed": generate_key(KeyKind.ED25519)}
KEYS = tuple(DkimKey("example.com", name, load_private_key(pem)) for name, pem in PEMS.items())
SIGNER = replace(
    SENDER,
    domains={"example.com": SendingDomain(name="example.com", return_path="bounce.example.com", keys=KEYS)},
)


class Road:
    """What lies between a campaign file and an attempt."""

    def __init__(self, database: Database, codec: TokenCodec, clock: ManualClock) -> None:
        self.database, self.codec, self.clock = database, codec, clock
        self.press = PressPool(SystemClock())  # dkimpy believes in real time only
        self.content = self.new_content()

    def new_content(self, sender: Sender = SIGNER) -> CampaignContent:
        return CampaignContent(self.database.campaigns, self.codec, sender, self.press, self.clock)

    async def deliveries(self, campaign: Campaign) -> list[Delivery]:
        await enqueue(campaign, self.database.campaigns, self.codec, sender=SIGNER, clock=self.clock)
        epoch = await self.database.queue.register(name="test", role="outbound", pid=1, now=self.clock.now())
        quotas = [
            Quota(lane=load.lane.id, priority=load.priority, limit=100) async for load in self.database.queue.loads()
        ]
        claim = await self.database.queue.claim(quotas, epoch=epoch, now=self.clock.now())
        return sorted(claim.deliveries, key=lambda delivery: delivery.recipient)


@pytest.fixture
async def road(database: Database, codec: TokenCodec, clock: ManualClock) -> AsyncIterator[Road]:
    road = Road(database, codec, clock)
    yield road
    await road.press.close()


def is_signed(data: bytes, index: int) -> bool:
    records = {f"{name}._domainkey.example.com.".encode(): dns_record(pem).encode() for name, pem in PEMS.items()}
    verifier = dkim.DKIM(data)
    return bool(verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name)))


async def test_an_accepted_contact_gets_a_whole_signed_mail(workshop: Workshop, road: Road) -> None:
    text = CAMPAIGN + "list: {id: news.example.com, name: News}\n"
    anna, _ = await road.deliveries(workshop.campaign(text))
    prepared = await road.content.prepare(anna)
    assert is_signed(prepared.data, 0)
    assert is_signed(prepared.data, 1)
    mail = parsed(prepared.data)
    assert mail["Subject"] == "Hello Anna"
    assert mail["Message-ID"] == prepared.message_id
    assert "Dear Anna" in part(mail, "html")
    assert str(prepared.recipient) == "anna@example.org"
    for signature in mail.get_all("DKIM-Signature", []):
        signed = signature.replace(" ", "").replace("\n", "").lower()
        assert "list-unsubscribe:" in signed
        assert "list-unsubscribe-post:" in signed


async def test_every_token_in_the_mail_leads_back(workshop: Workshop, road: Road, codec: TokenCodec) -> None:
    text = CAMPAIGN + "list: {id: news.example.com, name: News}\n"
    anna, _ = await road.deliveries(workshop.campaign(text))
    prepared = await road.content.prepare(anna)
    assert prepared.reverse_path is not None
    assert prepared.reverse_path.domain == "bounce.example.com"
    assert open_return_path(codec, prepared.reverse_path, Address.parse("anna@example.org")) == anna.id
    assert open_return_path(codec, prepared.reverse_path, Address.parse("bob@example.org")) is None
    assert open_message_id(codec, prepared.message_id) == anna.id
    url = parsed(prepared.data)["List-Unsubscribe"].strip("<>")
    assert url.startswith("https://mail.example.com/u/")
    opened = open_unsubscribe(codec, url.rpartition("/")[2])
    assert opened is not None
    assert (opened.key, opened.list_id, opened.delivery) == (anna.recipient_key, "news.example.com", anna.id)
    assert "anna" not in url


async def test_every_attempt_sends_the_same_octets_but_for_the_signature(
    workshop: Workshop, road: Road, clock: ManualClock
) -> None:
    workshop.write("part.j2", "{{ campaign_date }} {{ discount }}")
    text = CAMPAIGN + "variables: {discount: 30}\nattachments: [{path: a.txt}]\n"
    workshop.write("a.txt", "attached")
    anna, _ = await road.deliveries(workshop.campaign(text, html=HTML + "{% include 'part.j2' %}"))
    first = await road.content.prepare(anna)
    for path in workshop.folder.iterdir():
        path.unlink()
    clock.step(SENDER.lifetime)
    changed = replace(SIGNER, public_url="https://elsewhere.example", postal_address="1 New Road")
    again = await road.new_content(changed).prepare(anna)

    def unsigned(prepared: Prepared) -> bytes:
        return prepared.data[prepared.data.index(b"\r\nFrom:") :]

    assert unsigned(again) == unsigned(first)
    assert again.body_hash == first.body_hash
    assert again.reverse_path == first.reverse_path
    assert b"2026-09-21 30" in first.data


async def test_a_contact_whose_values_break_the_template_fails_alone(workshop: Workshop, road: Road) -> None:
    workshop.write("people.csv", "email,n\na@example.org,5\nb@example.org,0\n")
    text = (
        CAMPAIGN[: CAMPAIGN.index("  - {type: inline")]
        + "  - {type: csv, path: people.csv}\nschema: {types: {n: int}}\n"
    )
    sound, broken = await road.deliveries(workshop.campaign(text, html="{{ 100 / n }}"))
    assert b"20.0" in (await road.content.prepare(sound)).data
    with pytest.raises(RenderFailed, match=r"mail.html.j2:1: division by zero"):
        await road.content.prepare(broken)


async def test_a_domain_that_left_the_settings_is_a_temporary_matter(workshop: Workshop, road: Road) -> None:
    anna, _ = await road.deliveries(workshop.campaign())
    with pytest.raises(Unavailable, match=r"example.com is not a domain we send as"):
        await road.new_content(Sender()).prepare(anna)


async def test_a_domain_without_keys_sends_unsigned(workshop: Workshop, road: Road) -> None:
    anna, _ = await road.deliveries(workshop.campaign())
    prepared = await road.new_content(SENDER).prepare(anna)
    assert "DKIM-Signature" not in parsed(prepared.data)


async def test_many_deliveries_at_once_share_one_edition(workshop: Workshop, road: Road) -> None:
    deliveries = await road.deliveries(workshop.campaign())
    prepared = await asyncio.gather(*(road.content.prepare(each) for each in deliveries * 20))
    assert len({one.body_hash for one in prepared}) == 2


async def test_mail_without_a_list_unsubscribes_from_all_marketing(
    workshop: Workshop, road: Road, codec: TokenCodec
) -> None:
    anna, _ = await road.deliveries(workshop.campaign())
    url = parsed((await road.content.prepare(anna)).data)["List-Unsubscribe"].strip("<>")
    opened = open_unsubscribe(codec, url.rpartition("/")[2])
    assert opened is not None
    assert opened.list_id == ""


async def test_a_campaign_whose_mails_end_press_workers_is_paused(workshop: Workshop, road: Road) -> None:
    items = ", ".join(f"{{email: p{n}@example.org, first_name: P{n}, temper: sound}}" for n in range(4))
    text = CAMPAIGN[: CAMPAIGN.index("  - {type: inline")] + f"  - {{type: inline, items: [{items}]}}\n"
    deliveries = await road.deliveries(workshop.campaign(text, html=TEMPLATE))
    slow = [replace(one, contact={**one.contact, "temper": SLOW}) for one in deliveries]
    limits = Limits(computing=timedelta(seconds=60), silence=timedelta(seconds=1))
    await road.press.close()
    road.press = PressPool(SystemClock(), workers=1, limits=limits)
    content = road.new_content()
    outcomes = await asyncio.gather(*map(content.prepare, slow), return_exceptions=True)
    assert [type(each) for each in outcomes] == [WorkerKilled, WorkerKilled, Menace, Unavailable]
    record = await road.database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.PAUSED
    assert "end the press workers" in (record.reason or "")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE campaign SET specification = '{}'",
        "UPDATE campaign SET specification = '{'",
        "UPDATE content SET body = 'other'",
        "DELETE FROM campaign_content",
    ],
)
async def test_a_damaged_campaign_says_so(workshop: Workshop, road: Road, damage: str, tmp_path: Path) -> None:
    anna, _ = await road.deliveries(workshop.campaign())
    with sqlite3.connect(tmp_path / "data" / SQLITE_FILE) as file:
        file.execute(damage)
    with pytest.raises(EditionUnusable, match="what the campaign spring sends is damaged"):
        await road.content.prepare(anna)


async def test_tracked_replies_come_back_to_an_address_signed_for_this_very_mail(
    workshop: Workshop, road: Road
) -> None:
    text = CAMPAIGN + "reply_to: {name: Acme, email: hello@example.com, track: true}\n"
    delivery, _ = await road.deliveries(workshop.campaign(text))
    data = (await road.content.prepare(delivery)).data
    name, address = parseaddr(parsed(data)["Reply-To"])
    recipient = Address.parse(delivery.recipient)
    assert name == "Acme"
    signed = Address.parse(address)
    assert signed.domain == "bounce.example.com"
    assert open_signed_address(road.codec, signed, recipient) == SignedAddress(Purpose.REPLY, delivery.id)


async def test_unsubscribing_by_mail_has_an_address_signed_for_this_very_mail(workshop: Workshop, road: Road) -> None:
    delivery, _ = await road.deliveries(
        workshop.campaign(CAMPAIGN + "unsubscribe: {mailto: true}\nlist: {id: news.example.com}\n")
    )
    url, _, mailto = parsed((await road.content.prepare(delivery)).data)["List-Unsubscribe"].partition(", ")
    assert url.startswith("<https://mail.example.com/u/")
    address = mailto.removeprefix("<mailto:").removesuffix("?subject=unsubscribe>")
    opened = open_signed_address(road.codec, Address.parse(address), Address.parse(delivery.recipient))
    leaver = Leaver(delivery.recipient_key, list_tag("news.example.com"))
    assert opened == SignedAddress(Purpose.UNSUBSCRIBE, delivery.id, leaver)


async def test_untracked_replies_go_where_the_campaign_says(workshop: Workshop, road: Road) -> None:
    text = CAMPAIGN + "reply_to: {email: hello@example.com}\n"
    delivery, _ = await road.deliveries(workshop.campaign(text))
    data = (await road.content.prepare(delivery)).data
    assert parseaddr(parsed(data)["Reply-To"])[1] == "hello@example.com"

"""Real SMTP sessions with port 25, whose checks ask a real rspamd and a real DNS server."""

from pathlib import Path
from typing import Any

import pytest

from tests.inbound.desk import Client, open_port
from tests.inbound.screening.cases import HEAD
from tests.scenarios.stage import free_port
from tests.support import rspamd as real
from tests.support.dns import DnsServer
from tierii_mta.clock import SystemClock
from tierii_mta.daemon.screening import Memory, build_screening
from tierii_mta.daemon.settings import settings_from
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.received import InboxState

SALES = "sales@example.com"


async def send(client: Client, body: bytes, *recipients: str) -> str:
    """Send a message to mailboxes and return the reply to its end."""
    said = (
        "EHLO mx.elsewhere.example",
        "MAIL FROM:<ada@elsewhere.example>",
        *(f"RCPT TO:<{one}>" for one in recipients),
    )
    for line in said:
        assert (await client.say(line)).startswith("250")
    assert (await client.say("DATA")).startswith("354")
    return await client.say((HEAD + body).decode() + ".")


@pytest.mark.skipif(real.RSPAMD is None, reason=real.REASON)
async def test_what_rspamd_calls_spam_is_refused_and_nothing_else(tmp_path: Path, dns: DnsServer) -> None:
    dns.add("elsewhere.example", "TXT", "v=spf1 ip4:127.0.0.1 -all")
    dns.add("elsewhere.example", "A", "127.0.0.1")
    dns.add("mx.elsewhere.example", "A", "127.0.0.1")
    dns.add_ptr("127.0.0.1", "mx.elsewhere.example")
    async with (
        real.Rspamd(tmp_path / "rspamd", free_port("127.0.0.1")) as server,
        open_port(tmp_path) as (office, port),
    ):
        checks: dict[str, Any] = {"trusted": [], "rspamd": {"url": server.url}}
        settings = {
            "hostname": "mta.example.com",
            "dns": {"nameservers": [dns.address]},
            "smtp": {"inbound": {"checks": checks}},
        }
        screened = build_screening(
            settings_from(settings, tmp_path).settings,
            clock=SystemClock(),
            codec=TokenCodec(b"a secret of the installation"),
            memory=Memory(greylist=office.database.greylist, correspondents=office.database.correspondents),
        )
        office.desk.checks = screened.checks
        client = await Client.connect(port)
        assert (await send(client, real.GTUBE, SALES)).startswith("550 5.7.1 the message looks like spam")
        assert (await send(client, b"Hello.\r\n", SALES)).startswith("250 2.0.0")
        assert (await send(client, b"Hello.\r\n", SALES, "any@catch.example")).startswith("250 2.0.0")
        await client.close()
        await screened.close()
        fine, apart = await office.kept()
        findings: Any = fine.entry.verdict["findings"]
        assert {one["check"] for one in findings} == {"iprev_pass", "spf_pass", "dkim_none", "dmarc_none", "rspamd"}
        assert b"Authentication-Results: mta.example.com;\r\n iprev=pass" in await office.content(fine)
        assert [one.entry.state for one in (fine, apart)] == [InboxState.NEW, InboxState.QUARANTINED]
        seen: Any = apart.entry.verdict["findings"]
        assert seen[-1] == {"check": "rspamd", "detail": "7.5 of 15, add header: TIERII_ENVELOPE +7.5", "score": 7.5}

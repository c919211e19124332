"""Story: strangers write to a mailbox. What they pretend to be is found out; one is kept apart, one has to come again,
one is refused, and one forged what only we may say. When nothing answers that the checks could ask, mail comes in.
"""

import asyncio
import json
import smtplib
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.scenarios.stage import SENDER_DOMAIN, Stage, free_port, open_stage
from tierii_mta.inbound.screening.lists import query_name

HONEST, STRANGER, LISTED, DARK = "127.0.0.21", "127.0.0.22", "127.0.0.23", "127.0.0.24"
MAILBOX, ZONE = f"sales@{SENDER_DOMAIN}", "block.example"
HEAD = "From: Ada <ada@{domain}>\r\nTo: {to}\r\nDate: Sat, 21 Nov 2026 10:30:00 +0000\r\nMessage-ID: <{name}@x>\r\n"


def _send(stage: Stage, source: str, domain: str, name: str, *fields: str, helo: str = "nowhere.example") -> str:
    """Send a message with a foreign client and return the reply to its end."""
    head = "".join(f"{field}\r\n" for field in fields) + HEAD.format(domain=domain, to=MAILBOX, name=name)
    with smtplib.SMTP(
        "127.0.0.1", stage.inbound_port, local_hostname=helo, source_address=(source, 0), timeout=60
    ) as client:
        client.ehlo()
        client.mail(f"ada@{domain}")
        client.rcpt(MAILBOX)
        code, text = client.data((head + "\r\nHello.\r\n").encode())
    return f"{code} {text.decode()}"


async def _sent(*arguments: Any, **keywords: Any) -> str:
    return await asyncio.to_thread(_send, *arguments, **keywords)


async def _inbox(stage: Stage) -> dict[str, Any]:
    """Return what is in the inbox, by the left side of its Message-ID."""
    listed = [json.loads(line) for line in (await stage.run("inbox", "ls", "--json")).out.splitlines()[:-1]]
    return {one["message_id"].partition("@")[0].removeprefix("<"): one for one in listed}


def _publish(stage: Stage) -> None:
    """Publish an honest domain with its host, one that sends no mail, and a block list with its test points."""
    dns = stage.dns
    dns.add("honest.example", "TXT", f"v=spf1 ip4:{HONEST} -all")
    dns.add("honest.example", "MX", 10, "mx.honest.example")
    dns.add("mx.honest.example", "A", HONEST)
    dns.add_ptr(HONEST, "mx.honest.example")
    dns.add("bank.example", "TXT", "v=spf1 -all")
    dns.add("bank.example", "A", "192.0.2.1")
    dns.add("silent.example", "MX", 0, ".")
    dns.add("vague.example", "A", "192.0.2.1")
    for address in ("127.0.0.2", LISTED):
        dns.add(query_name(ip_address(address), ZONE), "A", "127.0.0.2")


async def test_what_strangers_pretend_is_found_out_and_nothing_else_keeps_mail_away(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        _publish(stage)
        stage.settings["domains"][SENDER_DOMAIN]["mailboxes"] = {"sales": {"maildir": "mail"}}
        stage.settings["smtp"]["inbound"]["checks"] = {
            "trusted": [],
            "greylist": {"wait": "1s"},
            "lists": [{"zone": ZONE, "weight": 12}],
            "rspamd": {"url": f"http://127.0.0.1:{free_port('127.0.0.1')}"},  # nobody is there
        }
        stage.save_settings()
        await stage.start_daemon(web=False)
        async with asyncio.timeout(30):
            while "list.usable" not in stage.daemon_log():
                await asyncio.sleep(0.05)

        forged = f"Authentication-Results: {stage.settings['hostname']}; dmarc=pass header.from=honest.example"
        honest = await _sent(stage, HONEST, "honest.example", "honest", forged, helo="mx.honest.example")
        assert honest.startswith("250 2.0.0")
        assert (await _sent(stage, STRANGER, "bank.example", "pretender")).startswith("250 2.0.0")
        assert (await _sent(stage, STRANGER, "silent.example", "deaf")).startswith("550 5.7.27")
        listed = await _sent(stage, LISTED, "honest.example", "listed")
        assert listed.startswith("550 5.7.1")
        assert ZONE in listed
        assert (await _sent(stage, STRANGER, "vague.example", "stranger")).startswith("451 4.7.1")
        async with asyncio.timeout(30):
            while (reply := await _sent(stage, STRANGER, "vague.example", "stranger")).startswith("451 4.7.1"):
                await asyncio.sleep(0.2)
        assert reply.startswith("250 2.0.0")

        await stage.dns.stop()
        assert (await _sent(stage, DARK, "dark.example", "dark", helo="mx.dark.example")).startswith("250 2.0.0")

        kept = await _inbox(stage)
        decisions = {name: one["verdict"]["decision"] for name, one in kept.items()}
        assert decisions == {"honest": "accept", "pretender": "quarantine", "stranger": "accept", "dark": "accept"}
        totals = {name: one["verdict"]["total"] for name, one in kept.items()}
        assert (totals["pretender"], totals["stranger"], totals["dark"]) == (6.5, 3.0, 0.0)
        found = {name: {each["check"] for each in one["verdict"]["findings"]} for name, one in kept.items()}
        assert found["pretender"] >= {"spf_fail", "iprev_missing", "helo_unknown"}
        assert "waited" in found["stranger"]
        unknown = {f"{name}_temperror" for name in ("iprev", "helo", "sender", "spf", "dmarc", "list")}
        assert found["dark"] == {*unknown, "dkim_none", "rspamd_unusable"}

        header = (await stage.run("inbox", "show", kept["honest"]["id"], "--json")).summary["header"]
        assert header.count("Authentication-Results") == 1
        assert "spf=pass" in header
        assert "header.from=honest.example" in header
        assert "dmarc=pass" not in header
        refused = [json.loads(line) for line in stage.daemon_log().splitlines() if '"message.refused"' in line]
        assert {one["reasons"][0] for one in refused} >= {"null_mx", f"list:{ZONE}"}

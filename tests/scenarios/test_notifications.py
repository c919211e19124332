"""Story: what senders hear of their mail: that it failed, is late or was passed on; and what other hosts are asked."""

import asyncio
import email
import email.policy
import re
import smtplib
from collections.abc import Sequence
from email.message import EmailMessage, Message
from pathlib import Path
from typing import cast

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage
from tests.support.hostile_mx import HostileMx, Peer
from tierii_mta.rehearsal.sink import Sink

SENDER = f"orders@{SENDER_DOMAIN}"
MESSAGE = (
    f"From: {SENDER}\r\nTo: everybody\r\nSubject: your order\r\nMessage-ID: <order-7@{SENDER_DOMAIN}>\r\n"
    "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nIt is on its way.\r\n"
)


async def offers_dsn(peer: Peer) -> None:
    await peer.greet(("PIPELINING", "DSN"))
    await peer.serve()


def submit(stage: Stage, password: str, sender: str, recipients: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Hand one message in, with the parameters that go with each recipient."""
    with smtplib.SMTP("127.0.0.1", stage.submission_port, timeout=60) as server:
        server.ehlo()
        assert server.has_extn("dsn")
        server.login("shop", password)
        options = ["RET=HDRS", "ENVID=order+2B7"] if sender else []
        assert server.mail(sender, options)[0] == 250
        for recipient, parameters in recipients:
            assert server.rcpt(recipient, parameters)[0] == 250
        assert server.data(MESSAGE)[0] == 250


def of_recipients(notification: EmailMessage) -> list[Message]:
    status = next(part for part in notification.iter_parts() if part.get_content_type() == "message/delivery-status")
    return cast("list[Message]", status.get_payload())


async def notified(stage: Stage, sink: Sink, count: int) -> dict[str, EmailMessage]:
    """Wait for so many notifications, and return them by what they say happened."""
    for _ in range(600):
        if len(sink.received) >= count:
            break
        await asyncio.sleep(0.05)
    found = {}
    for one in sink.received:
        assert (one.sender, one.recipients) == ("", (SENDER,))
        assert stage.verifies(one.data)
        parsed = email.message_from_bytes(one.data, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        found[of_recipients(parsed)[1]["Action"]] = parsed
    assert len(sink.received) == count, f"{list(found)}\n{stage.daemon_log()}"
    return found


async def test_senders_hear_what_became_of_their_mail(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.settings["outbound"]["retry"]["delay_warning"] = "1s"
        stage.save_settings()
        rules = "rules: [{to: 'late@*', do: full}, {to: 'n*@*', do: reject}]"
        strict = await stage.sink("strict.example", "127.0.0.2", rules)
        inbox = await stage.sink(SENDER_DOMAIN, "127.0.0.3")
        teller = await stage.stack.enter_async_context(HostileMx(offers_dsn, address="127.0.0.4", port=stage.port))
        stage.publish("telling.example", "127.0.0.4")
        made = await stage.run("user", "add", "shop", "--sender", f"@{SENDER_DOMAIN}", "--json")
        password = made.summary["password"]
        await stage.start_daemon(web=False)
        await asyncio.to_thread(submit, stage, password, "", [("nil@strict.example", ["NOTIFY=FAILURE"])])
        await asyncio.to_thread(
            submit,
            stage,
            password,
            SENDER,
            [
                ("no@strict.example", ["ORCPT=rfc822;bob+2Bx@old.example"]),
                ("late@strict.example", []),
                ("well@strict.example", ["NOTIFY=SUCCESS,FAILURE"]),
                ("fine@strict.example", []),
                ("nobody@strict.example", ["NOTIFY=NEVER"]),
                ("told@telling.example", ["NOTIFY=SUCCESS"]),
            ],
        )
        found = await notified(stage, inbox, 3)
        assert set(found) == {"failed", "delayed", "relayed"}

        failed = found["failed"]
        assert failed["From"] == f"Mail Delivery System <MAILER-DAEMON@{SENDER_DOMAIN}>"
        assert (failed["Auto-Submitted"], failed["References"]) == ("auto-replied", f"<order-7@{SENDER_DOMAIN}>")
        of_message, *of = of_recipients(failed)
        assert (of_message["Reporting-MTA"], of_message["Original-Envelope-Id"]) == ("dns; mta.news.example", "order+7")
        assert [one["Final-Recipient"] for one in of] == ["rfc822; no@strict.example"]
        assert (of[0]["Original-Recipient"], of[0]["Status"]) == ("rfc822; bob+x@old.example", "5.1.1")
        assert of[0]["Remote-MTA"] == "dns; mx.strict.example"
        assert of[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 <no@strict.example>: no such person here"
        returned = list(failed.iter_parts())[2]
        assert returned.get_content_type() == "text/rfc822-headers"
        assert "Subject: your order" in str(returned.get_payload())
        assert "It is on its way" not in failed.as_string()

        delayed = of_recipients(found["delayed"])[1]
        assert (delayed["Final-Recipient"], delayed["Status"]) == ("rfc822; late@strict.example", "4.2.2")
        assert delayed["Will-Retry-Until"]
        relayed = of_recipients(found["relayed"])[1:]
        assert [one["Final-Recipient"] for one in relayed] == ["rfc822; well@strict.example"]
        assert (relayed[0]["Status"], relayed[0]["Diagnostic-Code"][:9]) == ("2.0.0", "smtp; 250")

        heard = teller.peers[0].heard.decode()
        assert re.search(rf"^MAIL FROM:<{SENDER}>.* RET=HDRS ENVID=order\+2B7\r$", heard, flags=re.MULTILINE)
        assert "RCPT TO:<told@telling.example> NOTIFY=SUCCESS ORCPT=rfc822;told@telling.example\r\n" in heard
        assert strict.stats["refused_reject"] == 3, "two of them with nobody to tell"
        assert await stage.stop_daemon() == 0

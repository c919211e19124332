"""Notifications are read by mail programs: the standard library's parser finds every part and every field in them."""

import email
import email.policy
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage, Message
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.clock import later
from tierii_mta.mail.address import Address
from tierii_mta.mail.dsn import (
    MAX_RETURNED_OCTETS,
    Action,
    Notification,
    Original,
    Told,
    ascii_original,
    build,
    original_recipient,
    status_of,
)
from tierii_mta.mail.reply import EnhancedCode

MESSAGE = b"From: ann@example.com\r\nSubject: lunch\r\nX-Long: a\r\n b\r\n\r\nAt noon?\r\n"
TOLD = Told(
    recipient="bob@far.example",
    original="rfc822;robert+2Btag@example.net",
    status=EnhancedCode(5, 1, 1),
    reply="550 5.1.1 no such user",
    remote="mx.far.example",
    attempted_at=later(START, timedelta(seconds=3)),
)


def original(content: bytes = MESSAGE, **changes: Any) -> Original:
    values: dict[str, Any] = {
        "message_id": "<m1@example.com>",
        "arrived_at": START,
        "envid": "order+2B7",
        "is_smtputf8": False,
        "content": content,
        "size_bytes": len(content),
        "is_wanted_full": True,
    }
    return Original(**values | changes)


def notification(*told: Told, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "action": Action.FAILED,
        "message_id": "<n1@example.com>",
        "domain": "example.com",
        "hostname": "mta.example.com",
        "to": Address.parse("ann@example.com"),
        "at": later(START, timedelta(seconds=5)),
        "told": told or (TOLD,),
        "original": original(),
    }
    return Notification(**values | changes)


def parsed(octets: bytes) -> EmailMessage:
    found = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def parts(octets: bytes) -> list[EmailMessage]:
    return [cast("EmailMessage", part) for part in parsed(octets).iter_parts()]


def blocks(octets: bytes) -> list[Message]:
    """Return the groups of fields of message/delivery-status: the message's, then one for each recipient."""
    return cast("list[Message]", parts(octets)[1].get_payload())


def test_a_failure_has_three_parts_and_is_answered_by_nobody() -> None:
    octets = build(notification())
    whole = parsed(octets)
    assert (whole.get_content_type(), whole.get_param("report-type")) == ("multipart/report", "delivery-status")
    kinds = [part.get_content_type() for part in parts(octets)]
    assert kinds == ["text/plain", "message/delivery-status", "message/rfc822"]
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@example.com>"
    assert (whole["To"], whole["Auto-Submitted"]) == ("ann@example.com", "auto-replied")
    assert (whole["In-Reply-To"], whole["References"]) == ("<m1@example.com>", "<m1@example.com>")
    assert whole["Message-ID"] == "<n1@example.com>"
    assert octets.isascii()


def test_programs_find_every_field() -> None:
    of_message, of_recipient = blocks(build(notification()))
    assert dict(of_message) == {
        "Reporting-MTA": "dns; mta.example.com",
        "Original-Envelope-Id": "order+7",
        "Arrival-Date": "Mon, 21 Sep 2026 14:13:20 +0000",
    }
    assert dict(of_recipient) == {
        "Original-Recipient": "rfc822; robert+tag@example.net",
        "Final-Recipient": "rfc822; bob@far.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.far.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Mon, 21 Sep 2026 14:13:23 +0000",
    }


def test_people_read_who_and_why_in_the_remotes_words() -> None:
    text = parts(build(notification()))[0].get_content().replace("\r\n", "\n")
    assert "<bob@far.example>\n    mx.far.example said: 550 5.1.1 no such user\n" in text
    assert "will not be tried again" in text


def test_a_reply_of_ours_is_not_put_into_the_remotes_mouth() -> None:
    ours = replace(TOLD, is_local=True, reply="451 4.4.1 no answer")
    octets = build(notification(ours))
    assert "The reason: 451 4.4.1 no answer" in parts(octets)[0].get_content()
    assert blocks(octets)[1]["Diagnostic-Code"] == "x-tierii; 451 4.4.1 no answer"


def test_a_delay_tells_how_long_we_go_on_trying() -> None:
    until = later(START, timedelta(days=5))
    octets = build(notification(action=Action.DELAYED, retry_until=until))
    assert "tried again until Sat, 26 Sep 2026 14:13:20 +0000" in " ".join(parts(octets)[0].get_content().split())
    assert blocks(octets)[1]["Will-Retry-Until"] == "Sat, 26 Sep 2026 14:13:20 +0000"
    assert blocks(octets)[1]["Action"] == "delayed"


def test_recipients_that_failed_together_share_one_notification() -> None:
    others = [replace(TOLD, recipient=f"p{number}@far.example") for number in range(3)]
    octets = build(notification(*others))
    assert [one["Final-Recipient"] for one in blocks(octets)[1:]] == [f"rfc822; {one.recipient}" for one in others]
    assert parts(octets)[0].get_content().count("said:") == 3


def test_without_ret_full_the_header_alone_comes_back() -> None:
    returned = parts(build(notification(original=original(is_wanted_full=False))))[2]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload() == "From: ann@example.com\r\nSubject: lunch\r\nX-Long: a\r\n b\r\n"


def test_a_large_message_comes_back_as_its_header() -> None:
    large = original(MESSAGE + b"x" * MAX_RETURNED_OCTETS, size_bytes=25_000_000)
    octets = build(notification(original=large))
    assert parts(octets)[2].get_content_type() == "text/rfc822-headers"
    assert len(octets) < 5_000


def test_a_header_without_end_is_cut_at_a_line() -> None:
    endless = original(b"X-Pad: " + b"y" * 60 + b"\r\n" + b" z\r\n" * 40_000)
    octets = build(notification(original=endless))
    assert len(octets) < MAX_RETURNED_OCTETS + 5_000
    assert str(parts(octets)[2].get_payload()).endswith(" z\r\n")


def test_a_message_kept_no_more_does_not_come_back() -> None:
    assert len(parts(build(notification(original=original(b""))))) == 2


def test_an_8_bit_message_is_declared_as_such() -> None:
    octets = build(notification(original=original(MESSAGE + "Grüße\r\n".encode())))
    assert parts(octets)[2]["Content-Transfer-Encoding"] == "8bit"
    assert "Grüße".encode() in octets


def test_raw_octets_in_a_returned_header_travel_encoded() -> None:
    octets = build(notification(original=original(b"Subject: Gr\xfc\xdfe\r\n\r\n", is_wanted_full=False)))
    assert octets.isascii()
    assert parts(octets)[2].get_content_type() == "text/rfc822-headers"


def test_a_message_with_smtputf8_gets_the_global_types() -> None:
    told = replace(TOLD, recipient="jürgen@far.example", original="utf-8;j\\x{FC}rgen@far.example")
    message = original("Subject: Grüße\r\n\r\nHallo\r\n".encode(), is_smtputf8=True)
    octets = build(notification(told, to=Address.parse("änn@example.com"), original=message))
    kinds = [part.get_content_type() for part in parts(octets)]
    assert kinds == ["text/plain", "message/global-delivery-status", "message/global"]
    assert "Final-Recipient: utf-8; jürgen@far.example\r\n".encode() in octets
    assert "Original-Recipient: utf-8; jürgen@far.example\r\n".encode() in octets
    assert "To: änn@example.com\r\n".encode() in octets
    headers = build(notification(told, original=replace(message, is_wanted_full=False)))
    assert parts(headers)[2].get_content_type() == "message/global-headers"


def test_a_utf_8_recipient_is_written_in_ascii_for_who_has_no_smtputf8() -> None:
    told = replace(TOLD, recipient="jürgen@far.example", original=original_recipient(Address.parse("jürgen@x.example")))
    of_recipient = blocks(build(notification(told)))[1]
    assert of_recipient["Final-Recipient"] == "utf-8; j\\x{FC}rgen@far.example"
    assert of_recipient["Original-Recipient"] == "utf-8; j\\x{FC}rgen@x.example"


@pytest.mark.parametrize(
    ("action", "reply", "status"),
    [
        (Action.FAILED, "550 5.1.1 no such user", "5.1.1"),
        (Action.FAILED, "550 go away", "5.0.0"),
        (Action.FAILED, "451 4.7.1 blocked until the end", "4.7.1"),
        (Action.FAILED, "451 later", "4.0.0"),
        (Action.FAILED, "the process died 3 times with this delivery in hand", "5.0.0"),
        (Action.FAILED, None, "5.0.0"),
        (Action.DELAYED, "550 5.7.1 your address is listed", "4.7.1"),
        (Action.DELAYED, "421 busy", "4.0.0"),
        (Action.RELAYED, "250 2.1.5 queued", "2.1.5"),
        (Action.RELAYED, "250 ok", "2.0.0"),
    ],
)
def test_the_status_is_the_peers_where_it_says_what_happened(action: Action, reply: str | None, status: str) -> None:
    assert str(status_of(action, reply)) == status


def test_what_expired_says_so() -> None:
    assert str(status_of(Action.FAILED, "450 4.2.0 greylisted", has_expired=True)) == "4.4.7"


def test_an_original_recipient_is_xtext() -> None:
    assert original_recipient(Address.parse("ann+tag@example.com")) == "rfc822;ann+2Btag@example.com"
    assert original_recipient(Address.parse('"a =b"@example.com')) == 'rfc822;"a+20+3Db"@example.com'
    assert original_recipient(Address.parse("jürgen@example.com")) == "utf-8;j\\x{FC}rgen@example.com"
    assert ascii_original("utf-8;jürgen@example.com") == "utf-8;j\\x{FC}rgen@example.com"
    assert ascii_original("rfc822;ann+2Btag@example.com") == "rfc822;ann+2Btag@example.com"


def test_an_envelope_id_cannot_bring_a_field_of_its_own() -> None:
    octets = build(notification(original=original(envid="a+0D+0AAction:+20delivered")))
    assert blocks(octets)[0]["Original-Envelope-Id"] == "a+0D+0AAction:+20delivered"


hostile = st.text(max_size=300) | st.sampled_from(
    ["\r\n\r\n--=_x\r\n", "550 5.1.1 a\r\nAction: delivered\r\n\r\nFinal-Recipient: x", "y" * 30_000, "é" * 9_000, "\0"]
)


@given(
    reply=hostile,
    remote=hostile,
    recipient=hostile,
    orcpt=hostile,
    envid=hostile,
    message_id=hostile,
    content=st.binary(max_size=200) | st.sampled_from([b"\r\n", b"--=_a\r\n\r\n", MESSAGE]),
    is_full=st.booleans(),
    is_smtputf8=st.booleans(),
)
def test_whatever_others_wrote_stays_in_its_place(
    *,
    reply: str,
    remote: str,
    recipient: str,
    orcpt: str,
    envid: str,
    message_id: str,
    content: bytes,
    is_full: bool,
    is_smtputf8: bool,
) -> None:
    told = replace(TOLD, recipient=recipient, original=orcpt, reply=reply, remote=remote)
    source = original(content, envid=envid, message_id=message_id, is_wanted_full=is_full, is_smtputf8=is_smtputf8)
    octets = build(notification(told, TOLD, original=source))
    head = octets.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert [name for name in names if name not in (b"In-Reply-To", b"References")] == [
        *(b"From", b"To", b"Date", b"Message-ID", b"Subject", b"Auto-Submitted", b"MIME-Version", b"Content-Type")
    ]
    boundary = head.rpartition(b'boundary="')[2].rstrip(b'"')
    pieces = octets.partition(b"\r\n\r\n")[2].split(b"--" + boundary)
    assert (len(pieces), pieces[-1]) == (4 + bool(content), b"--\r\n")
    fields = pieces[2].partition(b"\r\n\r\n")[2]
    assert is_smtputf8 or fields.isascii()
    assert all(len(line) <= 998 for line in pieces[1].split(b"\r\n") + fields.split(b"\r\n"))
    groups = fields.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
    found = [
        [line.partition(b":")[0].decode() for line in group.split(b"\r\n") if line and not line.startswith(b" ")]
        for group in groups
    ]
    of_recipient = ["Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"]
    assert found[0] == ["Reporting-MTA", "Original-Envelope-Id", "Arrival-Date"]
    assert [set(group) >= {"Final-Recipient", "Action", "Status"} for group in found[1:]] == [True, True]
    assert found[-1] == [*of_recipient, "Last-Attempt-Date"]
    assert b"\0" not in fields

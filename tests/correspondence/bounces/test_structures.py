"""Reports that are built in unusual ways: parts, encodings, fields, and answers that quote answers."""

import base64
import quopri

import pytest

from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.correspondence.reading import BouncedRecipient
from tierii_mta.mail.mime import parse

FIELDS = """\
Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ann@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.com>: User unknown
"""
RETURNED = "Message-ID: <1@sender.example>\nFrom: news@sender.example\nTo: ann@example.com\nSubject: News\n"
HEAD = "From: MAILER-DAEMON@example.net\nTo: news@sender.example\nSubject: Undelivered\nMIME-Version: 1.0\n"


def mail(*parts: str, kind: str = "multipart/report; report-type=delivery-status") -> bytes:
    body = "".join(f"--X\n{part}\n" for part in parts)
    return f"{HEAD}Content-Type: {kind}; boundary=X\n\n{body}--X--\n".encode()


def text(words: str = "It failed.") -> str:
    return f"Content-Type: text/plain; charset=utf-8\n\n{words}\n"


def status(fields: str = FIELDS, kind: str = "message/delivery-status") -> str:
    return f"Content-Type: {kind}\n\n{fields}"


def original(kind: str = "message/rfc822") -> str:
    return f"Content-Type: {kind}\n\n{RETURNED}"


def one(octets: bytes) -> BouncedRecipient:
    bounce = bounce_of(parse(octets))
    assert bounce is not None
    (found,) = bounce.recipients
    return found


def encoded(fields: str, how: str) -> str:
    told = base64.encodebytes(fields.encode()) if how == "base64" else quopri.encodestring(fields.encode())
    return f"Content-Type: message/delivery-status\nContent-Transfer-Encoding: {how}\n\n{told.decode()}"


BUILT = {
    "multipart/mixed": mail(text(), status(), original(), kind="multipart/mixed"),
    "without a text": mail(status(), original("text/rfc822-headers")),
    "status first": mail(status(), text(), original()),
    "base64": mail(text(), encoded(FIELDS, "base64"), original()),
    "quoted-printable": mail(text(), encoded(FIELDS, "quoted-printable"), original()),
    "CRLF inside base64": mail(text(), encoded(FIELDS.replace("\n", "\r\n"), "base64"), original()),
    "words as alternatives": mail(
        "Content-Type: multipart/alternative; boundary=Y\n\n"
        f"--Y\n{text()}\n--Y\nContent-Type: text/html\n\n<p>No</p>\n--Y--\n",
        status(),
        original(),
    ),
    "status as text/plain": mail(text(), status(kind="text/plain; name=delivery-status"), original()),
    "status as an attached file": mail(
        text(),
        f"Content-Type: text/plain\nContent-Disposition: attachment; filename=details.txt\n\n{FIELDS}",
        original(),
        kind="multipart/mixed",
    ),
    "status as octets": mail(
        text(),
        f"Content-Type: application/octet-stream; name=details.txt\nContent-Disposition: attachment\n\n{FIELDS}",
        original(),
        kind="multipart/mixed",
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_status_fields_are_found_wherever_they_stand(name: str) -> None:
    ann = one(BUILT[name])
    assert (ann.recipient, str(ann.reply_class), ann.is_hard) == ("ann@example.com", "InvalidRecipient", True)


def test_an_attached_file_of_fields_that_a_person_sends_is_no_report() -> None:
    octets = BUILT["status as an attached file"].replace(b"MAILER-DAEMON@example.net", b"ben@example.net")
    assert bounce_of(parse(octets.replace(b"Undelivered", b"look at this"))) is None


@pytest.mark.parametrize(
    ("action", "status_line", "expected"),
    [
        ("failure", "5.1.1", "failed"),
        ("fail", "5.0.0", "failed"),
        ("expired", "4.4.7", "failed"),
        ("error", "5.1.1", "failed"),
        ("Failed (permanent)", "5.1.1", "failed"),
        ("failed;", "5.1.1", "failed"),
        ("delay", "4.4.1", "delayed"),
        ("Delayed", "4.4.1", "delayed"),
        ("transient-failure", "4.4.1", "delayed"),
    ],
)
def test_an_action_is_understood_however_it_is_spelled(action: str, status_line: str, expected: str) -> None:
    fields = FIELDS.replace("failed", action).replace("Status: 5.1.1", f"Status: {status_line}")
    assert one(mail(text(), status(fields), original())).action == expected


DIAGNOSTICS = {
    "several lines": (
        "5.1.1",
        (
            "smtp; 550-5.1.1 The email account that you tried to reach does not\n"
            "    550-5.1.1 exist. Please try double-checking\n    550 5.1.1 the address - gsmtp"
        ),
        ("InvalidRecipient", True),
    ),
    "Postfix's own type": (
        "5.0.0",
        (
            "X-Postfix; host mx.example.com[192.0.2.1] said: 550 5.1.1\n"
            "    <ann@example.com>: no such user (in reply to RCPT TO command)"
        ),
        ("InvalidRecipient", True),
    ),
    "the last hop's answer behind a vague one": (
        "5.0.0",
        "smtp; 554 5.0.0 Service unavailable: host mail.inside.example said: 550 5.1.1 no such mailbox",
        ("InvalidRecipient", True),
    ),
    "Exchange behind Exchange": (
        "5.0.0",
        "smtp;550 5.0.350 Remote server returned an error -> 550 5.2.2 mailbox full; STOREDRV.Deliver.Exception",
        ("QuotaIssues", False),
    ),
    "a program's exit": ("5.0.0", "x-unix; user unknown", ("RelayingIssues", False)),
    "no type": ("5.1.1", "550 5.1.1 User unknown", ("InvalidRecipient", True)),
    "capitals": ("5.1.1", "SMTP;550 5.1.1 User unknown", ("InvalidRecipient", True)),
    "the words decide": ("5.0.0", "smtp; 554 Message rejected as spam", ("SpamContent", False)),
    "the words decide, 5.2.0": ("5.2.0", "smtp; 550 5.2.0 mailbox full", ("QuotaIssues", False)),
    "a policy in the clothes of an address": (
        "5.1.1",
        "smtp; 550 5.1.1 rejected, your IP 192.0.2.5 is listed by Spamhaus",
        ("SpamBlock", False),
    ),
    "expired, and what the host last said": (
        "5.4.7",
        "smtp; 550 5.4.7 Message expired (last answer: 450 4.1.1 user unknown)",
        ("MessageExpired", False),
    ),
    "expired, before DNS answered": (
        "4.4.7",
        "smtp; 4.4.7 Message expired: 450 Host unknown",
        ("MessageExpired", False),
    ),
}


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_a_diagnostic_has_its_class(name: str) -> None:
    code, diagnostic, expected = DIAGNOSTICS[name]
    told = f"Action: failed\nStatus: {code}\nDiagnostic-Code: {diagnostic}\n"
    fields = f"Final-Recipient: rfc822; ann@example.com\n{told}"
    ann = one(mail(text(), status(fields), original()))
    assert (str(ann.reply_class), ann.is_hard) == expected


def test_each_recipient_of_one_report_has_its_own_reason() -> None:
    fields = (
        "Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: rfc822; ben@example.com\nAction: failed\nStatus: 5.2.2\n\n"
        "Final-Recipient: rfc822; cyd@example.com\nAction: delayed\nStatus: 4.4.1\n"
    )
    bounce = bounce_of(parse(mail(text(), status(fields), original())))
    assert bounce is not None
    assert [(each.recipient, str(each.reply_class), each.is_hard) for each in bounce.recipients] == [
        ("ann@example.com", "InvalidRecipient", True),
        ("ben@example.com", "QuotaIssues", False),
        ("cyd@example.com", "NoAnswerFromHost", False),
    ]


BANNER = """\
<html><head><style>td {color: red}</style></head><body>
<table><tr><td><img src="cid:logo"> Office 365</td></tr>
<tr><td><p>Your message to <a href="mailto:ann@example.com">ann@example.com</a> couldn't be delivered.</p></td></tr>
<tr><td><b>ann wasn't found at example.com.</b></td></tr>
<tr><td>news</td><td>Office 365</td><td>ann</td></tr>
<tr><td>Action Required</td><td></td><td>Recipient</td></tr></table>
<p>Unknown To address</p>
<p>Original Message Details</p><table><tr><td>Sender Address:</td><td>news@sender.example</td></tr>
<tr><td>Recipient Address:</td><td>ann@example.com</td></tr></table>
<p>Error Details</p><table><tr><td>Error:</td>
<td>550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.com not found</td></tr></table>
</body></html>
"""


def test_a_report_of_exchange_online_in_html_alone_is_read() -> None:
    head = HEAD.replace("MAILER-DAEMON@example.net", "postmaster@sender.example")
    ann = one(f"{head}Content-Type: text/html; charset=utf-8\n\n{BANNER}".encode())
    assert (ann.recipient, str(ann.reply_class), ann.is_hard) == ("ann@example.com", "InvalidRecipient", True)

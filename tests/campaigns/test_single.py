"""The mail of the command `send`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.workshop import SENDER, parsed, part
from tests.support.clock import ManualClock
from tierii_mta.campaigns.single import Mail, Single, compose_single
from tierii_mta.errors import CheckFailed, Refused, UsageError


def compose(**changes: Any) -> Single:
    values: dict[str, Any] = {"sender": "Shop <shop@example.com>", "recipients": ["anna@example.org"]} | changes
    return compose_single(Mail(**values), sender=SENDER, clock=ManualClock())


def test_html_is_rendered_with_its_variables_and_gets_a_text_part(tmp_path: Path) -> None:
    page = tmp_path / "order.html"
    page.write_text("<p>Order {{ number }} for {{ email }}</p>")
    single = compose(subject="Order {{ number }}", html=page, variables={"number": "4<2"})
    mail = parsed(single.data)
    assert mail["Subject"] == "Order 4<2"
    assert mail["From"] == "Shop <shop@example.com>"
    assert mail["To"] == "anna@example.org"
    assert mail["Message-ID"] == single.message_id
    assert mail["List-Unsubscribe"] is None
    assert "Order 4&lt;2 for anna@example.org" in part(mail, "html")
    assert part(mail, "plain") == "Order 4<2 for anna@example.org\n"
    assert str(single.envelope.reverse_path) == "shop@example.com"
    assert single.envelope.size_bytes == len(single.data)


def test_text_alone_is_one_part_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    page = tmp_path / "a.txt"
    page.write_text("Grüße")
    single = compose(text=page, subject="x", recipients=["A <a@example.org>", "b@example.org", "A@example.org"])
    assert parsed(single.data).get_content_type() == "text/plain"
    assert [str(each) for each in single.envelope.recipients] == ["a@example.org", "b@example.org"]


def test_names_without_a_value_are_all_told(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("{{ a }}{{ b.c }}{{ d | default('x') }}")
    with pytest.raises(CheckFailed, match=r"no value for a, b, e; add --var a=\.\.\."):
        compose(html=page, subject="{{ e }}")


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({}, UsageError, "nothing to send"),
        ({"recipients": []}, UsageError, "nobody to send to"),
        ({"recipients": ["nobody"]}, UsageError, "--to: 'nobody' is not of the form"),
        ({"sender": "x@elsewhere.example"}, Refused, "elsewhere.example is not a domain we send as"),
        ({"html": Path("/nowhere/x.html")}, CheckFailed, "x.html: cannot be read: No such file"),
        ({"raw": Path("x"), "subject": "y"}, UsageError, "--raw goes without"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_reason(
    changes: dict[str, Any], error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        compose(**changes)


def test_a_broken_template_names_file_and_line(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("\n{% if %}")
    with pytest.raises(CheckFailed, match=r"a.html:2: "):
        compose(html=page)
    page.write_text("\n\n{{ 1 / 0 }}")
    with pytest.raises(CheckFailed, match=r"a.html:3: division by zero"):
        compose(html=page)


def test_a_variable_cannot_add_a_header(tmp_path: Path) -> None:
    page = tmp_path / "a.txt"
    page.write_text("x")
    mail = parsed(compose(text=page, subject="{{ s }}", variables={"s": "a\r\nBcc: b@example.org"}).data)
    assert mail["Subject"] == "a Bcc: b@example.org"
    assert mail["Bcc"] is None


def test_a_raw_message_is_completed_and_otherwise_left_alone(tmp_path: Path) -> None:
    raw = tmp_path / "m.eml"
    raw.write_bytes(
        b"From: Shop <shop@example.com>\nSubject:  odd   spacing\nBcc: secret@example.org\n"
        b"X-A:\n folded\n\nBody\r\n.\rend"
    )
    single = compose(raw=raw)
    assert single.data.startswith(
        b"From: Shop <shop@example.com>\r\nSubject:  odd   spacing\r\nX-A:\r\n folded\r\nDate: "
    )
    assert single.data.endswith(b"\r\n\r\nBody\r\n.\r\nend")
    assert parsed(single.data)["Message-ID"] == single.message_id
    assert b"secret" not in single.data


def test_a_raw_message_keeps_its_own_date_and_id(tmp_path: Path) -> None:
    raw = tmp_path / "m.eml"
    header = b"From: shop@example.com\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <own@example.com>\r\n\r\n"
    raw.write_bytes(header + b"\xc3\xbc\r\n")
    single = compose(raw=raw)
    assert single.data == header + b"\xc3\xbc\r\n"
    assert single.message_id == "<own@example.com>"
    assert single.envelope.is_8bit
    assert not single.envelope.needs_smtputf8


@pytest.mark.parametrize(
    ("content", "error", "expected"),
    [
        (b"no header at all\n", CheckFailed, "m.eml"),
        (b"Subject: x\n\nbody", CheckFailed, "write one From field"),
        (b"From: a@example.com\nFrom: b@example.com\n\nbody", CheckFailed, "has two From fields"),
        (b"From: a@elsewhere.example\n\nbody", Refused, "not a domain we send as"),
        (b"From: a@example.com\n\n" + b"x" * 999, CheckFailed, "m.eml:3: a line has 999 octets"),
        (b"From: a@example.com\n\na\0b", CheckFailed, "m.eml:3: holds a NUL"),
    ],
)
def test_a_raw_message_that_cannot_go_out_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], expected: str
) -> None:
    raw = tmp_path / "m.eml"
    raw.write_bytes(content)
    with pytest.raises(error, match=expected):
        compose(raw=raw)


def test_size_is_bounded(tmp_path: Path) -> None:
    page = tmp_path / "a.txt"
    page.write_text("x" * 5000)
    with pytest.raises(CheckFailed, match="more than 1000"):
        compose_single(
            Mail(sender="a@example.com", recipients=["b@example.org"], text=page),
            sender=replace(SENDER, max_message_bytes=1000),
            clock=ManualClock(),
        )

"""What we sign, dkimpy verifies; what was added or changed afterwards, it refuses."""

import base64
import re
import time
from datetime import timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings

from tests.authentication.messages import messages
from tierii_mta.authentication.dkim import DkimKey, dns_record, sign
from tierii_mta.clock import Instant
from tierii_mta.mail.header import MalformedHeader

RSA = DkimKey("example.com", "r1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
ED25519 = DkimKey("example.com", "e1", Ed25519PrivateKey.generate())
KEYS = (RSA, ED25519)
RECORDS = {
    f"{key.dns_name}.".encode(): dns_record(
        key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    ).encode()
    for key in KEYS
}
NOW = Instant(int(time.time()) * 1000)  # dkimpy compares with the machine's clock
MAIL = (
    b"From: Acme <news@example.com>\r\nTo: ana@example.net\r\nSubject: Spring\r\n"
    b"List-Unsubscribe: <https://example.com/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"\r\nHello Ana\r\n"
)


def dkimpy_accepts(message: bytes) -> list[bool]:
    """Return dkimpy's word on each signature."""
    verifier = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return RECORDS[name]

    return [dkim.DKIM(message).verify(idx=number, dnsfunc=ask) for number in range(count)]


def is_refused(message: bytes) -> bool:
    try:
        return not any(dkimpy_accepts(message))
    except dkim.ValidationError:
        return True


@settings(max_examples=60)
@given(messages())
def test_dkimpy_verifies_both_signatures_of_any_message(message: bytes) -> None:
    signed = sign(message, KEYS, now=NOW, expires=timedelta(days=7)) + message
    assert dkimpy_accepts(signed) == [True, True]


def test_the_field_is_written_as_receivers_expect() -> None:
    field = sign(MAIL, [RSA], now=Instant(1_790_000_000_123), expires=timedelta(days=1))
    lines = field.split(b"\r\n")
    assert lines[0] == b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com;"
    assert lines[1] == b" s=r1; t=1790000000; x=1790086400;"
    assert field.endswith(b"\r\n")
    assert all(line.startswith(b" ") and len(line) <= 78 for line in lines[1:-1])
    assert b"l=" not in re.sub(rb"b=.*", b"", field, flags=re.DOTALL)
    assert len(base64.b64decode(re.sub(rb"\s", b"", field.rpartition(b"b=")[2]))) == 256


def test_present_fields_are_covered_and_the_ones_that_matter_once_more() -> None:
    field = sign(MAIL, [ED25519], now=NOW)
    covered = re.sub(rb"\s", b"", field).partition(b"h=")[2].partition(b";")[0].split(b":")
    for name in (b"from", b"to", b"subject", b"list-unsubscribe", b"list-unsubscribe-post"):
        assert covered.count(name) == 2
    for name in (b"cc", b"reply-to", b"date", b"message-id", b"mime-version", b"list-id"):
        assert covered.count(name) == 1
    assert b"received" not in covered


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject: Spring", b"Subject: Summer"),
        (b"Hello Ana", b"Hello Bob"),
        (b"<https://example.com/u/1>", b"<https://example.com/u/2>"),
        (b"From: ", b"From: evil@example.org\r\nFrom: "),
        (b"To: ", b"Subject: Another\r\nTo: "),
        (b"To: ", b"List-Unsubscribe: <https://evil.example>\r\nTo: "),
        (b"To: ", b"Reply-To: evil@example.org\r\nTo: "),
        (b"To: ", b"Content-Type: text/html\r\nTo: "),
    ],
)
def test_what_is_changed_or_added_later_breaks_the_signature(before: bytes, after: bytes) -> None:
    signed = sign(MAIL, KEYS, now=NOW) + MAIL
    assert dkimpy_accepts(signed) == [True, True]
    assert is_refused(signed.replace(before, after, 1))


def test_trace_fields_and_refolding_do_no_harm() -> None:
    signed = sign(MAIL, KEYS, now=NOW) + MAIL
    relayed = b"Received: from mta.example.com\r\n\tby mx.example.net\r\n" + signed.replace(
        b"Acme <news", b"Acme\r\n\t  <news"
    )
    assert dkimpy_accepts(relayed) == [True, True]


def test_no_key_makes_no_signature_and_a_signature_depends_on_content_and_time_alone() -> None:
    assert sign(MAIL, [], now=NOW) == b""
    assert sign(MAIL, KEYS, now=NOW) == sign(MAIL, KEYS, now=NOW)


def test_what_cannot_be_signed_is_refused() -> None:
    with pytest.raises(ValueError, match="without a From field"):
        sign(b"Subject: x\r\n\r\n", KEYS, now=NOW)
    with pytest.raises(MalformedHeader):
        sign(b"not a header\r\n\r\n", KEYS, now=NOW)
    with pytest.raises(ValueError, match="at least a second"):
        sign(MAIL, KEYS, now=NOW, expires=timedelta(0))

"""A benchmark's word that messages arrived and are signed is only as good as this reading of what the sink keeps."""

from pathlib import Path

import pytest

from benchmarks import verification
from tierii_mta.authentication import dkim
from tierii_mta.authentication.sign import sign
from tierii_mta.clock import Instant

_MESSAGE = (
    b"From: News <news@bench.example>\r\nTo: ann@d1.example\r\nSubject: Hello\r\n"
    b"Message-ID: <1@bench.example>\r\n\r\nDear Ann,\r\n\r\nspring is here.\r\n"
)
_SINKS_OWN = (
    b"X-Client-Addr: 127.0.0.1\nX-Client-Proto: ESMTP\nX-Helo-Args: mta\nX-Mail-Args: <news@bench.example>\n"
    b"X-Rcpt-Args: <ann@d1.example> ORCPT=rfc822;ann@d1.example\n"
    b"Received: from mta ([127.0.0.1])\n\tby smtp-sink (smtp-sink) with ESMTP id 0a51a116;\n\tSat, 21 Nov 2026\n"
)


@pytest.fixture
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "rsa.pem"
    path.write_bytes(dkim.generate_key(dkim.KeyKind.RSA))
    return path


def _records(key: Path) -> dict[str, bytes]:
    return {"rsa._domainkey.bench.example": dkim.dns_record(key.read_bytes()).encode()}


def _signed(key: Path) -> bytes:
    return sign(_MESSAGE, [dkim.DkimKey.load("bench.example", "rsa", key)], now=Instant(0)) + _MESSAGE


def _keep(folder: Path, name: str, message: bytes) -> None:
    (folder / name).write_bytes(_SINKS_OWN + message.replace(b"\r\n", b"\n") + b"\n")


def test_a_signed_message_is_found_behind_the_sinks_own_header(tmp_path: Path, key: Path) -> None:
    _keep(tmp_path, "m.1", _signed(key))
    kept = verification.read(tmp_path, dkim_records=_records(key))
    assert (kept.messages, kept.verified, kept.mean_bytes) == (1, 1, len(_signed(key)))
    assert kept.recipients == {"ann@d1.example"}


def test_a_received_field_of_the_message_itself_stays_in_it(tmp_path: Path, key: Path) -> None:
    message = b"Received: from ours\r\n\tby peer; now\r\n" + _signed(key)
    _keep(tmp_path, "m.1", message)
    kept = verification.read(tmp_path, dkim_records=_records(key))
    assert (kept.verified, kept.mean_bytes) == (1, len(message))


@pytest.mark.parametrize("spoiled", ["unsigned", "altered", "another key"])
def test_what_our_key_did_not_sign_does_not_count(tmp_path: Path, key: Path, spoiled: str) -> None:
    message, records = _signed(key), _records(key)
    if spoiled == "unsigned":
        message = _MESSAGE
    elif spoiled == "altered":
        message = message.replace(b"spring", b"winter")
    else:
        records = dict.fromkeys(records, dkim.dns_record(dkim.generate_key(dkim.KeyKind.RSA)).encode())
    _keep(tmp_path, "m.1", message)
    kept = verification.read(tmp_path, dkim_records=records)
    assert (kept.messages, kept.verified) == (1, 0)

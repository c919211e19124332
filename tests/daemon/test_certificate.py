"""The certificate, and what becomes of it when its files change."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from tests.support.clock import ManualClock
from tierii_mta.daemon.certificate import Certificate
from tierii_mta.daemon.settings.front_door import TlsSettings
from tierii_mta.errors import ConfigurationError


def put_certificate(folder: Path, name: str = "mta.example") -> TlsSettings:
    """Write a certificate and its key over what is there."""
    issued = trustme.CA().issue_cert(name)
    settings = TlsSettings(certificate=folder / "cert.pem", key=folder / "key.pem")
    Path(settings.certificate).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    Path(settings.key).write_bytes(issued.private_key_pem.bytes())
    return settings


def test_sessions_get_tls_of_today_and_no_tickets(tmp_path: Path) -> None:
    context = Certificate(put_certificate(tmp_path)).context()
    assert context is not None
    assert (context.minimum_version, context.num_tickets) == (ssl.TLSVersion.TLSv1_2, 0)


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
@pytest.mark.parametrize("how", ["missing", "no PEM"])
def test_a_pair_that_cannot_be_used_is_named(tmp_path: Path, broken: str, how: str) -> None:
    settings = put_certificate(tmp_path)
    if how == "missing":
        (tmp_path / broken).unlink()
    else:
        (tmp_path / broken).write_text("no PEM\n")
    with pytest.raises(ConfigurationError, match=broken):
        Certificate(settings)


async def test_new_files_are_taken_up_and_a_bad_pair_leaves_the_old_one(tmp_path: Path) -> None:
    clock, settings = ManualClock(), put_certificate(tmp_path)
    certificate = Certificate(settings)
    watching = asyncio.create_task(certificate.watch(clock))
    first = certificate.context()
    await clock.run(timedelta(seconds=30))
    assert certificate.context() is first

    put_certificate(tmp_path)
    await clock.run(timedelta(seconds=10))
    second = certificate.context()
    assert second is not first

    (tmp_path / "key.pem").write_text("half a file")
    with capture_logs() as logs:
        await clock.run(timedelta(seconds=30))
    assert certificate.context() is second
    assert [entry["event"] for entry in logs] == ["certificate.refused"]
    watching.cancel()


def test_tls_comes_and_goes_with_a_restart_only(tmp_path: Path) -> None:
    certificate = Certificate(None)
    with pytest.raises(ConfigurationError, match="restart"):
        certificate.reload(put_certificate(tmp_path))
    assert certificate.context() is None

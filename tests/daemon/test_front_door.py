"""The daemon's doors: sockets of its own and of systemd's, certificates, and the end."""

import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.daemon.test_certificate import put_certificate
from tests.support.program import run
from tierii_mta.daemon.settings.values import Endpoint
from tierii_mta.daemon.sockets import bind, handed_over
from tierii_mta.errors import ConfigurationError

_PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]
_ACTIVATE = """\
import os, sys
for number, given in enumerate(sys.argv[2].split(",")):
    os.dup2(int(given), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(number + 1), "LISTEN_FDNAMES": sys.argv[1]}
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


def configured(folder: Path, **smtp: Any) -> Path:
    """Write settings."""
    config = folder / "tierii-mta.yaml"
    settings: Mapping[str, Any] = {
        "hostname": "mta.example.com",
        "data_dir": "data",
        "tls": {"certificate": "cert.pem", "key": "key.pem"},
        "smtp": {"inbound": {"listen": []}, "submission": {"listen": [], "tls_listen": []}, **smtp},
    }
    config.write_text(yaml.safe_dump(settings))
    return config


def refused(config: Path, *arguments: str) -> str:
    """Run `serve`, which does not come up, and return what it says."""
    line = ("--config", str(config), "serve", "--role", "inbound,submission", *arguments)
    code, said = run(_PROGRAM, line, config.parent)
    assert code == 78, said
    assert "Traceback" not in said
    return said


@contextmanager
def activated(config: Path, sockets: Mapping[str, socket.socket]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `serve` with sockets handed over as systemd does."""
    numbers = ",".join(str(one.fileno()) for one in sockets.values())
    command = [*_PROGRAM[1:], "--config", str(config), "serve", "--role", "inbound,submission"]
    with (config.parent / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-c", _ACTIVATE, ":".join(sockets), numbers, *command],
            pass_fds=[one.fileno() for one in sockets.values()],
            stdout=log,
            stderr=log,
        )
    try:
        yield daemon
    finally:
        daemon.kill()
        daemon.wait(120)


def presented(port: int) -> bytes:
    """Return the certificate a door presents."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=30)).strip()


def test_a_port_that_is_taken_ends_serve_and_the_key_is_named(tmp_path: Path) -> None:
    put_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(configured(tmp_path, inbound={"listen": [f"127.0.0.1:{port}"]}))
    assert "smtp.inbound.listen: cannot listen on 127.0.0.1" in said
    assert "choose another address" in said


def test_submission_without_a_certificate_ends_serve_and_says_what_to_do(tmp_path: Path) -> None:
    config = configured(tmp_path, submission={"listen": ["127.0.0.1:0"], "tls_listen": []})
    config.write_text(config.read_text().replace("tls:", "#tls:").replace("  certificate", "#").replace("  key", "#"))
    said = refused(config)
    assert "smtp.submission.listen: nobody could log in without TLS" in said
    assert "plaintext_auth: loopback" in said


def test_doors_of_systemd_are_served_survive_a_new_certificate_and_end_with_421(tmp_path: Path) -> None:
    put_certificate(tmp_path)
    names = ("smtp", "submission", "submissions")
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        ports = {name: one.getsockname()[1] for name, one in sockets.items()}
        daemon = stack.enter_context(activated(configured(tmp_path), sockets))
        client = smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=60)
        stack.callback(client.close)
        client.ehlo()
        assert not client.has_extn("auth")
        submitting = smtplib.SMTP("127.0.0.1", ports["submission"], timeout=60)
        stack.callback(submitting.close)
        submitting.ehlo()
        assert not submitting.has_extn("auth"), "before TLS"
        submitting.starttls(context=ssl._create_unverified_context())
        submitting.ehlo()
        assert submitting.has_extn("auth")
        before = presented(ports["submissions"])

        put_certificate(tmp_path)
        daemon.send_signal(signal.SIGHUP)
        while presented(ports["submissions"]) == before:
            assert daemon.poll() is None, (tmp_path / "log").read_text()
        assert submitting.noop()[0] == 250

        daemon.send_signal(signal.SIGTERM)
        assert client.sock is not None
        assert client.sock.recv(1000) == b"421 4.3.2 the service closes, try again later\r\n"
        assert daemon.wait(60) == 0, (tmp_path / "log").read_text()


def test_a_socket_under_a_name_that_is_no_door_ends_serve(tmp_path: Path) -> None:
    put_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as one, activated(configured(tmp_path), {"web": one}) as daemon:
        assert daemon.wait(60) == 78
    assert (
        "FileDescriptorName= of the socket unit to one of smtp, submission, submissions"
        in (tmp_path / "log").read_text()
    )


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    assert handed_over({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}, ["smtp"]) == {}
    assert handed_over({}, ["smtp"]) == {}


def test_both_families_are_listened_on_side_by_side() -> None:
    with bind(Endpoint("127.0.0.1", 0), "key") as first:
        port = first.getsockname()[1]
        with bind(Endpoint("::1", port), "key") as second:
            assert second.getsockname()[:2] == ("::1", port)
        with pytest.raises(ConfigurationError, match="key: cannot listen on 127"):
            bind(Endpoint("127.0.0.1", port), "key")

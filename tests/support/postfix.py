"""A real Postfix on loopback, with its own configuration and queue, as a foreign MX.

It takes mail for the domains it is told, stores it in Maildirs and offers STARTTLS when given a certificate; with the
lines that `through_smarthost` or `relaying` return it sends it on instead.  The system's own Postfix is never touched.
`REASON` says why a test that needs it is skipped.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.program import LIMIT_S

POSTFIX = shutil.which("postfix") or "/usr/sbin/postfix"
REASON = "Postfix is not installed (apt-get install postfix)"
_MASTER = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
postlog unix-dgram n - n - 1 postlogd
"""
_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
myhostname = {hostname}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtputf8_enable = yes
smtpd_client_connection_count_limit = 0
{tls}
{more}
"""


_MX = """\
mynetworks =
smtpd_relay_restrictions = reject_unauth_destination
"""


def is_installed() -> bool:
    """Whether this machine has Postfix, and we may run it (its master wants root)."""
    return Path(POSTFIX).exists() and os.geteuid() == 0


def through_smarthost(host: str, port: int, user: str, password: str) -> str:
    """Return what makes a Postfix take mail from loopback and hand all of it to a relay, over TLS and logged in."""
    return f"""\
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [{host}]:{port}
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = static:{{{user}:{password}}}
smtp_sasl_security_options = noanonymous
"""


def relaying(domain: str, host: str, port: int) -> str:
    """Return what makes a Postfix take mail for a domain and hand it on."""
    return f"""\
{_MX}relay_domains = {domain}
relayhost = [{host}]:{port}
smtp_tls_security_level = may
"""


class Postfix:
    """`with Postfix(domains) as postfix:` takes mail at `postfix.port`; `messages()` reads what arrived."""

    def __init__(
        self,
        domains: Sequence[str],
        *,
        address: tuple[str, int] | None = None,
        hostname: str = "mx.postfix.test",
        tls: tuple[Path, Path] | None = None,
        more: str = _MX,
    ) -> None:
        """`more`: who may use it, and where what it takes goes; by default the Maildirs of the domains. Its home is
        none of pytest's folders, whose root any other run makes private again; it goes when Postfix stops.
        """
        self._domains, self._hostname, self._tls, self._more = domains, hostname, tls, more
        self._home = Path(tempfile.mkdtemp(prefix="tierii-postfix-"))
        if address is None:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                address = ("127.0.0.1", probe.getsockname()[1])
        self.host, self.port = address

    def __enter__(self) -> Self:
        owner = pwd.getpwnam("postfix")
        for folder in ("queue", "data", "mail"):
            (self._home / folder).mkdir(parents=True)
        for folder in ("data", "mail"):
            os.chown(self._home / folder, owner.pw_uid, owner.pw_gid)
        self._home.chmod(0o711)  # its processes drop root and still have to get here
        tls = ""
        if self._tls:
            certificate, key = self._tls
            tls = f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}"
        daemons = subprocess.run(
            ["postconf", "-h", "-d", "daemon_directory"], check=True, capture_output=True, text=True, timeout=LIMIT_S
        ).stdout.strip()
        (self._home / "etc").mkdir()
        (self._home / "etc" / "main.cf").write_text(
            _MAIN.format(
                home=self._home,
                daemons=daemons,
                hostname=self._hostname,
                domains=", ".join(self._domains),
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                tls=tls,
                more=self._more,
            )
        )
        (self._home / "etc" / "master.cf").write_text(_MASTER.format(port=f"{self.host}:{self.port}"))
        self._postfix("start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._postfix("stop")
        finally:
            shutil.rmtree(self._home, ignore_errors=True)

    def messages(self) -> list[bytes]:
        """Return the messages that lie in the mailbox, in CR LF form, in no order."""
        folder = self._home / "mail" / "inbox" / "new"
        files = sorted(folder.iterdir()) if folder.exists() else []
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in files]

    def log(self) -> str:
        """Return Postfix's own log."""
        path = self._home / "maillog"
        return path.read_text() if path.exists() else ""

    def _postfix(self, verb: str) -> None:
        done = subprocess.run(
            [POSTFIX, "-c", str(self._home / "etc"), verb],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        if done.returncode:
            sys.stderr.write(done.stderr + self.log())
            raise RuntimeError(f"postfix {verb} failed: {done.stderr}")

"""A real Dovecot on loopback, with its own configuration and mail: LMTP takes mail in, IMAP shows it.

It needs root, as it changes to the user `mail`; the system's own Dovecot is never touched.  `REASON` says why a test
that needs it is skipped, None where it can run.
"""

import asyncio
import imaplib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.program import end

DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
_LMTP = Path("/usr/lib/dovecot/lmtp")
PASSWORD = "secret"
_CONFIGURATION = """\
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{home}/mail/%n
recipient_delimiter = +
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {home}/users
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
protocol lmtp {{
  auth_username_format = %Ln
}}
"""


def _reason() -> str | None:
    if not Path(DOVECOT).exists() or not _LMTP.exists():
        return "Dovecot is not installed (apt-get install dovecot-lmtpd dovecot-imapd)"
    return None if os.geteuid() == 0 else "Dovecot needs root to change to its users"


REASON = _reason()


class Dovecot:
    """A running Dovecot with some users. Usable as a context manager; `start` and `stop` may be called again."""

    def __init__(self, *users: str, lmtp_port: int, imap_port: int) -> None:
        """Its home is none of pytest's folders, whose root any other run makes private again."""
        self.home = Path(tempfile.mkdtemp(prefix="tierii-dovecot-"))
        self.users, self.lmtp_port, self.imap_port = users, lmtp_port, imap_port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        mail = pwd.getpwnam("mail")
        self.home.chmod(0o755)
        (self.home / "mail").mkdir()
        os.chown(self.home / "mail", mail.pw_uid, mail.pw_gid)
        users = "".join(f"{user}::{mail.pw_uid}:{mail.pw_gid}::{self.home}/mail/{user}::\n" for user in self.users)
        (self.home / "users").write_text(users)
        (self.home / "users").chmod(0o644)
        configuration = _CONFIGURATION.format(
            home=self.home, password=PASSWORD, lmtp_port=self.lmtp_port, imap_port=self.imap_port
        )
        (self.home / "dovecot.conf").write_text(configuration)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Let it listen."""
        self._process = subprocess.Popen([DOVECOT, "-F", "-c", str(self.home / "dovecot.conf")])

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)
            self._process = None

    @property
    def log(self) -> str:
        path = self.home / "log"
        return path.read_text() if path.exists() else ""

    async def answers(self) -> None:
        """Wait until LMTP answers."""
        for _ in range(200):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.lmtp_port)
            except ConnectionError:
                await asyncio.sleep(0.05)
                continue
            greeting = await reader.readline()
            writer.close()
            await writer.wait_closed()
            if greeting.startswith(b"220"):
                return
        raise AssertionError(f"Dovecot does not answer\n{self.log}")

    def messages(self, user: str) -> list[bytes]:
        """Return what a user sees in the INBOX by IMAP."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=60) as imap:
            imap.login(user, PASSWORD)
            _, (count,) = imap.select("INBOX", readonly=True)
            found = []
            for number in range(1, int(count or b"0") + 1):
                _, parts = imap.fetch(str(number), "(BODY.PEEK[])")
                found.append(next(part[1] for part in parts if isinstance(part, tuple)))
            return found

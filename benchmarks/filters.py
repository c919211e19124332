"""Spam filters beside us: rspamd and SpamAssassin's spamd, each asked on its own socket in its own protocol.

Both run with the rules their Debian packages ship, as many workers as the machine has cores, and no Redis or Bayes
database.  rspamd verifies SPF, DKIM, DMARC and ARC by our DNS server, and has its rules about header and text; lists on
the Internet are left out, since they are some thirty names a message and would measure that server.  SpamAssassin runs
with `--local`, for the same reason, and so verifies nothing.  What they judge is thrown away.
"""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.letters import CLIENT, HELO, RECIPIENT, Letter
from benchmarks.processes import running

_SYSTEM = "/usr/sbin:/usr/bin:/bin"
_RSPAMD = """\
lua = "$RULESDIR/rspamd.lua"
.include "$CONFDIR/metrics.conf"
.include "$CONFDIR/actions.conf"
.include "$CONFDIR/groups.conf"
.include "$CONFDIR/composites.conf"
.include "$CONFDIR/modules.d/arc.conf"
.include "$CONFDIR/modules.d/dkim.conf"
.include "$CONFDIR/modules.d/dmarc.conf"
.include "$CONFDIR/modules.d/forged_recipients.conf"
.include "$CONFDIR/modules.d/maillist.conf"
.include "$CONFDIR/modules.d/mime_types.conf"
.include "$CONFDIR/modules.d/once_received.conf"
.include "$CONFDIR/modules.d/phishing.conf"
.include "$CONFDIR/modules.d/regexp.conf"
.include "$CONFDIR/modules.d/spf.conf"
modules {{ path = "${{PLUGINSDIR}}"; fallback_path = "${{SHAREDIR}}/lua"; }}
options {{
  filters = "chartable,dkim,regexp";
  classify_headers = ["User-Agent", "X-Mailer", "Content-Type", "X-MimeOLE"];
  explicit_modules = ["settings"];
  task_timeout = 8s;
  pidfile = "{home}/rspamd.pid";
  hs_cache_dir = "{home}";
  tempdir = "{home}";
  dynamic_conf = "{home}/dynamic.conf";
  url_tld = "{home}/names.tld";
  dns {{ nameserver = ["{nameserver}"]; }}
}}
logging {{ type = "file"; filename = "{home}/rspamd.log"; level = "error"; }}
worker "normal" {{ bind_socket = "{socket} mode=0666"; count = {cores}; mime = true; }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """How one filter is started and asked. `program` is looked for in the system's folders."""

    name: str
    program: str
    package: str
    command: Callable[[str, Path, Path], Sequence[str | Path]]  # from the program, its folder and its socket
    configuration: str | None
    question: Callable[[Letter], bytes]
    is_answer: Callable[[bytes], bool]

    def reason_to_skip(self) -> str | None:
        """Return why it cannot run on this machine."""
        if shutil.which(self.program, path=_SYSTEM) is None:
            return f"{self.program} is not installed: apt-get install {self.package}"
        return None

    @contextmanager
    def serving(self, folder: Path, nameserver: str) -> Iterator[tuple[Path, int]]:
        """Run it; give out its socket and its process."""
        home = folder / self.name
        home.mkdir()
        home.chmod(0o711)
        path, log = home / "filter.sock", home / "output.log"
        if self.configuration is not None:
            values = {"home": home, "socket": path, "nameserver": nameserver, "cores": os.cpu_count() or 1}
            (home / "filter.conf").write_text(self.configuration.format(**values))
            (home / "names.tld").write_text("example\n")  # rspamd would compile the world's for half a minute
        program = shutil.which(self.program, path=_SYSTEM) or self.program
        with running(self.command(program, home, path), log=log) as process:
            deadline = time.monotonic() + 120
            while not _listens(path):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} did not start: {log.read_text(errors='replace')}")
                time.sleep(0.05)
            yield path, process.pid

    async def ask(self, path: Path, letter: Letter) -> None:
        """Have one letter judged; SystemExit if the answer is none."""
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(self.question(letter))
            answer = await reader.read()
        finally:
            writer.close()
        if not self.is_answer(answer):
            raise SystemExit(f"{self.name} answers {answer[:200]!r}")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _rspamd_question(letter: Letter) -> bytes:
    head = (
        f"POST /checkv2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIP: {CLIENT}\r\nHelo: {HELO}\r\n"
        f"Hostname: {HELO}\r\nFrom: {letter.sender}\r\nRcpt: {RECIPIENT}\r\n"
        f"Content-Length: {len(letter.octets)}\r\n\r\n"
    )
    return head.encode() + letter.octets


def _spamd_question(letter: Letter) -> bytes:
    return f"CHECK SPAMC/1.5\r\nContent-length: {len(letter.octets)}\r\n\r\n".encode() + letter.octets


_CORES = str(os.cpu_count() or 1)

FILTERS = {
    "rspamd": Filter(
        name="rspamd",
        program="rspamd",
        package="rspamd",
        configuration=_RSPAMD,
        command=lambda program, home, _: [program, "-i", "-f", "-u", "root", "-g", "root", "-c", home / "filter.conf"],
        question=_rspamd_question,
        is_answer=lambda answer: answer.startswith(b"HTTP/1.1 200") and b'"action"' in answer,
    ),
    "spamd": Filter(
        name="spamd",
        program="spamd",
        package="spamd",
        configuration=None,
        command=lambda program, home, path: [
            *(program, "--local", "--nouser-config", f"--socketpath={path}", "--socketmode=0666"),
            *(f"--max-children={_CORES}", f"--min-children={_CORES}", "--username=nobody", "--syslog=stderr"),
            *("--cf=use_bayes 0", f"--pidfile={home}/spamd.pid"),
        ],
        question=_spamd_question,
        is_answer=lambda answer: answer.startswith(b"SPAMD/1.1 0 EX_OK"),
    ),
}

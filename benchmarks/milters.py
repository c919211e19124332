"""Two signing milters for Postfix, each on a unix socket: OpenDKIM and rspamd.

Over TCP delayed acknowledgements would hold them back and flatter us.  Each has a private configuration that signs
with the same RSA-2048 key as we do, relaxed/relaxed, and nothing else: of rspamd only its proxy in self-scan mode with
the module dkim_signing, no Redis, no controller, no rules; as many workers as the machine has cores, since one alone
would be its bottleneck.  Neither drops root: the key and the socket are in a private folder.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import running
from benchmarks.testbed import SELECTOR, SENDER_DOMAIN, Testbed

_SYSTEM = "/usr/sbin:/usr/bin:/bin"
_OPENDKIM = """\
Mode s
Background no
Syslog no
Socket local:{socket}
UMask 0000
Canonicalization relaxed/relaxed
Domain {domain}
Selector {selector}
KeyFile {key}
RequireSafeKeys no
InternalHosts 127.0.0.0/8
"""
_RSPAMD = """\
options {{
  filters = "dkim";
  pidfile = "{home}/rspamd.pid";
  hs_cache_dir = "{home}";
  tempdir = "{home}";
  dynamic_conf = "{home}/dynamic.conf";
  url_tld = "{home}/milter.tld";
  dns {{ nameserver = ["{nameserver}"]; }}
  local_addrs = ["127.0.0.0/8"];
}}
logging {{ type = "file"; filename = "{home}/rspamd.log"; level = "warning"; }}
worker "rspamd_proxy" {{
  bind_socket = "{socket} mode=0666";
  milter = yes;
  timeout = 120s;
  count = {cores};
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
lang_detection {{ languages_enable = ["en"]; }}
modules {{ path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }}
metric {{ name = "default"; actions {{ reject = 10000; }} }}
dkim_signing {{
  enabled = true;
  sign_local = true;
  sign_authenticated = true;
  use_domain = "header";
  use_esld = false;
  check_pubkey = false;
  domain {{ {domain} {{ selector = "{selector}"; path = "{key}"; }} }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milter:
    """How one milter is started. `program` is looked for in the system's folders."""

    name: str
    program: str
    configuration: str
    command: Callable[[Path, Path], Sequence[str | Path]]  # from the program's and the configuration's path

    def reason_to_skip(self) -> str | None:
        """Return why it cannot run on this machine."""
        if self._path() is None:
            return f"{self.program} is not installed: apt-get install {self.program}"
        return None

    def _path(self) -> str | None:
        return shutil.which(self.program, path=_SYSTEM)

    @contextmanager
    def serving(self, testbed: Testbed) -> Iterator[tuple[Path, int]]:
        """Run it; give out its socket and its process."""
        home = testbed.folder / self.name
        home.mkdir()
        home.chmod(0o711)
        socket, log, path = home / "milter.sock", home / "output.log", home / "milter.conf"
        values = {"domain": SENDER_DOMAIN, "selector": SELECTOR, "key": testbed.key, "socket": socket, "home": home}
        path.write_text(self.configuration.format(**values, nameserver=testbed.nameserver, cores=os.cpu_count() or 1))
        (home / "milter.tld").write_text("example\n")  # rspamd would compile the world's for half a minute
        with running(self.command(Path(self._path() or self.program), path), log=log) as process:
            deadline = time.monotonic() + 60
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} did not start: {log.read_text(errors='replace')}")
                time.sleep(0.05)
            yield socket, process.pid


MILTERS = {
    "opendkim": Milter(
        name="opendkim",
        program="opendkim",
        configuration=_OPENDKIM,
        command=lambda program, path: [program, "-f", "-x", path],
    ),
    "rspamd": Milter(
        name="rspamd",
        program="rspamd",
        configuration=_RSPAMD,
        command=lambda program, path: [program, "-i", "-f", "-u", "root", "-g", "root", "-c", path],
    ),
}

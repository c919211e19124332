"""A real rspamd on loopback, with its own configuration: the engine and one rule of ours, no network and no Redis.

The rule `TIERII_ENVELOPE` (7.5 points) fires when envelope and session came over as the tests send them.  The system's
own rspamd is never touched.  `REASON` says why a test that needs it is skipped.
"""

import asyncio
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.support.program import within

RSPAMD = shutil.which("rspamd")
REASON = "rspamd is not installed (apt-get install rspamd)"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
_CONFIGURATION = """\
options {{
    pidfile = "{home}/rspamd.pid";
    control_socket = "{home}/control.sock mode=0600";
    cache_file = "{home}/symbols.cache";
    hs_cache_dir = "{home}/";
    url_tld = "{home}/tld";
    filters = "";
    local_addrs = [];
    disable_hyperscan = true;
    dns {{ nameserver = ["127.0.0.1:9"]; timeout = 1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
metric {{ name = "default"; actions {{ reject = 15; add_header = 6; greylist = 4; }} }}
lua = "{home}/rules.lua";
"""
_RULES = """\
rspamd_config.TIERII_ENVELOPE = {
  callback = function(task)
    local from, rcpt = task:get_from('smtp'), task:get_recipients('smtp')
    return from and from[1].addr == 'ada@elsewhere.example' and rcpt and #rcpt == 2
      and rcpt[2].addr == 'any@catch.example' and task:get_helo() == 'mx.elsewhere.example'
      and tostring(task:get_from_ip()) == '127.0.0.1'
  end,
  score = 7.5,
}
"""


class Rspamd:
    """One server. `async with Rspamd(folder, port) as rspamd:` runs it until the block ends."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder, self._port = folder, port
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        configuration = self._folder / "rspamd.conf"
        configuration.write_text(_CONFIGURATION.format(home=self._folder, port=self._port))
        (self._folder / "rules.lua").write_text(_RULES)
        (self._folder / "tld").write_text("com\nexample\n")
        whoever = ("-u", "root", "-g", "root") if os.geteuid() == 0 else ()
        log = (self._folder / "log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            str(RSPAMD), "-f", "-i", *whoever, "-c", str(configuration), stdout=log, stderr=log
        )
        log.close()
        await self._wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()  # it ends its workers itself
            await within(self._process.wait(), "the end of rspamd", (self._folder / "log").read_text)

    async def _wait(self) -> None:
        async with httpx.AsyncClient(verify=False) as client:
            for _ in range(300):
                if self._process is None or self._process.returncode is not None:
                    break
                try:
                    if (await client.get(f"{self.url}/ping")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        raise AssertionError(f"rspamd did not come up\n{(self._folder / 'log').read_text()}")

"""The demo as users run it: a process of its own, in an empty folder, with nothing set."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tierii_mta.cli.main import run
from tierii_mta.rehearsal import internet
from tierii_mta.rehearsal.personality import Personality

DEMO = [sys.executable, "-m", "tierii_mta.cli.main", "demo", "--json"]
CLAIMS = [
    "the daemon runs",
    "the campaign is accepted and delivered",
    "every signature verifies",
    "greylisted mail is tried again",
    "TLS is used where it is offered",
    "a bounce suppresses the person",
    "one click unsubscribes, a look does not",
    "a reply comes back into its thread",
]


def test_the_demo_sees_every_claim(tmp_path: Path) -> None:
    done = subprocess.run(DEMO, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    assert done.returncode == 0, done.stderr
    *steps, summary = map(json.loads, done.stdout.splitlines())
    assert [step["step"] for step in steps] == CLAIMS
    assert all(step["ok"] for step in steps)
    assert summary["demo"] == "ok"
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_leaves_nothing_behind(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [*DEMO, "--keep"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    daemon = int(json.loads(process.stdout.readline())["detail"].split()[1].rstrip(","))
    family = [daemon, *children(daemon)]
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)

    assert process.returncode == code
    assert "Traceback" not in err
    assert [pid for pid in family if is_alive(pid)] == []


def test_a_demo_that_does_not_see_what_it_must_names_the_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody_is_home = Personality.parse("rules: [{do: reject}]")
    monkeypatch.setattr(internet, "DOMAINS", {**internet.DOMAINS, internet.OPEN: nobody_is_home})

    code = run(["demo"])

    captured = capsys.readouterr()
    assert code == 1
    assert "demo: the campaign is accepted and delivered: of 10 mails one should fail" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out.startswith("ok  the daemon runs")


def children(pid: int) -> list[int]:
    """Return the processes a process has started."""
    return [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in file.read_text().split()]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

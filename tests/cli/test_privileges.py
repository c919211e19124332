"""Commands run as the owner of data_dir."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import LIMIT_S

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
NOBODY = 65534
# What the command needs is imported as root first: the interpreter's own folders need not be open to nobody.
SCRIPT = """
import os, sys
from tierii_mta.cli import main, suppress
if sys.argv[1] != "0":
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
code = main.run(sys.argv[2:])
print("uid", os.geteuid(), os.getgroups(), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of nobody's that nobody can reach (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir(mode=0o700)
        os.chown(folder / "data", NOBODY, NOBODY)
        yield folder / "data"


def run_as(uid: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(uid), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def test_root_becomes_the_owner(home: Path) -> None:
    done = run_as(0, "suppress", "add", "ann@open.example", "--set", f"data_dir={home}")

    assert done.returncode == 0, done.stderr
    assert f"uid {NOBODY}" in done.stderr
    assert {file.stat().st_uid for file in home.iterdir()} == {NOBODY}


def test_the_owner_just_runs(home: Path) -> None:
    assert run_as(NOBODY, "suppress", "ls", "--set", f"data_dir={home}").returncode == 0


def test_anybody_else_is_told_how_to_run_it(home: Path) -> None:
    os.chown(home, 0, 0)

    done = run_as(NOBODY, "suppress", "ls", "--set", f"data_dir={home}")

    assert done.returncode == 78
    assert f"{home}: belongs to root, and you are nobody; run it as root: sudo -u root tierii-mta" in done.stderr

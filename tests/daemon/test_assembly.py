"""The daemon's life, where it ends before it began."""

import sys
from pathlib import Path

from tests.support.program import run
from tierii_mta.storage import DaemonLock
from tierii_mta.storage.backend import SQLITE_FILE


def test_a_second_daemon_does_not_touch_the_database_it_might_upgrade_under_the_first(tmp_path: Path) -> None:
    config = tmp_path / "tierii-mta.yaml"
    config.write_text("data_dir: data\n")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    lock = DaemonLock.take(data_dir)
    code, said = run((sys.executable, "-m", "tierii_mta.cli.main"), ("--config", str(config), "serve"), tmp_path)
    lock.release()
    assert code == 75, said
    assert "another daemon" in said
    assert not (data_dir / SQLITE_FILE).exists()

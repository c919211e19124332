"""The reject file."""

import csv
from pathlib import Path

import pytest

from tierii_mta.campaigns.rejects import RejectFile
from tierii_mta.campaigns.stages import Stage


def test_rows_of_several_feeds_share_one_table(tmp_path: Path) -> None:
    path = tmp_path / "x.rejects.csv"
    with RejectFile(path, ["email", "city", "plan"]) as rejects:
        rejects.add(("a.csv", 3), Stage.PARSE, "why", ["email", "city"], ["nobody", "Rome", "extra"])
        rejects.add(("b.csv", 9), Stage.CLEAN, "so", ["email", "plan"], ["nothing"])
        assert not path.exists()  # it appears whole
    with path.open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "line", "stage", "reason", "email", "city", "plan"],
            ["a.csv", "3", "parse", "why", "nobody", "Rome", "", "extra"],
            ["b.csv", "9", "clean", "so", "nothing", "", ""],
        ]


@pytest.mark.parametrize("cell", ["=1+2", "+1", "-1", "@x", "\tx", "\r=x", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "x.rejects.csv"
    with RejectFile(path, [cell]) as rejects:
        rejects.add(("a.csv", 2), Stage.CLEAN, cell, [cell], [cell])
    with path.open(newline="") as stream:
        header, row = list(csv.reader(stream))
    assert header[4] == row[3] == row[4] == f"'{cell}"


def test_a_run_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.rejects.csv"
    path.write_text("old")

    def break_off() -> None:
        with RejectFile(path, ["email"]) as rejects:
            rejects.add(("a.csv", 2), Stage.CLEAN, "why", ["email"], ["nobody"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

"""A small installation in a temporary folder, and the command line run against it."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tierii_mta.cli.main import run
from tierii_mta.shipped import folder


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        return self.records[-1]


CommandLine = Callable[..., Outcome]


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "tierii-mta.yaml"
    file.write_text(
        "hostname: mta.lantern.example\n"
        f"data_dir: {tmp_path / 'data'}\n"
        "domains: {lantern.example: {return_path: bounce.lantern.example}}\n"
        'web: {listen: "127.0.0.1:8025", public_url: "https://mail.lantern.example"}\n'
    )
    return file


@pytest.fixture
def cli(settings_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Run a command line in this process, on the small installation."""
    monkeypatch.chdir(settings_file.parent)

    def call(*arguments: str | Path, config: Path | None = settings_file) -> Outcome:
        where: Sequence[str] = ("--config", str(config)) if config else ()
        code = run([*map(str, arguments), *where])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def campaign_file(tmp_path: Path) -> Path:
    """The shipped welcome campaign, where rejects may be written beside it."""
    shutil.copytree(folder("templates") / "welcome", tmp_path / "welcome")
    return tmp_path / "welcome" / "campaign.yaml"

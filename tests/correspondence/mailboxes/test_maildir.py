"""Maildir: whole files or none, once for each job, and a disk that fails delays and never loses."""

import errno
import os
import re
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.correspondence.mailboxes.letters import BODY, TOP, letter
from tests.support.clock import ManualClock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later
from tierii_mta.correspondence.mailboxes.maildir import MaildirDeliverer


def deliverer(path: Path, hostname: str = "mta.example.com") -> MaildirDeliverer:
    return MaildirDeliverer(path, hostname=hostname, clock=ManualClock())


def files(path: Path, folder: str = "new") -> list[Path]:
    return sorted((path / folder).iterdir())


async def test_a_message_is_a_file_in_new_with_line_ends_of_readers(tmp_path: Path) -> None:
    box = tmp_path / "deep" / "down" / "sales"
    assert isinstance(await deliverer(box).deliver(letter()), Done)
    (file,) = files(box)
    wanted = b"Delivered-To: sales@example.com\n" + (TOP + BODY).replace(b"\r\n", b"\n")
    assert file.read_bytes() == wanted
    assert re.fullmatch(rf"1790000000\.M0Q7\.mta\.example\.com,S={len(wanted)}", file.name)
    assert files(box, "tmp") == files(box, "cur") == []


async def test_folders_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    box = tmp_path / "sales"
    await deliverer(box).deliver(letter())
    assert [stat.S_IMODE(one.stat().st_mode) for one in (box, box / "new", box / "tmp", box / "cur")] == [0o700] * 4
    assert stat.S_IMODE(files(box)[0].stat().st_mode) == 0o600


async def test_a_name_holds_nothing_that_a_folder_would_take_amiss(tmp_path: Path) -> None:
    await deliverer(tmp_path, "a/b:c").deliver(letter())
    assert files(tmp_path)[0].name.startswith("1790000000.M0Q7.a\\057b\\072c,S=")


@pytest.mark.parametrize("moved", ["", ":2,S"])
async def test_a_job_done_twice_is_one_file_wherever_a_reader_has_put_it(tmp_path: Path, moved: str) -> None:
    box = deliverer(tmp_path)
    await box.deliver(letter())
    if moved:
        (file,) = files(tmp_path)
        file.rename(tmp_path / "cur" / (file.name + moved))
    assert isinstance(await box.deliver(letter(attempts=2)), Done)
    assert len(files(tmp_path) + files(tmp_path, "cur")) == 1
    assert files(tmp_path, "tmp") == []


async def test_the_same_job_at_the_same_time_is_one_file(tmp_path: Path) -> None:
    for _ in range(2):  # as if two processes had begun it
        assert isinstance(await deliverer(tmp_path).deliver(letter()), Done)
    assert len(files(tmp_path)) == 1


async def test_two_jobs_of_one_message_are_two_files(tmp_path: Path) -> None:
    await deliverer(tmp_path).deliver(letter(job=1))
    await deliverer(tmp_path).deliver(letter(job=2))
    assert len(files(tmp_path)) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TOP + BODY)), max_size=6), job=st.integers(1, 10**9))
async def test_line_ends_change_wherever_the_parts_are_cut(tmp_path: Path, cuts: list[int], job: int) -> None:
    whole, edges = TOP + BODY, [0, *sorted(cuts), len(TOP + BODY)]
    parts = [whole[start:end] for start, end in pairwise(edges)]
    box = tmp_path / str(job)
    await deliverer(box).deliver(letter(parts, job=job))
    assert files(box)[0].read_bytes().partition(b"\n")[2] == whole.replace(b"\r\n", b"\n")


async def test_a_folder_that_cannot_be_made_delays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    outcome = await deliverer(tmp_path / "file" / "sales").deliver(letter())
    assert isinstance(outcome, Later)
    assert outcome.is_mailbox_down
    assert str(tmp_path) in outcome.reason


@pytest.mark.parametrize("failing", ["write", "fsync", "link"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_disk_that_fails_at_any_step_delays_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    box = deliverer(tmp_path)
    await box.deliver(letter(job=1))
    with monkeypatch.context() as patched:

        def fail(*_: Any, **__: Any) -> None:
            raise OSError(number, os.strerror(number))

        patched.setattr(os, failing, fail)
        outcome = await box.deliver(letter(job=2))
    assert isinstance(outcome, Later)
    assert os.strerror(number) in outcome.reason
    assert (len(files(tmp_path)), files(tmp_path, "tmp")) == (1, [])
    assert isinstance(await box.deliver(letter(job=2, attempts=2)), Done)
    assert len(files(tmp_path)) == 2


async def test_a_file_system_without_links_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", fail)
    assert isinstance(await deliverer(tmp_path).deliver(letter()), Done)
    assert (len(files(tmp_path)), files(tmp_path, "tmp")) == (1, [])

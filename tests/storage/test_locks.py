"""The write lock between processes; another open file stands for another process, as flock(2) sees it."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tierii_mta.errors import Unavailable
from tierii_mta.storage.locks import WriteLock


@contextmanager
def taken_by_another(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def waiting() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "write-lock"]


def test_a_lock_that_is_never_released_ends_in_words(tmp_path: Path) -> None:
    path = tmp_path / "write.lock"
    lock = WriteLock(path, patience_s=0.02)
    with taken_by_another(path):
        for _ in range(3):
            with pytest.raises(Unavailable, match="another process"), lock.held():
                pass
        assert len(waiting()) == 1, "who asks again takes the same place in the queue"
    lock.close()
    for thread in waiting():
        thread.join(60)
    with taken_by_another(path):
        pass  # what was left behind let it go


def test_who_waits_gets_the_lock_when_it_is_released_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "write.lock"
    lock = WriteLock(path)
    with taken_by_another(path):
        held, go = threading.Event(), threading.Event()

        def work() -> None:
            with lock.held():
                held.set()
                go.wait(60)

        worker = threading.Thread(target=work)
        worker.start()
        deadline = time.monotonic() + 60
        while not waiting():
            assert time.monotonic() < deadline, "nobody waits for the lock"
        assert not held.is_set()
    assert held.wait(60)
    with pytest.raises(BlockingIOError), taken_by_another(path):
        pass
    go.set()
    worker.join(60)
    with taken_by_another(path):
        pass
    with lock.held(), pytest.raises(BlockingIOError), taken_by_another(path):
        pass
    lock.close()


def test_a_lock_that_was_given_up_and_came_late_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "write.lock"
    lock = WriteLock(path, patience_s=0.02)
    with taken_by_another(path), pytest.raises(Unavailable), lock.held():
        pass
    for thread in waiting():
        thread.join(60)
    with taken_by_another(path), pytest.raises(Unavailable), lock.held():
        pass
    for thread in waiting():
        thread.join(60)
    with lock.held():
        pass
    lock.close()

"""A reader with faults built in that some messages bring out: `python -m tests.correspondence.room.poisoned`."""

import os
import signal
import sys
from unittest import mock

from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading
from tierii_mta.correspondence.room import worker
from tierii_mta.workers.program import run


def _poisoned(octets: bytes, envelope: EnvelopeFacts) -> Reading:
    if b"Subject: slow" in octets:
        while True:
            pass
    if b"Subject: deaf" in octets:  # takes no notice of its timer
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        while True:
            signal.pause()
    if b"Subject: hungry" in octets:
        return read(b"".join([bytes(1 << 20) for _ in range(10_000)]), envelope)
    if b"Subject: deadly" in octets:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"Subject: faulty" in octets:
        raise KeyError("a fault of ours")
    return read(octets, envelope)


if __name__ == "__main__":
    with mock.patch.object(worker, "read", _poisoned):
        raise SystemExit(run(sys.argv[1:], worker.work))

"""A reader: reads and cuts until its socket ends.  `python -m tierii_mta.correspondence.room.worker`."""

import sys

from tierii_mta.correspondence.quote.cutting import cut
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import Reading
from tierii_mta.correspondence.room import wire
from tierii_mta.correspondence.room.wire import Failure, Job, ReadJob, Result
from tierii_mta.workers.program import Bench, run


def work(bench: Bench) -> None:
    """Work until the socket ends."""
    for frame in bench.frames():
        bench.do_all(wire.unpack_jobs(frame), _do, failure=Failure, pack=wire.pack_results, size=_size)


def _do(job: Job) -> Result:
    if isinstance(job, ReadJob):
        return read(b"".join(job.pieces), job.envelope)
    return cut(job.text, job.html, job.original)


def _size(result: Result) -> int:
    return len(result.text) + len(result.html) if isinstance(result, Reading) else 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:], work))

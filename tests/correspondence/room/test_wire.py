"""What the daemon and a reader say to each other comes across as it was meant, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.correspondence.quote.cutting import Cut, Piece
from tierii_mta.correspondence.quote.lines import Role
from tierii_mta.correspondence.reading import EnvelopeFacts, Kind, Reading
from tierii_mta.correspondence.room import wire
from tierii_mta.correspondence.room.wire import CutJob, Failure, ReadJob
from tierii_mta.mail.tokens import Purpose
from tierii_mta.workers.wire import Frame, FrameReader, Garbled

TEXTS = st.text(st.characters(), max_size=20)  # lone surrogates included
ENVELOPE = EnvelopeFacts(reverse_path=None, purposes=(Purpose.BOUNCE,), received_at=START)
READ = st.builds(ReadJob, st.lists(st.binary(max_size=20), max_size=3), st.just(ENVELOPE))
CUT = st.builds(CutJob, TEXTS, TEXTS, st.none() | TEXTS)
RESULTS = st.one_of(
    st.builds(Reading, kind=st.sampled_from(Kind), subject=TEXTS),
    st.just(Cut(source="a\n", is_from_html=True, pieces=(Piece(start=0, end=2, role=Role.WORDS, is_kept=True),))),
    st.builds(Failure, TEXTS),
)


def the_frame(octets: bytes) -> Frame:
    (frame,) = FrameReader().feed(octets)
    return frame


@given(st.lists(READ | CUT, max_size=4))
def test_jobs_come_across(jobs: list[Any]) -> None:
    whole = [ReadJob([b"".join(job.pieces)], job.envelope) if isinstance(job, ReadJob) else job for job in jobs]
    assert list(wire.unpack_jobs(the_frame(wire.pack_jobs(jobs)))) == whole


@given(st.lists(RESULTS, max_size=4), st.booleans())
def test_results_come_across(results: list[Any], is_last: bool) -> None:
    assert wire.unpack_results(the_frame(wire.pack_results(results, is_last=is_last))) == (results, is_last)


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"done": [], "is_last": True, "x": 1} | {"done": None},
        {"done": [[]], "is_last": True},
        {"done": [["reading"]], "is_last": True},
        {"done": [["reading", {}]], "is_last": True},
        {"done": [["gossip", {}]], "is_last": True},
    ],
)
def test_results_that_do_not_fit_are_garbled(head: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        wire.unpack_results(Frame(head))

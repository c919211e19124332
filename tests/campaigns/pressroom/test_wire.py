"""What the daemon and a worker say to each other comes across as it was meant, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.authentication.coverage import Coverage
from tierii_mta.campaigns.plate import Job, Sheet
from tierii_mta.campaigns.pressroom import wire
from tierii_mta.campaigns.pressroom.wire import Failure, Printed
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.mail.address import Address
from tierii_mta.workers.wire import Frame, FrameReader, Garbled

TEXTS = st.text(max_size=20)  # lone surrogates included: a contact may hold one
PRINTED = st.builds(
    Printed,
    st.builds(Sheet, data=st.binary(max_size=50), body_hash=TEXTS, is_8bit=st.booleans(), needs_smtputf8=st.booleans()),
    st.builds(Coverage, TEXTS, st.binary(max_size=30)),
)
RESULTS = st.lists(PRINTED | st.builds(Failure, TEXTS, st.booleans()), max_size=5)
JOBS = st.builds(
    Job,
    recipient=st.builds(Address, TEXTS, TEXTS),
    contact=st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.booleans()),
    accepted_at=st.just(START),
    message_id=TEXTS,
    unsubscribe_url=TEXTS,
    preferences_url=TEXTS,
    web_view_url=TEXTS,
    reply_to=st.none() | st.just(Address.parse("r+abc@example.com")),
    unsubscribe_address=st.none() | st.just(Address.parse("u+abc@example.com")),
)


def the_frame(octets: bytes) -> Frame:
    (frame,) = FrameReader().feed(octets)
    return frame


@given(RESULTS, st.booleans())
def test_results_come_across(results: list[Any], is_last: bool) -> None:
    assert wire.unpack_results(the_frame(wire.pack_results(results, is_last=is_last))) == (results, is_last)


@given(st.lists(st.tuples(st.integers(), JOBS), max_size=3))
def test_a_batch_comes_across(jobs: list[tuple[int, Job]]) -> None:
    head = the_frame(wire.pack_batch(jobs, [3, 4])).head
    assert [wire.unpack_job(row) for row in head["print"]] == jobs
    assert head["drop"] == [3, 4]


@given(st.dictionaries(TEXTS, st.binary(max_size=30), max_size=4))
def test_an_edition_comes_across(contents: dict[str, bytes]) -> None:
    snapshot = Snapshot(specification={"campaign": {"id": "ä"}}, contents=contents)
    frame = the_frame(wire.pack_edition(7, snapshot))
    assert frame.head["edition"] == 7
    assert wire.unpack_edition(frame) == snapshot


@given(st.lists(RESULTS, max_size=3), st.data())
def test_frames_may_arrive_in_any_pieces(frames: list[list[Any]], data: st.DataObject) -> None:
    stream = b"".join(wire.pack_results(results, is_last=True) for results in frames)
    reader, seen = FrameReader(), []
    size = data.draw(st.integers(1, max(1, len(stream))))
    while stream:
        seen += [wire.unpack_results(frame)[0] for frame in reader.feed(stream[:size])]
        stream = stream[size:]
    assert seen == frames


@given(st.binary(max_size=60))
def test_whatever_a_worker_says_is_results_or_garbled(octets: bytes) -> None:
    try:
        for frame in FrameReader().feed(octets):
            wire.unpack_results(frame)
    except Garbled:
        pass


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"printed": 5, "is_last": True},
        {"printed": [[]], "is_last": True},
        {"printed": [["sheet", "hash"]], "is_last": True},
        {"printed": [["sheet", "hash", False, False, "h=", 100, 0]], "is_last": True},
        {"printed": [["sheet", "hash", False, False, "h=", -1, 1]], "is_last": True},
        {"printed": [["sheet", "hash", False, False, "h=", "1", 0]], "is_last": True},
        {"printed": [["sheet", "hash", False, False, "h=", 0]], "is_last": True},
    ],
)
def test_results_that_do_not_fit_are_garbled(head: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        wire.unpack_results(Frame(head))

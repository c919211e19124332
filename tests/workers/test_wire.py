"""Frames come across whole, or not at all."""

import json

import pytest

from tierii_mta.workers import wire
from tierii_mta.workers.wire import FrameReader, Garbled


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_head_that_is_no_json_object_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        wire.unpack(text, b"")


def test_a_frame_without_end_is_refused_before_it_is_read() -> None:
    with pytest.raises(Garbled, match="256 MB"):
        list(FrameReader().feed(wire.LENGTHS.pack(2**32 - 1, 0)))


def test_nothing_but_json_and_octets_is_on_the_wire() -> None:
    octets = wire.pack({"a": "ä"}, [b"\x00", b"\x01"])
    assert octets == wire.LENGTHS.pack(10, 2) + '{"a":"ä"}'.encode() + b"\x00\x01"
    assert json.loads(octets[8:18]) == {"a": "ä"}

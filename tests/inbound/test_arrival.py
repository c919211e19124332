"""A message on its way in: where it is kept, and what breaks a bound."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierii_mta.inbound.arrival import Arrival, MessageBounds
from tierii_mta.inbound.spool import Spool
from tierii_mta.smtp.data_reader import DataReader, Faults


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounts are not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def arrived(arrival: Arrival, octets: bytes, cuts: list[int]) -> tuple[Arrival, Faults]:
    """Have a message come in as the engine hands it on, cut at some places."""
    reader, start = DataReader(), 0
    for cut in [*sorted(cuts), len(octets)]:
        piece, _ = reader.feed(octets[start:cut])
        if piece:
            arrival.take(piece)
        start = cut
    assert reader.is_over
    return arrival, reader.faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from([b"", b"A: b", b" folded", b"body", b"x" * 70_000]), max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=6),
)
def test_header_and_body_are_the_message_however_it_is_cut(tmp_path: Path, lines: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(line + b"\r\n" for line in lines)
    arrival, faults = arrived(Arrival(MessageBounds(header=10**6), tmp_path), octets + b".\r\n", cuts)
    assert arrival.refusal is None
    message = arrival.message(faults)
    body = b"".join(message.body())
    assert message.head + body == octets
    assert message.size_bytes == len(octets)
    if b"" in lines:
        assert message.head.endswith(b"\r\n\r\n") or message.head == b"\r\n"
        assert b"\r\n\r\n" not in message.head[:-2]
    else:
        assert body == b""
    assert b"".join(message.body()) == body, "it can be read again"
    arrival.close()


def test_octets_above_127_are_noted(tmp_path: Path) -> None:
    plain, faults = arrived(Arrival(MessageBounds(), tmp_path), b"A: b\r\n\r\nc\r\n.\r\n", [])
    assert not plain.message(faults).is_8bit
    bright, faults = arrived(Arrival(MessageBounds(), tmp_path), "A: b\r\n\r\nç\r\n.\r\n".encode(), [])
    assert bright.message(faults).is_8bit


@pytest.mark.parametrize(("size", "code"), [(1000, None), (1001, 552)])
def test_a_message_is_refused_from_the_first_octet_too_many(tmp_path: Path, size: int, code: int | None) -> None:
    octets = b"A: b\r\n\r\n" + b"x" * (size - 10) + b"\r\n"
    assert len(octets) == size
    arrival, faults = arrived(Arrival(MessageBounds(size=1000), tmp_path), octets + b".\r\n", [])
    refusal = arrival.end(faults)
    assert (refusal.code if refusal else None) == code
    assert not arrival.is_hopeless


def test_a_spool_holds_what_is_small_in_memory_and_what_is_large_in_a_file_without_a_name(tmp_path: Path) -> None:
    before = open_files()
    spool = Spool(tmp_path)
    spool.add(b"x" * 60_000)
    assert open_files() == before
    spool.add(b"y" * 60_000)
    spool.add(b"z" * 10)
    assert open_files() == before + 1
    assert list(tmp_path.iterdir()) == []
    assert b"".join(spool.read()) == b"x" * 60_000 + b"y" * 60_000 + b"z" * 10
    spool.close()
    assert open_files() == before


def test_a_spool_that_cannot_be_written_is_a_refusal_that_may_pass(tmp_path: Path) -> None:
    octets = b"A: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 1000 + b".\r\n"
    arrival, faults = arrived(Arrival(MessageBounds(), tmp_path / "gone"), octets, [])
    refusal = arrival.end(faults)
    assert refusal is not None
    assert str(refusal).startswith("451 4.3.0 ")


def test_a_full_disk_is_the_refusal_that_says_so(full_disk: Path) -> None:
    octets = b"A: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 2000 + b".\r\n"
    arrival, faults = arrived(Arrival(MessageBounds(), full_disk), octets, [50_000, 100_000, 150_000])
    assert str(arrival.end(faults)).startswith("452 4.3.1 ")
    assert list(full_disk.iterdir()) == []

"""Messages made to take time or memory: all are read within the room's limits, which quadratic work would break.

Each is some 100 KB; a passage over it takes milliseconds, work that grows with its square takes a minute.
"""

import asyncio
import base64
from datetime import timedelta

from tests.support.clock import START
from tierii_mta.correspondence.reading import EnvelopeFacts, Kind
from tierii_mta.correspondence.room.pool import ReadingRoom
from tierii_mta.workers.process import Limits

ENVELOPE = EnvelopeFacts(reverse_path=None, received_at=START)
LIMITS = Limits(computing=timedelta(seconds=10), silence=timedelta(seconds=60))  # computing time, so load is no matter
SIZE = 100_000
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
REPORT = b"From: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n"


def many(piece: bytes, *, before: bytes = b"", after: bytes = b"\n\nx") -> bytes:
    return before + piece * (SIZE // len(piece)) + after


def in_base64(times: int) -> bytes:
    octets = b"Subject: innermost\n\n"
    for _ in range(times):
        octets = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets)
    return octets


BOMBS = {
    "words that never end": many(b"=?a?q?", before=b"Subject: ", after=b"?=\n\nx"),
    "starts of words": many(b"=?", before=b"Subject: ", after=b"?=\n\nx"),
    "words": many(b"=?utf-8?q?ab?= =?latin1?q?ab?= ", before=b"Subject: "),
    "folds": many(b"a\n ", before=b"Subject: "),
    "carriage returns": many(b"\r"),
    "spaces before a colon": many(b" ", before=b"Subject"),
    "no colon": many(b"a"),
    "empty fields": many(b"a:\n"),
    "lines that are no fields": many(b"no field\nSubject: x\n", before=b"a: b\n"),
    "escapes in a parameter": many(b'\\"', before=b'Content-Type: text/plain; a="'),
    "parameters": many(b"a=b;", before=b"Content-Type: text/plain; "),
    "comments": many(b"(", before=b"Content-Type: text/plain; "),
    "sections": b"Content-Type: text/plain; " + b"".join(b"n*%d*=%%41;" % n for n in range(SIZE // 10)) + b"\n\nx",
    "brackets in From": many(b"<", before=b"From: "),
    "quotes in From": many(b'"', before=b"From: "),
    "addresses in To": many(b"<a@b>,", before=b"To: "),
    "ids": many(b"<a@b> ", before=b"References: "),
    "lines of dashes": many(b"--x\n", before=MULTIPART),
    "empty parts": many(b"--b\n", before=MULTIPART),
    "parts in parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(SIZE // 50)
    ),
    "one boundary at every depth": many(MULTIPART + b"--b\n"),
    "undeclared boundaries": many(b"Content-Type: multipart/mixed\n\n--b\n"),
    "messages in messages": many(b"Content-Type: message/rfc822\n\n"),
    "messages in base64": in_base64(20),
    "padding": many(b"A=\n", before=b"Content-Transfer-Encoding: base64\n\n"),
    "soft line breaks": many(b"= ", before=b"Content-Transfer-Encoding: quoted-printable\n\n"),
    "shifts": many(b"+", before=b"Content-Type: text/plain; charset=utf-7\n\n"),
    "a charset that unpacks": many(b"x", before=b"Content-Type: text/plain; charset=zlib\n\n"),
    "meta": many(b"<meta ", before=b"Content-Type: text/html\n\n"),
    "tags": many(b"<div>", before=b"Content-Type: text/html\n\n"),
    "quotes": many(b"> ", before=b"Subject: Re: x\n\n"),
    "announcements": many(b"On Mon wrote:\n", before=b"Subject: Re: x\n\n"),
    "words of a report": many(b"<a@b.c>: 550 user unknown\n", before=REPORT),
    "recipients of a report": many(
        b"Final-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\n\n",
        before=REPORT + b"\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n",
    ),
}


async def test_bombs_are_read_within_the_limits() -> None:
    room = ReadingRoom(limits=LIMITS)
    try:
        readings = await asyncio.gather(*(room.read(octets, ENVELOPE) for octets in BOMBS.values()))
    finally:
        await room.close()
    assert {name: one.faults for name, one in zip(BOMBS, readings, strict=True) if one.kind is Kind.UNPARSED} == {}

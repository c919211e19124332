"""Reads the table of known replies beside it, `replies.txt`."""

import re
from collections.abc import Iterator
from pathlib import Path

from tierii_mta.mail.reply import EnhancedCode, Reply
from tierii_mta.outbound.reply_class import ReplyClass, Verdict
from tierii_mta.queue.delivery import Stage

_HEADING = re.compile(r"\[(\w+) -> (\w+)\]")


def reply_of(line: str) -> Reply:
    """Return the reply a peer's line, such as `550 5.1.1 No such user`, is read as."""
    code, _, rest = line.partition(" ")
    enhanced = EnhancedCode.parse(rest)
    return Reply(int(code), ((rest[len(str(enhanced)) :].strip() if enhanced else rest),), enhanced)


def known_replies() -> Iterator[tuple[str, Stage, ReplyClass, Verdict]]:
    """Yield (line, stage, class, verdict) for each reply of the table."""
    heading: tuple[ReplyClass, Verdict] | None = None
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        if found := _HEADING.fullmatch(line):
            heading = ReplyClass(found[1]), Verdict(found[2])
        elif line and not line.startswith("#"):
            assert heading is not None, line
            stage, _, reply = line.partition(" ")
            yield reply.strip(), Stage(stage), *heading

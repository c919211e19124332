"""Answers kept for their time to live, at most so many.

Owns what is kept, how long and what goes first when room is short (the answer longest unused); not how answers are
read (resolver.response).  RFC 2308 §5 (negative answers), RFC 9520 §3.2 (failures).  Pure: `now` is monotonic seconds.
"""

from collections import OrderedDict
from datetime import timedelta
from typing import Any, NamedTuple

from tierii_mta.resolver.answer import Absent, Answer, Tempfail

MAX_POSITIVE = timedelta(days=1)
MAX_NEGATIVE = timedelta(hours=3)  # RFC 2308 §5
FAILURE = timedelta(seconds=1)  # RFC 9520 §3.2: the least a failure is remembered, so that nobody is hammered


class Question(NamedTuple):
    """What was asked: a name in lower case and a record type."""

    name: str
    kind: str


class AnswerCache:
    """A bounded map from question to answer."""

    def __init__(self, *, entries: int) -> None:
        if entries < 1:
            raise ValueError("a cache has room for at least one entry")
        self._entries = entries
        self._kept: OrderedDict[Question, tuple[float, Answer[Any]]] = OrderedDict()

    def find(self, question: Question, *, now: float) -> Answer[Any] | None:
        """Return the answer, or None when there is none or its time is over."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        expires, answer = kept
        if expires <= now:
            del self._kept[question]
            return None
        self._kept.move_to_end(question)
        return answer

    def keep(self, question: Question, answer: Answer[Any], *, ttl_seconds: float, now: float) -> None:
        """Keep an answer for its TTL, within our bounds for its sort; a TTL of 0 is not kept."""
        match answer:
            case Tempfail():
                ttl_seconds = FAILURE.total_seconds()
            case Absent():
                ttl_seconds = min(ttl_seconds, MAX_NEGATIVE.total_seconds())
            case _:
                ttl_seconds = min(ttl_seconds, MAX_POSITIVE.total_seconds())
        if ttl_seconds <= 0:
            self._kept.pop(question, None)
            return
        self._kept[question] = (now + ttl_seconds, answer)
        self._kept.move_to_end(question)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

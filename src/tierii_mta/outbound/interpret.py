"""What a reply means: its class, what happens to the delivery, and whether another host may be asked.

Owns `classify` (a reply → one of the 29 classes), `decide` (an attempt → its outcome, by the table of the contract),
`asked_wait` (time hints in reply texts) and `tries_next_host`; not how the patterns look (outbound.patterns) nor who
is suspended or suppressed (queue.settlement).  A refusal of us never blames the person: 550 and 5.7.1 alone do not mean
"no such person".  Pure.  RFC 5321 §4.2.1, §4.5.4; RFC 3463; RFC 1047 (lost after the final dot).
"""

import re
from datetime import timedelta
from typing import assert_never

from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.patterns import PLAIN, TEXTS
from tierii_mta.outbound.phrasing import TextPattern
from tierii_mta.outbound.reply_class import ReplyClass, Verdict, verdict_of
from tierii_mta.outbound.reply_codes import BASIC, CODES, VAGUE
from tierii_mta.outbound.tongues import TONGUES
from tierii_mta.queue.delivery import Attempt, Deferred, Delivered, Failed, FailureReason, InDoubt, Outcome, Stage

ACCEPTED = ""
"""`Attempt.reply_class` of a delivery the remote took."""

MAX_TEXT = 2000
_ADDRESS = re.compile(r"<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?")  # people may be called anything, rbl@ and spam@ too
_UNAVAILABLE = re.compile(
    r"\b(?:mail ?box|account|user) (?:is )?(?:unavailable|not available)\b(?! or)|^#?(?:5\.1\.0 )?address rejected\b"
)
SHORTEST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=4)

_BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS})
_LOCAL_CLASS = {
    Stage.ROUTE: ReplyClass.DNS_FAILURE,
    Stage.RENDER: ReplyClass.CONTENT_RELATED,
    Stage.WORKER: ReplyClass.CONTENT_RELATED,
    Stage.CONNECT: ReplyClass.NO_ANSWER_FROM_HOST,
}
_EXTENSIONS = frozenset({(6, 3), (6, 7), (3, 4)})  # 8BITMIME, SMTPUTF8, SIZE: each host announces its own
_OF_THE_HOST = frozenset({ReplyClass.BAD_CONNECTION, ReplyClass.NO_ANSWER_FROM_HOST, ReplyClass.BAD_CONFIGURATION})


def classify(reply: Reply, stage: Stage, *, is_local: bool = False) -> ReplyClass:
    """Return what a refusal is about. `is_local`: no peer spoke, the reply is ours and its enhanced code is exact.

    The stage narrows the blame: before MAIL FROM nobody but us was named, before RCPT TO only us and our sender.
    """
    if is_local:
        return _classify_local(reply, stage)
    text = _ADDRESS.sub("<>", _plain_text(reply))
    return _narrow(_recognise(reply, text, stage), reply, stage)


def decide(attempt: Attempt) -> Outcome:
    """Return the outcome of an attempt that met `attempt.reply` (class already set) and tries no further host."""
    reply = attempt.reply
    if attempt.stage is Stage.DOT and attempt.is_local:
        return InDoubt(attempt=attempt)
    if attempt.stage is Stage.DOT and 200 <= reply.code < 300:
        return Delivered(attempt=attempt)
    verdict = verdict_of(ReplyClass(attempt.reply_class), is_permanent=reply.is_permanent)
    match verdict:
        case Verdict.RETRY:
            return Deferred(attempt=attempt, retry_after=None if attempt.is_local else asked_wait(reply))
        case Verdict.BLOCK:
            return Deferred(attempt=attempt, is_blocked=True)
        case Verdict.SUPPRESS:
            return Failed(attempt=attempt, reason=FailureReason.BOUNCED, suppress=True)
        case Verdict.BOUNCE:
            return Failed(attempt=attempt, reason=FailureReason.BOUNCED)
        case Verdict.REJECT:
            return Failed(attempt=attempt, reason=FailureReason.REJECTED)
        case Verdict.ERROR:
            return Failed(attempt=attempt, reason=FailureReason.ERROR)
        case _ as unreachable:
            assert_never(unreachable)


def tries_next_host(reply: Reply, stage: Stage, reply_class: ReplyClass, *, is_local: bool) -> bool:
    """Return whether another MX may help: what failed must be the host, not the message, the person or our name.

    After the final dot nobody is asked unless the host itself said that it did not take the message.  Greylisting,
    rates and block lists are the site's answer, so its other hosts are left alone: many sites dislike being tried
    around.
    """
    if stage is Stage.DOT and is_local:
        return False
    if stage in _BEFORE_MAIL:
        return True
    if is_local:  # lost or timed out before the dot; or this host lacks what the message needs
        lacks = reply.enhanced is not None and (reply.enhanced.subject, reply.enhanced.detail) in _EXTENSIONS
        return reply.is_transient or lacks
    closes = reply.code == 421 and reply_class is ReplyClass.TRANSIENT_FAILURE
    return closes or (reply.is_transient and reply_class in _OF_THE_HOST)


def asked_wait(reply: Reply) -> timedelta | None:
    """Return how long the peer asks us to wait, within 30 s and 4 h; None where its text names no time."""
    text = _plain_text(reply)
    for regex in _HINTS:
        found = regex.search(text)
        if found:
            return min(max(_seconds(found), SHORTEST_WAIT), LONGEST_WAIT)
    return None


def _plain_text(reply: Reply) -> str:
    return " ".join(reply.text[:MAX_TEXT].lower().split())


# -- recognition -----------------------------------------------------------------------------------------------


def _classify_local(reply: Reply, stage: Stage) -> ReplyClass:
    """A reply of ours: its enhanced code was chosen to say exactly what went wrong."""
    if reply.enhanced is not None and stage is not Stage.STARTTLS:
        place = (reply.enhanced.subject, reply.enhanced.detail)
        known = CODES.get(place) or VAGUE.get(place) or VAGUE.get((place[0], None))
        if known is not None and place != (0, 0):
            return known
    return _LOCAL_CLASS.get(stage, ReplyClass.BAD_CONNECTION)


def _recognise(reply: Reply, text: str, stage: Stage) -> ReplyClass:
    place = (reply.enhanced.subject, reply.enhanced.detail) if reply.enhanced else None
    if place == (4, 1) and "recipient address rejected: access denied" in text:
        return ReplyClass.INVALID_RECIPIENT  # Microsoft's directory-based edge blocking
    plain = _first(PLAIN, text, reply)
    if plain is not None:
        return plain
    if place is not None and place in CODES:
        return CODES[place]
    if stage is Stage.RCPT and reply.is_permanent and _UNAVAILABLE.search(text):
        return ReplyClass.INVALID_RECIPIENT  # the text RFC 5321 gives for 550, which says nothing at other stages
    found = _first(TEXTS, text, reply) or _first(TONGUES, text, reply)
    if found is not None:
        return found
    if place is not None:
        vague = VAGUE.get(place) or VAGUE.get((place[0], None))
        if vague is not None:
            return vague
    if reply.code == 552 and stage is not Stage.RCPT:
        return ReplyClass.CONTENT_RELATED if stage is Stage.MAIL else ReplyClass.QUOTA_ISSUES
    return BASIC.get(reply.code, ReplyClass.UNCATEGORIZED)


def _first(patterns: tuple[TextPattern, ...], text: str, reply: Reply) -> ReplyClass | None:
    kind = reply.code // 100
    for pattern in patterns:
        if (pattern.only is None or pattern.only == kind) and pattern.regex.search(text):
            return pattern.reply_class
    return None


_NAMED_NOBODY = frozenset(
    {
        ReplyClass.POLICY_RELATED,
        ReplyClass.SPAM_RELATED,
        ReplyClass.SPAM_CONTENT,
        ReplyClass.UNCATEGORIZED,
        ReplyClass.RELAY_DENIED,
        ReplyClass.INVALID_RECIPIENT,
        ReplyClass.INACTIVE_MAILBOX,
    }
)
_NOT_THIS_HOST = frozenset(
    {ReplyClass.ROUTING_ERRORS, ReplyClass.BAD_DOMAIN, ReplyClass.PROTOCOL_ERRORS, ReplyClass.INVALID_SENDER}
)
_ABOUT_MAIL = frozenset({ReplyClass.POLICY_RELATED, ReplyClass.SPAM_RELATED, ReplyClass.SPAM_CONTENT})
_PERSONS = frozenset({ReplyClass.INVALID_RECIPIENT, ReplyClass.INACTIVE_MAILBOX})


def _narrow(found: ReplyClass, reply: Reply, stage: Stage) -> ReplyClass:
    """Correct a class that the stage rules out: nobody blames a person or a message that was not named yet."""
    if not 400 <= reply.code < 600:
        return ReplyClass.PROTOCOL_ERRORS  # a 2xx or 3xx where it makes no sense
    if stage in _BEFORE_MAIL:
        if found in _NAMED_NOBODY:
            return ReplyClass.SPAM_BLOCK if reply.is_permanent else ReplyClass.TRANSIENT_FAILURE
        if found in (
            ReplyClass.ROUTING_ERRORS,
            ReplyClass.BAD_DOMAIN,
            ReplyClass.PROTOCOL_ERRORS,
            ReplyClass.INVALID_SENDER,
        ):
            return ReplyClass.NO_ANSWER_FROM_HOST  # this host takes no mail; another, or a later try, may
    if stage is Stage.MAIL:
        if found in _PERSONS:
            return ReplyClass.INVALID_SENDER
        if found in _ABOUT_MAIL and reply.is_permanent:
            return ReplyClass.SPAM_BLOCK
    return found


# -- time hints --------------------------------------------------------------------------------------------------

_UNITS = {"s": 1, "m": 60, "h": 3600}
_AHEAD = (
    r"\b(?:wait|again|retry|retries|later|back|after|for|within|in|delay(?:ed)?|expires?|next"
    r"|gr[ae]y ?list(?:ed|ing)?)\b"
)
_AMOUNT = r"(?P<number>\d{1,6}) ?(?P<unit>s|m|h)(?:ecs?|econds?|ins?|inutes?|rs?|ours?)?\b"
_HINTS = (
    re.compile(_AHEAD + r"[^0-9]{0,40}(?P<clock>\d{1,2}:\d\d(?::\d\d)?)\b(?![.:])"),
    re.compile(_AHEAD + r"[^0-9]{0,40}" + _AMOUNT),
    re.compile(r"\b(?:retry|wait|delay)[-_ ]?(?:after|time|seconds|secs)?[=:] ?(?P<number>\d{1,6})(?P<unit>)\b"),
    re.compile(_AMOUNT + r".{0,30}\b(?:retry|again|left|remain|gr[ae]y ?list)"),
)


def _seconds(found: re.Match[str]) -> timedelta:
    named = found.groupdict()
    if named.get("clock"):
        parts = [int(part) for part in named["clock"].split(":")]
        hours, minutes, seconds = parts if len(parts) == 3 else (0, *parts)
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timedelta(seconds=int(named["number"]) * _UNITS.get(named["unit"] or "s", 1))

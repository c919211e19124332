r"""What a claim means: the reply behind it, its class, and whether the person is out of reach for good.

Owns the order in which codes and words are believed, and what must come together before a recipient is hard:
1. the code is the enhanced one inside the diagnostic where the status is vague (x.0.0, x.5.0), else the status, else
   the basic code;
2. the class is that of the reply (outbound.interpret), else of the reporter's own words (reported);
3. hard is nobody there, for good, and only where a code of the address (5.1.x), the answer to RCPT, or the keeper of
   the mailboxes says so.  Behind DATA the recipient was taken already: a filter speaks.
A refusal of us, of the message, or of today is never hard.  RFC 3463, RFC 3464 §2.3.4.  Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tierii_mta.correspondence.bounces.claim import MAX_TEXT, Claim, Voice
from tierii_mta.correspondence.bounces.reported import REPORTED
from tierii_mta.correspondence.bounces.stages import stage_in
from tierii_mta.correspondence.reading import Blame, BouncedRecipient
from tierii_mta.mail.reply import EnhancedCode, Reply
from tierii_mta.outbound.interpret import classify
from tierii_mta.outbound.phrasing import TextPattern
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.outbound.tongues import TONGUES
from tierii_mta.queue.delivery import Stage

_REPLY = re.compile(
    r"(?<![\d.:/])(?P<code>[45][0-5]\d)"
    r"(?:[ \-:']{1,3}(?:\(?#)?(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})(?![\d.]))?(?![\d.:/])"
)
_ENHANCED = re.compile(r"(?<![\d.])(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ADDRESS = re.compile(r"<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?")
_MAX_SHOWN = 1_000

_NOBODY = frozenset({ReplyClass.INVALID_RECIPIENT, ReplyClass.INACTIVE_MAILBOX, ReplyClass.BAD_DOMAIN})
_OF_THE_ADDRESS = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (4, 4)})
_NOT_THE_ADDRESS = frozenset(
    {
        ReplyClass.INVALID_SENDER,
        ReplyClass.RELAY_DENIED,
        ReplyClass.SPAM_RELATED,
        ReplyClass.SPAM_CONTENT,
        ReplyClass.CONTENT_RELATED,
    }
)
_BEFORE_RCPT = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.MAIL})
_CERTAIN = re.compile(
    r"(?:doesn't|does not) have an? \S{1,80} account"  # Yahoo, behind DATA; no filter says so
    r"|local mailbox \S{1,320} is unavailable: user (?:not found|is terminated)"  # Mail.ru, behind DATA
    r"|recipient address rejected: access denied"  # Microsoft, under 5.4.1: it knows all recipients of the domain
)
_GONE = re.compile(
    r"\bno longer\b|moved|closed|terminated|deactivated|discontinued|does not exist|doesn't exist|not exist"
    r"|\bdeleted\b|\bremoved\b|\bretired\b|has left\b|permanently"
)
_HELD = re.compile(r"\bdisabled|suspend|\blocked|blocked|frozen")  # there is a mailbox, whatever the code says
_BARELY = re.compile(r"(?:user|recipient) (?:is )?unknown(?! in )|unknown (?:user|recipient)|invalid user")
_OF_REFUSAL = frozenset({550, 551, 553, 554})
_SUSPICION = re.compile(
    r"polic(?:y|ies)|reputation|\bspam|block|black|filter|\bips?\b|\brelay(?! recipient table)|\bsender"
    r"|reject(?:ed|ion)? by|denied|not allowed|authoriz|authoris|authent|too many|restrict|prohibit|abuse"
)
"""Words beside "no such user" that make it a doubtful one."""


def _blames() -> Mapping[ReplyClass, Blame]:
    person = (*_NOBODY, ReplyClass.QUOTA_ISSUES)
    sender = (ReplyClass.SPAM_BLOCK, ReplyClass.AUTHENTICATION_FAILED, ReplyClass.INVALID_SENDER)
    message = (
        ReplyClass.SPAM_CONTENT,
        ReplyClass.SPAM_RELATED,
        ReplyClass.CONTENT_RELATED,
        ReplyClass.VIRUS_RELATED,
        ReplyClass.PROHIBITED_ATTACHMENT,
        ReplyClass.POLICY_RELATED,
        ReplyClass.CHALLENGE_RESPONSE,
    )
    return {
        **dict.fromkeys(ReplyClass, Blame.INFRASTRUCTURE),
        **dict.fromkeys(person, Blame.PERSON),
        **dict.fromkeys(sender, Blame.SENDER),
        **dict.fromkeys(message, Blame.MESSAGE),
    }


BLAMES = _blames()
"""Whom a failure of each class is about."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a claim comes down to: codes as told, and as they stand in for codes that nobody told."""

    reply: Reply
    has_code: bool  # a server's basic code was told
    own: EnhancedCode | None  # the enhanced code inside the text


def judged(claim: Claim) -> BouncedRecipient:
    """Return what becomes of a claim."""
    if claim.stage is None:
        claim = replace(claim, stage=stage_in(claim.text))
    told = _told(claim)
    reply_class = _class(claim, told)
    is_hard = claim.action == "failed" and reply_class in _NOBODY and _is_believed(claim, told, reply_class)
    if reply_class is ReplyClass.INVALID_RECIPIENT and not is_hard and _is_filtered(claim, told):
        reply_class = ReplyClass.POLICY_RELATED
    return BouncedRecipient(
        recipient=claim.recipient,
        action=claim.action,
        reply=told.reply if claim.text or claim.status else None,
        reply_class=reply_class,
        is_hard=is_hard,
        blame=BLAMES[reply_class],
        source=claim.source,
        remote_mta=claim.remote_mta,
    )


# -- the reply ------------------------------------------------------------------------------------------------------


def _told(claim: Claim) -> _Told:
    text = "".join(each if each.isprintable() else " " for each in claim.text[:MAX_TEXT])
    found = _REPLY.search(text)
    own = _own(found["enhanced"] if found else None, text)
    status = claim.status
    enhanced = own if own and (status is None or _is_vague(status)) else status or own
    code = int(found["code"]) if found else 0
    if not code:
        is_transient = enhanced.klass == 4 if enhanced else claim.action == "delayed"
        code = 450 if is_transient else 550
    rest = text[found.end() :] if found and not text[: found.start()].strip(" <>'\"#") else text
    shown = " ".join(rest.split()).lstrip("-:. ")[:_MAX_SHOWN]
    return _Told(Reply(code, (shown,), enhanced), bool(found), own)


def _own(beside: str | None, text: str) -> EnhancedCode | None:
    """Return the enhanced code of the reply, or of the one that it quotes if it says nothing itself (x.y.0)."""
    codes = [EnhancedCode.parse(each) for each in (beside, *_ENHANCED.findall(text)) if each]
    return next((code for code in codes if code and code.detail), codes[0] if codes else None)


def _is_vague(status: EnhancedCode) -> bool:
    return (status.subject, status.detail) in ((0, 0), (5, 0)) or status.klass == 2


# -- the class ------------------------------------------------------------------------------------------------------


def _class(claim: Claim, told: _Told) -> ReplyClass:
    words = _ADDRESS.sub("<>", " ".join(claim.text[:MAX_TEXT].lower().split()))
    reported = _first(REPORTED, words) or _first(TONGUES, words)
    if claim.voice is Voice.PROGRAM:
        return ReplyClass.RELAYING_ISSUES if reported is None or reported in _NOBODY else reported
    if not told.has_code and reported is not None and not (told.own and told.own.subject == 7):
        return reported
    enhanced = told.reply.enhanced if told.reply.enhanced and not _is_vague(told.reply.enhanced) else None
    found = classify(Reply(told.reply.code, told.reply.lines, enhanced), claim.stage or Stage.RCPT)
    if found in _NOBODY and enhanced is not None:
        found = _unless_denied(found, claim, told)
    if found is not ReplyClass.UNCATEGORIZED:
        return found
    return reported or (ReplyClass.INVALID_SENDER if claim.stage is Stage.MAIL else found)


def _unless_denied(found: ReplyClass, claim: Claim, told: _Told) -> ReplyClass:
    """What the words say where they contradict a code of the address: systems give 5.1.1 to many things."""
    words = classify(Reply(told.reply.code, told.reply.lines), claim.stage or Stage.RCPT)
    if found is ReplyClass.INACTIVE_MAILBOX and words is ReplyClass.INVALID_RECIPIENT:
        return words
    if words is ReplyClass.INACTIVE_MAILBOX and _HELD.search(claim.text.lower()):
        return words
    return words if words in _NOT_THE_ADDRESS else found


def _first(patterns: tuple[TextPattern, ...], text: str) -> ReplyClass | None:
    return next((pattern.reply_class for pattern in patterns if pattern.regex.search(text)), None)


# -- hard or not ----------------------------------------------------------------------------------------------------


def _is_believed(claim: Claim, told: _Told, reply_class: ReplyClass) -> bool:
    """Whether it is certain enough that nobody is there, for good."""
    codes = [code for code in (claim.status, told.own) if code is not None]
    if any(code.klass == 4 for code in codes) or told.reply.is_transient or claim.voice is Voice.PROGRAM:
        return False
    if claim.stage in _BEFORE_RCPT:
        return False
    if _CERTAIN.search(claim.text.lower()):
        return True
    places = {(code.subject, code.detail) for code in codes}
    is_of_address = bool(places & _OF_THE_ADDRESS)
    is_keeper = claim.voice is Voice.KEEPER and not told.has_code
    if reply_class is ReplyClass.INACTIVE_MAILBOX:
        return _is_gone(claim, has_code=is_of_address or is_keeper or (2, 1) in places)
    is_known_domain = reply_class is ReplyClass.BAD_DOMAIN and claim.stage is None
    is_plain = reply_class is ReplyClass.INVALID_RECIPIENT and claim.stage is None and _is_plain(claim, told)
    return is_of_address or is_keeper or is_known_domain or is_plain or claim.stage is Stage.RCPT


def _is_plain(claim: Claim, told: _Told) -> bool:
    """Whether a server says that nobody is there in so many words, under a code that says nothing else.

    Nobody told which command it answered, and so a word of policy or reputation beside it is enough to doubt it.
    """
    codes = [code for code in (claim.status, told.own) if code is not None]
    is_vague = all(_is_vague(code) or (code.subject, code.detail) == (1, 0) for code in codes)
    words = _ADDRESS.sub("<>", claim.text.lower())
    doubts = _SUSPICION.search(words) or _BARELY.search(words)
    return told.has_code and told.reply.code in _OF_REFUSAL and is_vague and not doubts


def _is_filtered(claim: Claim, told: _Told) -> bool:
    """Whether "user unknown" is how a filter speaks: behind DATA, or under a code of policy."""
    return claim.stage in (Stage.DATA, Stage.DOT) or (told.own is not None and told.own.subject == 7)


def _is_gone(claim: Claim, *, has_code: bool) -> bool:
    """Whether a mailbox that is not active will not come back: suspended and locked ones may."""
    text = claim.text.lower()
    return bool(_GONE.search(text)) and "temporar" not in text and (has_code or claim.stage is Stage.RCPT)

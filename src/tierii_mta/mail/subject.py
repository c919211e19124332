"""The subject of a mail without what replying and forwarding added to it.

Owns the base subject of RFC 5256 §2.1, and, as an extension, the prefixes that clients write in other languages
(`AW:`, `SV:`, `答复：`); not the decoding of encoded words (mail.mime), which its input went through.  Pure; linear in
the length of its input but for runs of `[…]`, which the bound on its length keeps small.
"""

import re
from dataclasses import dataclass

MAX_CHARACTERS = 2000  # of a subject that are looked at

_SPACE = re.compile(r"\s+")
_TRAILER = re.compile(r"\(fwd\)$", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*\] ?")
_STRICT = re.compile(r"(?:\[[^\[\]]*\] ?)*(?:(?P<reply>re)|fwd?) ?(?:\[[^\[\]]*\] ?)?:", re.IGNORECASE)

# What clients put before a subject, by language; English is the RFC's own. Finnish VS: answers, while Danish and
# Norwegian VS: forwards: it counts as an answer, as the base subject is the same either way.
_REPLY = (
    "re|ref|rif|r|res|réf|rép|resp|"  # en, it, pt, fr, es
    "aw|antw|antwort|antwoord|"  # de, nl
    "sv|svar|vs|ats|atb|"  # sv, da, no, fi, et, lt, lv
    "odp|odpověď|odg|vá|ynt|yanıt|yan|"  # pl, sk, cs, hr, sl, hu, tr
    "απ|σχετ|отв|ответ|відп|одг|"  # el, ru, uk, sr
    "bls|balas|trả lời|ตอบ|ตอบกลับ|"  # id, ms, vi, th
    "回复|答复|回覆|答覆|回信|返信|返|회신|답장|"  # zh, ja, ko
    "رد|השב|תגובה|پاسخ"  # ar, he, fa
)
_FORWARD = (
    "fwd?|forward|i|rv|enc|encaminhado|tr|transf|reenv|"  # en, it, es, pt, fr
    "wg|doorst|doorgestuurd|vb|vl|videresendt|"  # de, nl, sv, fi, da, no
    "pd|přep|posl|továbbítás|továbbítva|ilt|i̇lt|πρθ|пер|пересл|fs|"  # pl, cs, sl, hu, tr, el, ru
    "terusan|chuyển tiếp|ส่งต่อ|转发|轉寄|轉發|転送|전달|"  # id, vi, th, zh, ja, ko
    "إعادة توجيه|הועבר|הועברה|ارسال"  # ar, he, fa
)
_COUNT = r"(?:\[[^\[\]]*\] ?|\(\d{1,3}\) ?|[*^]\d{1,3} ?|\d{1,3} ?)?"  # Re[2]:, Re(2):, Re^2:, Re2:
_LOCALISED = re.compile(
    rf"(?:\[[^\[\]]*\] ?)*(?:(?P<reply>{_REPLY})|{_FORWARD}) ?{_COUNT}[:：︰]",  # full-width and small colons too
    re.IGNORECASE,
)
_FORWARDED = "[fwd:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a subject says."""

    base: str  # RFC 5256: what mails of one thread share; white space runs are one space
    is_reply: bool
    is_forward: bool

    @property
    def key(self) -> str:
        """What to compare: base subjects that differ only in case are one."""
        return self.base.casefold()


def read_subject(text: str, *, localised: bool = True) -> Subject:
    """Return the base subject and what its prefixes say; without `localised`, RFC 5256 §2.1 to the letter.

    `text` is decoded; the first 2,000 characters count.
    """
    leader = _LOCALISED if localised else _STRICT
    rest, is_reply, is_forward = _SPACE.sub(" ", text[:MAX_CHARACTERS]).strip(), False, False
    while True:
        rest, had_trailer = _without_trailers(rest)
        rest, had_reply, had_forward = _without_leaders(rest, leader)
        is_reply, is_forward = is_reply or had_reply, is_forward or had_forward or had_trailer
        if not (rest[: len(_FORWARDED)].lower() == _FORWARDED and rest.endswith("]")):
            return Subject(base=rest, is_reply=is_reply, is_forward=is_forward)
        rest, is_forward = rest[len(_FORWARDED) : -1].strip(), True


def base_subject(text: str, *, localised: bool = True) -> str:
    """Return the base subject alone."""
    return read_subject(text, localised=localised).base


def _without_trailers(text: str) -> tuple[str, bool]:
    had_one = False
    while found := _TRAILER.search(text):
        text, had_one = text[: found.start()].rstrip(), True
    return text, had_one


def _without_leaders(text: str, leader: re.Pattern[str]) -> tuple[str, bool, bool]:
    """Take away `Re:`, `Fwd:` and the `[…]` before them, and `[…]` that leave something."""
    had_reply = had_forward = False
    position = 0
    while True:
        if found := leader.match(text, position):
            had_reply, had_forward = had_reply or bool(found["reply"]), had_forward or not found["reply"]
            position = found.end()
        elif (found := _BLOB.match(text, position)) and text[found.end() :].strip():
            position = found.end()
        else:
            return text[position:].strip(), had_reply, had_forward
        while text[position : position + 1] == " ":
            position += 1

r"""How phrases become patterns: one class, several lines of words, one regular expression.

Owns the value and how it is spelled; the tables are in patterns and tongues, and those of reporters' own words in
correspondence.bounces.reported.  Every repetition is bounded: a hostile reply costs no more than its length.  Pure.
"""

import re
from dataclasses import dataclass

from tierii_mta.outbound.reply_class import ReplyClass


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Phrases and the class they stand for; `only` 4 or 5 limits them to transient or permanent replies."""

    reply_class: ReplyClass
    regex: re.Pattern[str]
    only: int | None = None


_WORDS = {
    "PERSON": r"\b(?:user|recipient|account|mail ?box|address|addressee|person|alias)",
    "MESSAGE": r"\b(?:message|mail|e-?mail|size|body|header|line)s?",
    "FILE": r"(?:attachment|file ?type|file|extension|executable)",
    "HOST": r"\b(?:ip|host|address|server|client|you|network)",
    "NONE": r"\b(?:no|unknown|invalid|bad|non-?exist\w{2,3}|unrouteable|undeliverable)",
    "THEN": r"\b.{0,60}\b",
}
"""Words in capitals stand for these in the phrases below."""


def phrases(reply_class: ReplyClass, lines: str, only: int | None = None) -> TextPattern:
    """Return the pattern of several lines of phrases; words in capitals stand for those of `_WORDS`."""
    joined = "|".join(line.strip() for line in lines.split("\n") if line.strip())
    spelled = re.sub(" THEN |[A-Z]{4,}", lambda word: _WORDS[word[0].strip()], joined)
    return TextPattern(reply_class, re.compile(spelled), only)

"""Answers of real people whose parents are known: mail of the SpamAssassin corpus (PDDL), as the npm registry has it.

Owns which of their lines are new beyond doubt: five words or more, no sign before them, above any signature, and more
than half of the words in none of the messages they answer.  A parser that takes one of those away lost something.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from pathlib import Path
from typing import NamedTuple

from tests.corpus.spam_assassin import messages

_ID = re.compile(r"<[^<>\s]+>")
_WORD = re.compile(r"\w+")
_END = re.compile(r"[ -]*--\s*|(?:_{3,}|-{3,}|={3,}|\*{3,})\s*|-----.*")  # a signature, a footer or a header may follow
_ADDED = re.compile(r"^[A-Z][a-z-]{1,12}: |@|\d\d:\d\d")  # labels, senders and dates of quotes
_MAX_ANCESTORS = 20


class Answer(NamedTuple):
    """A message and its lines that are new."""

    text: str
    new_lines: Sequence[str]


def real_answers(archive: Path) -> Iterator[Answer]:
    """Yield the plain answers that have new lines and whose parent is there."""
    mails = [message_from_bytes(octets, policy=compat32) for _, octets in messages(archive)]
    by_id = {found[0]: mail for mail in mails if (found := _ID.findall(str(mail.get("Message-ID", ""))))}
    for mail in mails:
        known = _ancestors(mail, by_id)
        if not known or mail.is_multipart() or mail.get_content_type() != "text/plain":
            continue
        text = _text(mail)
        words = {word.casefold() for each in known for word in _WORD.findall(_text(each))}
        if new := list(_new_lines(text, words)):
            yield Answer(text, new)


def _new_lines(text: str, known: set[str]) -> Iterator[str]:
    for line in text.split("\n"):
        if _END.fullmatch(line):
            return
        words = [word.casefold() for word in _WORD.findall(line)]
        novel = sum(word not in known for word in words)
        is_said = line[:1].isalpha() and not (">" in line[:16] or line.rstrip()[-1] == ":" or _ADDED.search(line))
        if is_said and len(words) >= 5 and novel > len(words) / 2:
            yield line


def _ancestors(mail: Message, by_id: Mapping[str, Message]) -> Sequence[Message]:
    ids = _ID.findall(f"{mail.get('In-Reply-To', '')} {mail.get('References', '')}")[-_MAX_ANCESTORS:]
    return [by_id[each] for each in ids if each in by_id and by_id[each] is not mail]


def _text(mail: Message) -> str:
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    octets = [part.get_payload(decode=True) for part in parts]
    return "\n".join(each.decode("utf-8", "replace") for each in octets if isinstance(each, bytes)).replace(
        "\r\n", "\n"
    )

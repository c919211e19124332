"""A reply in HTML as lines, with what its structure says of quotes and signatures.

Owns the marks that mail clients leave in their HTML; the text itself is made by `mail.plaintext`, as for mail we send.
One pass over the tags with a count of what is open: a full HTML parser needs quadratic time for hostile nesting (half a
minute for 100,000 open elements), and this asks nothing of the tree but where an element ends.  Pure, linear.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from tierii_mta.correspondence.quote.lines import Line, Role, split
from tierii_mta.mail.plaintext import TextMaker

_TAG = re.compile(r"(<[/!?a-zA-Z][^<>]*>)")
_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)")
_ATTRIBUTE = re.compile(r"([a-zA-Z][\w:.-]{0,40})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")
_MAX_TAG = 2000  # characters of one that are read
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_IMPLIED = frozenset({"p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot"})  # often not closed

_OPEN, _CLOSE, _MARKS = "\ue000", "\ue001", 0xE100  # private characters stand for the marks while text is made
_PRIVATE = re.compile(r"[\ue000-\ue1ff]")
_MARKED = re.compile(r"\ue000([\ue100-\ue1ff])|\ue001")


@dataclass(frozen=True, slots=True)
class _Mark:
    """An element that a client writes for a purpose."""

    rule: str
    role: Role
    attribute: str  # "" for any element of that name
    part: str  # that occurs in the attribute's value
    tag: str = ""  # "" for any
    to_end: bool = False  # the element begins what fills the rest of the page


_Q, _H, _S = Role.QUOTE, Role.HEADER, Role.SIGNATURE
_GMAIL = _Mark("gmail", _Q, "class", "gmail_quote")  # with inline answers, if there are blockquotes inside
_MARKS_KNOWN: Sequence[_Mark] = (
    _Mark("gmail", _H, "class", "gmail_attr"),
    _Mark("gmail", _S, "class", "gmail_signature"),
    _Mark("gmail", _S, "data-smartmail", "gmail_signature"),
    _Mark("mozilla", _H, "class", "moz-cite-prefix"),
    _Mark("mozilla", _H, "class", "moz-email-headers-table"),
    _Mark("mozilla", _Q, "class", "moz-forward-container"),
    _Mark("mozilla", _S, "class", "moz-signature"),
    _Mark("outlook", _Q, "id", "divrplyfwdmsg", to_end=True),
    _Mark("outlook", _Q, "id", "appendonsend", to_end=True),
    _Mark("outlook", _Q, "id", "mail-editor-reference-message-container"),
    _Mark("outlook", _Q, "id", "olk_src_body_section"),
    _Mark("outlook", _S, "id", "ms-outlook-mobile-signature"),
    _Mark("outlook", _Q, "id", "ms-outlook-mobile-body-separator-line", to_end=True),
    _Mark("yahoo", _Q, "class", "yahoo_quoted"),
    _Mark("yahoo", _Q, "id", "yahoo_quoted"),
    _Mark("yahoo", _S, "id", "ymail_android_signature"),
    _Mark("yahoo", _S, "class", "yahoo-signature"),
    _Mark("apple", _S, "id", "applemailsignature"),
    _Mark("apple", _S, "id", "linebreakatbeginningofsignature"),
    _Mark("proton", _Q, "class", "protonmail_quote"),
    _Mark("proton", _S, "class", "protonmail_signature_block"),
    _Mark("zimbra", _Q, "data-marker", "__divider__", to_end=True),
    _Mark("zimbra", _Q, "data-marker", "__quoted_text__"),
    _Mark("zimbra", _Q, "id", "zwchr", to_end=True),
    _Mark("zoho", _Q, "class", "zmail_extra"),
    _Mark("zoho", _Q, "id", "blockquote_zmail"),
    _Mark("gmx", _Q, "name", "quote", tag="div"),
    _Mark("spark", _Q, "name", "messagereplysection"),
    _Mark("spark", _S, "name", "messagesignaturesection"),
    _Mark("airmail", _H, "class", "airmail_on"),
    _Mark("front", _Q, "class", "front-blockquote"),
    _Mark("freshdesk", _Q, "class", "freshdesk_quote"),
    _Mark("missive", _Q, "class", "missive_quote"),
    _Mark("netease", _Q, "id", "isreplycontent"),
    _Mark("netease", _Q, "class", "ntes-mailmaster-quote"),
    _Mark("alibaba", _Q, "class", "alimail-quote"),
    _Mark("alibaba", _Q, "class", "__aliyun_previous_quote_wrap_node"),
    _Mark("roundcube", _H, "id", "reply-intro"),
    _Mark("mail.ru", _Q, "class", "mail-quote-collapse"),
    _Mark("blockquote", _Q, "", "", tag="blockquote"),
    _GMAIL,
)
_INDENTED = re.compile(r"\bborder(?:-width|-style)?:\s{0,9}(?:none|0(?:px)?(?![.\d]))", re.IGNORECASE)
_RULED = re.compile(r"\bborder-top(?:-style)?:[^;]{0,60}\bsolid", re.IGNORECASE)  # Outlook, Windows Mail: above From:
_GMAIL_BLOCKQUOTE = re.compile(r"<blockquote\b[^<>]{0,300}\bgmail_quote", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A reply in HTML as text."""

    source: str
    lines: list[Line]
    has_quote: bool  # whether its structure marks one


def read_page(html: str) -> Page:
    """Return the text of a page as lines; those in elements that mark quotes and signatures have their roles."""
    text = TextMaker().to_text("".join(_marked(_PRIVATE.sub("", html))))
    source, changes = _without_marks(text)
    lines = split(source)
    following = iter([*changes, (len(source) + 1, None)])
    active, (change_at, upcoming) = None, next(following)
    for line in lines:
        while change_at <= line.start:
            active, (change_at, upcoming) = upcoming, next(following)
        if active is not None and line.role is not Role.BLANK:
            line.role, line.rule = active.role, f"html-{active.rule}"
    has_quote = any(line.rule.startswith("html") and line.role in {Role.QUOTE, Role.HEADER} for line in lines)
    return Page(source=source, lines=lines, has_quote=has_quote)


def _marked(html: str) -> Iterator[str]:
    """Yield the page with a private character where a marked element begins and ends."""
    has_gmail_blockquote = bool(_GMAIL_BLOCKQUOTE.search(html))
    open_elements: list[tuple[str, bool]] = []
    how_many: Counter[str] = Counter()
    for piece in _TAG.split(html):
        found = _NAME.match(piece)
        if found is None:
            yield piece
            continue
        name = found[1].lower()
        if piece.startswith("</"):
            if how_many[name]:
                yield from _closed(name, open_elements, how_many)
            yield piece
            continue
        number, is_ruled = _read_tag(name, piece[:_MAX_TAG], has_gmail_blockquote)
        opening = f"{_OPEN}{chr(_MARKS + number)}" if number is not None else ""
        if name in _VOID or piece.endswith("/>"):
            yield opening + piece
            continue
        yield f"<hr>{piece}{opening}" if is_ruled else piece + opening
        if name not in _IMPLIED:
            open_elements.append((name, number is not None and not _MARKS_KNOWN[number].to_end))
            how_many[name] += 1


def _closed(name: str, open_elements: list[tuple[str, bool]], how_many: Counter[str]) -> Iterator[str]:
    """Close the element and all that is still open in it; each is closed once, so this is linear over a page."""
    while open_elements:
        closed, is_marked = open_elements.pop()
        how_many[closed] -= 1
        if is_marked:
            yield _CLOSE
        if closed == name:
            return


def _read_tag(name: str, tag: str, has_gmail_blockquote: bool) -> tuple[int | None, bool]:
    """Return the number of the mark that a tag bears, and whether a rule is drawn above its element."""
    if "=" not in tag and name != "blockquote":
        return None, False
    attributes = {
        found[1].lower(): unescape(found[2] or found[3] or found[4] or "").lower() for found in _ATTRIBUTE.finditer(tag)
    }
    style = attributes.get("style", "")
    if name == "blockquote" and _INDENTED.search(style) and not attributes.keys() & {"type", "cite", "class"}:
        return None, False
    for number, mark in enumerate(_MARKS_KNOWN):
        if _bears(name, attributes, mark) and not (mark is _GMAIL and has_gmail_blockquote):
            return number, False
    return None, name == "div" and bool(_RULED.search(style))


def _bears(name: str, attributes: Mapping[str, str], mark: _Mark) -> bool:
    if mark.tag and mark.tag != name:
        return False
    return not mark.attribute or mark.part in attributes.get(mark.attribute, "")


def _without_marks(text: str) -> tuple[str, list[tuple[int, _Mark | None]]]:
    """Return the text without private characters, and from which position on which mark counts: the outermost."""
    pieces: list[str] = []
    changes: list[tuple[int, _Mark | None]] = []
    stack: list[_Mark] = []
    until_end: _Mark | None = None
    length = start = 0
    for found in _MARKED.finditer(text):
        piece = text[start : found.start()]
        pieces.append(piece)
        length, start = length + len(piece), found.end()
        number = ord(found[1]) - _MARKS if found[1] else None
        if number is None:
            del stack[-1:]
        elif number < len(_MARKS_KNOWN) and _MARKS_KNOWN[number].to_end:
            until_end = until_end or _MARKS_KNOWN[number]
        elif number < len(_MARKS_KNOWN):
            stack.append(_MARKS_KNOWN[number])
        changes.append((length, stack[0] if stack else until_end))
    return "".join([*pieces, text[start:]]), changes

r"""Command lines a server reads, as values: verb, argument, paths and parameters.

Owns the syntax of RFC 5321 §4.1.1, and of the parameters of RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8),
RFC 3461 (RET, ENVID, NOTIFY, ORCPT) and RFC 4954 (AUTH); not whether a command may come now (smtp.server) nor whether
it is granted (the listener).  Lenient where clients err and no meaning is lost: a space after the colon, a verb in any
case.  Strict elsewhere: source routes, trailing text and control characters are refused.  Pure, linear in its input.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.reply import PermanentError, Reply

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
_VERB = re.compile(rb"[A-Za-z]{1,20}")
_SPACES = re.compile(r"[ \t]+")
_PATH = re.compile(r'[ \t]?<((?:"(?:[^"\\]++|\\.)*+"|[^<>"]++)*+)>(.*)', re.DOTALL)  # possessive: never tried twice
_NAME = re.compile(
    r"[!#-'*+./0-9:=?A-Z\[\]^_`a-z{|}~-]{1,255}"
)  # nothing that ends a comment or a quotation in Received
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")
_MAX_PARAMETERS = 16
_OF_MAIL = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH"})
_OF_MAIL_WITH_DSN = frozenset({"RET", "ENVID"})
_OF_RECIPIENT = frozenset({"NOTIFY", "ORCPT"})
MAX_SIZE_DIGITS = 20  # RFC 1870 §4
MAX_ENVID, MAX_ORCPT = 100, 500  # RFC 3461 §5.4


class Return(StrEnum):
    """How much of the message a DSN is to hold."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(StrEnum):
    """What a sender wants to be told of a recipient."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """MAIL FROM."""

    reverse_path: Address | None  # None: the null sender
    size_bytes: int | None = None  # as the client announces it
    is_8bit: bool = False
    is_smtputf8: bool = False
    ret: Return | None = None
    envid: str | None = None  # as it came, in xtext


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """RCPT TO."""

    forward_path: Address
    notify: frozenset[Notify] = frozenset()  # empty: not said
    orcpt: str | None = None  # as it came: `type;xtext`


def split(line: bytes) -> tuple[str, str]:
    """Return the verb in upper case and the argument of a command line without its line end; raises `PermanentError`.

    The verb is "" for what has none.
    """
    if _CONTROL.search(line):
        raise refusal(500, "a command holds no control character", "5.5.2")
    found = _VERB.match(line)
    if found is None or line[found.end() : found.end() + 1] not in (b"", b" ", b"\t"):
        return "", ""
    try:
        return found[0].decode("ascii").upper(), line[found.end() :].decode("utf-8").strip(" \t")
    except UnicodeDecodeError as cause:
        raise refusal(500, "a command is in UTF-8", "5.5.2") from cause


def parse_name(argument: str, *, is_extended: bool) -> str:
    """Return the name in EHLO or HELO: a domain, a literal, or what clients without a name make of one.

    It may go into a Received field as it is.
    """
    name = argument if is_extended else argument.partition(" ")[0]
    if not _NAME.fullmatch(name):
        raise refusal(501, "a host name or an address literal is needed", "5.5.4")
    return name


def parse_mail(argument: str, *, has_dsn: bool) -> Mail:
    """Return MAIL's argument; raises `PermanentError` with the reply."""
    path, parameters = _path_and_parameters(argument, "FROM:")
    given = _Parameters(parameters, _OF_MAIL | _OF_MAIL_WITH_DSN if has_dsn else _OF_MAIL)
    is_smtputf8 = given.flag("SMTPUTF8")
    given.xtext("AUTH", 500)  # who submitted it first (RFC 4954 §5): we trust nobody's word for it
    return Mail(
        reverse_path=_address(path, is_smtputf8=is_smtputf8, code="5.1.7") if path else None,
        size_bytes=given.size("SIZE"),
        is_8bit=given.one_of("BODY", ("7BIT", "8BITMIME")) == "8BITMIME",
        is_smtputf8=is_smtputf8,
        ret=Return(ret) if (ret := given.one_of("RET", tuple(Return))) else None,
        envid=given.xtext("ENVID", MAX_ENVID),
    )


def parse_recipient(argument: str, *, has_dsn: bool, is_smtputf8: bool, local_domain: str) -> Recipient:
    """Return RCPT's argument; raises `PermanentError`. `<postmaster>` means the one of `local_domain`."""
    path, parameters = _path_and_parameters(argument, "TO:")
    given = _Parameters(parameters, _OF_RECIPIENT if has_dsn else frozenset())
    if path.lower() == "postmaster":
        path = f"{path}@{local_domain}"
    return Recipient(
        forward_path=_address(path, is_smtputf8=is_smtputf8, code="5.1.3"),
        notify=given.notify("NOTIFY"),
        orcpt=given.original("ORCPT", is_smtputf8=is_smtputf8),
    )


def refusal(code: int, text: str, enhanced: str) -> PermanentError:
    """Return the error that carries a reply of ours."""
    return PermanentError(Reply.of(code, text, enhanced))


def _path_and_parameters(argument: str, keyword: str) -> tuple[str, str]:
    if argument[: len(keyword)].upper() != keyword:
        raise refusal(501, f"the syntax is {keyword}<address>", "5.5.4")
    found = _PATH.fullmatch(argument[len(keyword) :])
    if found is None:
        raise refusal(501, f"the syntax is {keyword}<address>", "5.5.4")
    if found[2] and not found[2].startswith(" "):
        raise refusal(501, "a space stands between the path and its parameters", "5.5.4")
    return found[1], found[2]


def _address(path: str, *, is_smtputf8: bool, code: str) -> Address:
    if not path.isascii() and not is_smtputf8:
        raise refusal(553, "an address in UTF-8 needs SMTPUTF8", "5.6.7")
    try:
        return Address.parse(path)
    except InvalidAddress as cause:
        raise refusal(553, f"the address {cause}"[:200], code) from cause


class _Parameters:
    """The parameters of one command, read one by one; each reader raises `PermanentError` for a malformed value."""

    def __init__(self, text: str, known: frozenset[str]) -> None:
        self._values: dict[str, str | None] = {}
        words = _SPACES.split(text.strip(" \t")) if text else []
        if len(words) > _MAX_PARAMETERS:
            raise refusal(501, "too many parameters", "5.5.4")
        for word in words:
            name, equals, value = word.partition("=")
            name = name.upper()
            if not _KEYWORD.fullmatch(name) or name in self._values:
                raise refusal(501, "a parameter is malformed or occurs twice", "5.5.4")
            if name not in known:
                raise refusal(555, f"the parameter {name} is not known here", "5.5.4")
            self._values[name] = value if equals else None

    def flag(self, name: str) -> bool:
        """Whether a parameter without a value is there."""
        return name in self._values and self._checked(name, self._values[name] is None)

    def size(self, name: str) -> int | None:
        """Return a number of octets."""
        if name not in self._values:
            return None
        value = self._values[name] or ""
        self._checked(name, value.isascii() and value.isdigit() and len(value) <= MAX_SIZE_DIGITS)
        return int(value)

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of some words, in upper case."""
        if name not in self._values:
            return None
        value = (self._values[name] or "").upper()
        self._checked(name, value in choices)
        return value

    def xtext(self, name: str, most: int) -> str | None:
        """Return a value in xtext (RFC 3461 §4) as it is written."""
        if name not in self._values:
            return None
        value = self._values[name] or ""
        self._checked(name, 0 < len(value) <= most and _XTEXT.fullmatch(value) is not None)
        return value

    def notify(self, name: str) -> frozenset[Notify]:
        """Return NOTIFY's words; NEVER stands alone."""
        if name not in self._values:
            return frozenset()
        words = (self._values[name] or "").upper().split(",")
        self._checked(name, set(words) <= set(Notify) and len(set(words)) == len(words))
        self._checked(name, Notify.NEVER not in words or len(words) == 1)
        return frozenset(Notify(word) for word in words)

    def original(self, name: str, *, is_smtputf8: bool) -> str | None:
        """Return ORCPT's address type and address as they are written."""
        if name not in self._values:
            return None
        value = self._values[name] or ""
        kind, _, text = value.partition(";")
        is_written = _ADDRESS_TYPE.fullmatch(kind) is not None and bool(text)
        # RFC 6533 §3 allows UTF-8 in the address type utf-8; what is printable is carried as it is.
        is_utf8 = kind.lower() == "utf-8" and text.isprintable() and (text.isascii() or is_smtputf8)
        is_text = is_utf8 or _XTEXT.fullmatch(text) is not None
        self._checked(name, len(value) <= MAX_ORCPT and is_written and is_text)
        return value

    def _checked(self, name: str, is_valid: bool) -> bool:
        if not is_valid:
            raise refusal(501, f"the parameter {name} has no valid value", "5.5.4")
        return True

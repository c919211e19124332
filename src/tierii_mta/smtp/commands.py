r"""Commands a client sends, as bytes that cannot hold anything else.

Owns the syntax of RFC 5321 §4.1.1 and the parameters of RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8) and
RFC 3461 (RET, ENVID, NOTIFY, ORCPT).
Every argument is checked here, whoever checked it before: no CR, LF, NUL or other control character gets into a
command, and no `<` or `>` into a path, so that neither a second command nor a parameter can be smuggled through an
address (`"a> SIZE=1 <"@example.com` is legal syntax, and peers that look for the first `>` are many).  Pure.
"""

import re

from tierii_mta.mail.address import Address
from tierii_mta.mail.dsn import ascii_original
from tierii_mta.mail.envelope import DsnRequest
from tierii_mta.smtp import limits

DATA = b"DATA\r\n"
QUIT = b"QUIT\r\n"
RSET = b"RSET\r\n"
STARTTLS = b"STARTTLS\r\n"

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[A-Za-z0-9:.]+\]")
_DOT_STRING = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]+)*"
)
_QUOTED_STRING = re.compile(r'"(?:[ !#-;=?-\[\]-~\u00a0-\U0010ffff]|\\[ -;=?-~])*"')
_XTEXT = re.compile(r"[!-<>-~]{1,100}")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_ORCPT = re.compile(r"[A-Za-z0-9-]{1,41};[!-~\u00a0-\U0010ffff]+")
_MAX_ORCPT = 500  # RFC 3461 §5.4
_QUOTABLE = re.compile(r"[ -;=?-~\u00a0-\U0010ffff]*")


class InvalidCommand(ValueError):
    """An argument that no command can carry."""


def ehlo(name: str) -> bytes:
    """Return EHLO with our name or address literal."""
    return b"EHLO " + _domain(name) + b"\r\n"


def helo(name: str) -> bytes:
    """Return HELO with our name or address literal."""
    return b"HELO " + _domain(name) + b"\r\n"


def lhlo(name: str) -> bytes:
    """Return LHLO, the EHLO of LMTP (RFC 2033 §4.1)."""
    return b"LHLO " + _domain(name) + b"\r\n"


def mail_from(
    reverse_path: Address | None,
    *,
    size_bytes: int | None = None,
    is_8bit: bool = False,
    is_smtputf8: bool = False,
    ret: str | None = None,
    envid: str | None = None,
) -> bytes:
    """Return MAIL FROM. A parameter appears only if asked for; whether the peer knows it is the caller's to check."""
    parts = [b"MAIL FROM:<", b"" if reverse_path is None else _mailbox(reverse_path), b">"]
    if size_bytes is not None:
        parts.append(b" SIZE=%d" % size_bytes)
    if is_8bit:
        parts.append(b" BODY=8BITMIME")
    if is_smtputf8:
        parts.append(b" SMTPUTF8")
    if ret is not None:
        parts.append(b" RET=" + _checked("RET", ret, ret in ("FULL", "HDRS")))
    if envid is not None:
        parts.append(b" ENVID=" + _checked("ENVID", envid, _XTEXT.fullmatch(envid) is not None))
    return _line(parts)


def rcpt_to(recipient: Address, request: DsnRequest | None = None, *, is_smtputf8: bool = False) -> bytes:
    """Return RCPT TO; with a request, its parameters. ORCPT is in ASCII unless the transaction is in SMTPUTF8, and left
    out where that makes it longer than hosts have to take.
    """
    parts = [b"RCPT TO:<", _mailbox(recipient), b">"]
    if request is not None and request.notify:
        text = ",".join(sorted(request.notify))
        parts.append(b" NOTIFY=" + _checked("NOTIFY", text, request.notify <= _NOTIFY or text == "NEVER"))
    if request is not None and request.orcpt is not None:
        orcpt = request.orcpt if is_smtputf8 else ascii_original(request.orcpt)
        if len(orcpt) <= _MAX_ORCPT:
            parts.append(b" ORCPT=" + _checked("ORCPT", orcpt, _ORCPT.fullmatch(orcpt) is not None))
    return _line(parts)


def _checked(parameter: str, value: str, is_valid: bool) -> bytes:
    if not is_valid:
        raise InvalidCommand(f"{value!r} is no value of {parameter}")
    return value.encode()


def _line(parts: list[bytes]) -> bytes:
    parts.append(b"\r\n")
    line = b"".join(parts)
    if len(line) > limits.COMMAND_OCTETS:
        raise InvalidCommand(f"a command line of more than {limits.COMMAND_OCTETS} octets")
    return line


def _mailbox(address: Address) -> bytes:
    local = address.local
    if not _DOT_STRING.fullmatch(local) and not _QUOTED_STRING.fullmatch(local):
        local = _quoted(local)
    return local.encode() + b"@" + _domain(address.domain)


def _quoted(local: str) -> str:
    """Quote a local part that is no dot-string and brings no quotes of its own."""
    if not local or local[0] == '"' or not _QUOTABLE.fullmatch(local):
        raise InvalidCommand(f"the local part {local!r} cannot be written in a command")
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _domain(name: str) -> bytes:
    if len(name) > 255 or not _DOMAIN.fullmatch(name):
        raise InvalidCommand(f"{name!r} is neither a domain in A-labels nor an address literal")
    return name.encode("ascii")

"""AUTH exchanges on the server's side: from lines in base64 to a name and a password.

Owns the mechanisms PLAIN (RFC 4616) and LOGIN (the field's custom, never standardised) and the syntax of RFC 4954 §4;
not whether the password is right.  Pure.
"""

import base64
import binascii
from typing import Self

from tierii_mta.smtp.requests import refusal

MECHANISMS = ("PLAIN", "LOGIN")
_USERNAME, _PASSWORD = "VXNlcm5hbWU6", "UGFzc3dvcmQ6"  # "Username:" and "Password:" as clients expect


class Exchange:
    """One AUTH command and the lines that follow it. Everything malformed raises `PermanentError` with the reply."""

    def __init__(self, mechanism: str) -> None:
        self.mechanism = mechanism
        self._answers: list[str] = []

    @classmethod
    def begin(cls, argument: str) -> Self:
        """Begin with the argument of AUTH: the mechanism, and maybe its first answer."""
        words = argument.split()
        if not 1 <= len(words) <= 2:
            raise refusal(501, "the syntax is AUTH mechanism [initial-response]", "5.5.4")
        mechanism = words[0].upper()
        if mechanism not in MECHANISMS:
            raise refusal(504, f"the mechanisms are {' and '.join(MECHANISMS)}", "5.5.4")
        exchange = cls(mechanism)
        if len(words) == 2:
            exchange.take(b"" if words[1] == "=" else words[1].encode())
        return exchange

    @property
    def challenge(self) -> str | None:
        """What to say with a 334; None: all is there."""
        if self.mechanism == "PLAIN":
            return None if self._answers else ""
        return (_USERNAME, _PASSWORD, None)[len(self._answers)]

    def take(self, line: bytes) -> None:
        """Take the next line of the client."""
        if line == b"*":
            raise refusal(501, "the authentication is cancelled", "5.7.0")
        try:
            self._answers.append(base64.b64decode(line, validate=True).decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError) as cause:
            raise refusal(501, "the answer is not UTF-8 in base64", "5.5.2") from cause

    def credentials(self) -> tuple[str, str]:
        """Return the name and the password."""
        if self.mechanism == "LOGIN":
            name, password = self._answers
        else:
            identity, name, password = self._plain()
            if identity not in ("", name):
                raise refusal(535, "nobody may act for another", "5.7.8")
        if not name.isprintable() or not name or not password or len(name) > 255 or len(password) > 1024:
            raise refusal(535, "the credentials are not valid", "5.7.8")
        return name, password

    def _plain(self) -> tuple[str, str, str]:
        parts = self._answers[0].split("\0")
        if len(parts) != 3:
            raise refusal(501, "PLAIN has three parts", "5.5.2")
        return parts[0], parts[1], parts[2]

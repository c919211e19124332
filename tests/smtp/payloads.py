r"""What somebody's server has taken for the end of a message, as a table (SMTP smuggling, CVE-2023-51764 and its kin).

Each payload is sent behind `body`, and followed by a second transaction: whoever takes it for an end sees two messages.
"""

from dataclasses import dataclass
from typing import Literal

# data: it ends nothing. refused: it ends nothing, and the message is refused at its real end. end: it ends the message.
# refused end: it ends the message, which is refused.
Outcome = Literal["data", "refused", "end", "refused end"]


@dataclass(frozen=True, slots=True)
class Payload:
    """Some octets inside a message, and what follows from them at port 25 and at a port that normalises."""

    name: str
    octets: bytes
    rejecting: Outcome
    normalizing: Outcome

    @property
    def is_end(self) -> bool:
        """Whether it ends the message for everybody who reads by the letter."""
        return self.normalizing.endswith("end")


PAYLOADS = [
    Payload("CRLF . CRLF", b"\r\n.\r\n", "end", "end"),
    Payload("LF . LF", b"\n.\n", "refused", "data"),
    Payload("LF . CRLF", b"\n.\r\n", "refused", "data"),
    Payload("CRLF . LF", b"\r\n.\n", "refused", "data"),
    Payload("CR . CR", b"\r.\r", "refused", "data"),
    Payload("CR . LF", b"\r.\n", "refused", "data"),
    Payload("LF . CR", b"\n.\r", "refused", "data"),
    Payload("CR . CRLF", b"\r.\r\n", "refused", "data"),
    Payload("CRLF . CR x", b"\r\n.\rx", "refused", "data"),
    Payload("CRLF . CR CRLF", b"\r\n.\r\r\n", "refused", "data"),
    Payload("CR CRLF . CR CRLF", b"\r\r\n.\r\r\n", "refused", "data"),
    Payload("CR CRLF . CRLF", b"\r\r\n.\r\n", "refused end", "end"),
    Payload("LF CRLF . CRLF", b"\n\r\n.\r\n", "refused end", "end"),
    Payload("LF . CR CRLF", b"\n.\r\r\n", "refused", "data"),
    Payload("LF CR . LF CR", b"\n\r.\n\r", "refused", "data"),
    Payload("CRLF CR . CRLF", b"\r\n\r.\r\n", "refused", "data"),
    Payload("CRLF NUL . CRLF", b"\r\n\0.\r\n", "refused", "refused"),
    Payload("CRLF . NUL CRLF", b"\r\n.\0\r\n", "refused", "refused"),
    Payload("CRLF NUL CRLF . CRLF", b"\r\n\0\r\n.\r\n", "refused end", "refused end"),
    Payload("NUL . NUL", b"\0.\0", "refused", "refused"),
    Payload("CRLF . SP CRLF", b"\r\n. \r\n", "data", "data"),
    Payload("CRLF SP . CRLF", b"\r\n .\r\n", "data", "data"),
    Payload("CRLF . TAB CRLF", b"\r\n.\t\r\n", "data", "data"),
    Payload("VT . VT", b"\x0b.\x0b", "data", "data"),
    Payload("FF . FF", b"\x0c.\x0c", "data", "data"),
    Payload("NEL . NEL", b"\x85.\x85", "data", "data"),
    Payload("NEL . NEL in UTF-8", b"\xc2\x85.\xc2\x85", "data", "data"),
    Payload("U+2028 . U+2028", b"\xe2\x80\xa8.\xe2\x80\xa8", "data", "data"),
    Payload("fullwidth dot", b"\r\n\xef\xbc\x8e\r\n", "data", "data"),
    Payload("CRLF . . CRLF", b"\r\n..\r\n", "data", "data"),
    Payload("LF . . LF", b"\n..\n", "refused", "data"),
    Payload("a dot and 1000 octets", b"\r\n." + b"x" * 1000 + b"\r\n", "data", "data"),
    Payload("CRLF CRLF", b"\r\n\r\n", "data", "data"),
    Payload("commands", b"\r\nRSET\r\nQUIT\r\n", "data", "data"),
    Payload("BDAT", b"\r\nBDAT 0 LAST\r\n", "data", "data"),
]
BEHIND = b"MAIL FROM:<second@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"
END = b"second\r\n.\r\n"
EDGE = 64 * 1024
EXPECTED_STORED = {"data": 1, "refused": 0, "end": 2, "refused end": 1}
"""Messages stored, when the real end follows."""

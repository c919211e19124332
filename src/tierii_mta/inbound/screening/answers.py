"""Whether a message belongs to mail that we sent, and reports about mail that we did not (backscatter).

Owns what of a message only we can have made: its recipients, when we signed them, and Message-IDs of ours in the fields
that name what is answered, or in what a report encloses.  Not which mail it answers (correspondence).  Pure.
"""

import re
from itertools import islice

from tierii_mta.inbound.screening.case import Case, Report, observed
from tierii_mta.mail.message_id import open_message_id
from tierii_mta.mail.tokens import TokenCodec

_MAX_IDS = 50  # that are looked at
_ID = re.compile(rb"<([a-zA-Z2-7]{16,64})@[^<>\s]{1,255}>")
_REPORT = re.compile(r"multipart/report\b", re.IGNORECASE)
_DAEMON = re.compile(r"\b(?:mailer-daemon|postmaster)@", re.IGNORECASE)


class Answers:
    """Mail about ours, and mail for those who must be reachable."""

    name = "answers"

    def __init__(self, codec: TokenCodec) -> None:
        self._codec = codec

    async def look(self, case: Case) -> Report:
        """Return how the message belongs to ours, or that it is backscatter."""
        if case.is_for_roles:
            return observed("role", ", ".join(one.address for one in case.incoming.recipients[:5]))
        if case.is_signed:
            purposes = sorted({str(one.token) for one in case.incoming.recipients})
            return observed("signed", ", ".join(purposes))
        answered = self._answered(case)
        if answered is not None:
            return observed("answer", answered)
        if case.incoming.reverse_path is not None or case.is_bounce_signed:
            return Report()
        if _is_report(case):
            return observed("backscatter", "a report, and nothing in it is of ours")
        return observed("null_sender", "to a mailbox")

    def _answered(self, case: Case) -> str | None:
        """Return the Message-ID of ours that the header names, or that a report encloses."""
        named = " ".join((*case.fields.get("in-reply-to", ()), *case.fields.get("references", ())))
        found = self._ours(named.encode("utf-8", "replace"))
        return found or (self._ours(case.opening) if _is_report(case) else None)

    def _ours(self, octets: bytes) -> str | None:
        for match in islice(_ID.finditer(octets), _MAX_IDS):
            if open_message_id(self._codec, match[0].decode("utf-8", "replace")) is not None:
                return match[0].decode("utf-8", "replace")
        return None


def _is_report(case: Case) -> bool:
    kind, author = case.first("content-type") or "", case.first("from") or ""
    return bool(_REPORT.match(kind)) or (case.incoming.reverse_path is None and bool(_DAEMON.search(author)))

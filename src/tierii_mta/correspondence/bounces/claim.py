"""What one format says about one recipient, before anybody judges it.

Owns the value between the formats (delivery_status, sections, texts) and the judgement (diagnosis).  Pure.
"""

from dataclasses import dataclass
from enum import Enum

from tierii_mta.mail.reply import EnhancedCode
from tierii_mta.queue.delivery import Stage

MAX_TEXT = 2_000
"""Characters of a diagnostic; no real one is longer, and every rule sees no more."""


class Voice(Enum):
    """Who speaks in `Claim.text`. The less a voice can know of the mailbox, the less it can condemn."""

    SERVER = "server"  # the words of an SMTP server, or of nobody in particular
    KEEPER = "keeper"  # the system that holds the mailboxes or looked up the domain, in its own words
    PROGRAM = "program"  # what a local program printed (Diagnostic-Code: x-unix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is said of one recipient."""

    recipient: str | None
    source: str  # the format's name
    original_recipient: str | None = None  # as the sender gave it, where told apart
    action: str = "failed"
    status: EnhancedCode | None = None  # the field Status, or what stands for it
    text: str = ""
    stage: Stage | None = None  # which command was answered, where told
    voice: Voice = Voice.SERVER
    remote_mta: str | None = None

    @property
    def key(self) -> str:
        """What tells recipients of one report apart."""
        return (self.recipient or "").casefold()

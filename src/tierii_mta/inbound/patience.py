"""How long a client may take for what, and what it is told when it took longer.

Owns the deadlines of a session: a command, a message and its least rate, the whole.  Pure: times come in, a reply goes
out.  RFC 5321 §4.5.3.2.
"""

from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.mail.reply import Reply

_CROWDED_S = 10.0  # for a command while places are scarce
_SILENCE_S = 180.0  # within a message
_GRACE_S = 60.0  # before the rate of a message counts
_TIMEOUT = Reply.of(421, "timeout", "4.4.2")
_TOO_SLOW = Reply.of(421, "the message comes too slowly", "4.4.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The patience of one door."""

    command: timedelta = timedelta(minutes=5)
    session: timedelta = timedelta(hours=2)
    message: timedelta = timedelta(minutes=30)  # from DATA to its end
    data_rate: int = 500  # octets a second that a message must bring, after a minute's grace
    greeting_delay: timedelta = timedelta(0)

    def with_command(self, *, silent_s: float, session_s: float, is_crowded: bool) -> Reply | None:
        """Return what to say to a client that owes a command, if it took too long; octets without an end are none."""
        most_s = self.command.total_seconds()
        if is_crowded:
            most_s = min(most_s, _CROWDED_S)
        return _TIMEOUT if silent_s > most_s or session_s > self.session.total_seconds() else None

    def with_message(self, *, silent_s: float, elapsed_s: float, octets: int) -> Reply | None:
        """Return what to say to a client that is sending a message, if it takes too long."""
        if elapsed_s > _GRACE_S and octets < self.data_rate * (elapsed_s - _GRACE_S):
            return _TOO_SLOW
        return _TIMEOUT if silent_s > _SILENCE_S or elapsed_s > self.message.total_seconds() else None

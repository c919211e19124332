"""The small world the stories are told in, for whoever has to judge in it.

example.test is ours: `unknown@` has no mailbox (550), `later@` waits (450), `leave@` ends the session (421), and for
`nodata@` DATA is refused.  The sender `blocked@` is refused.  The user is `alice` with the password `secret`.
"""

from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail

NAME = "mx.example.test"
KEPT = Reply.of(250, "kept", "2.0.0")
_RECIPIENTS = {
    "unknown": Reply.of(550, "nobody of that name", "5.1.1"),
    "later": Reply.of(450, "try later", "4.2.1"),
    "leave": Reply.of(421, "enough of you", "4.7.0"),
}


def authenticate(credentials: Credentials) -> Reply:
    """Know alice."""
    if (credentials.name, credentials.password) == ("alice", "secret"):
        return Reply.of(235, "welcome", "2.7.0")
    return Reply.of(535, "the credentials are not valid", "5.7.8")


def sender(mail: Mail) -> Reply:
    """Let all but one send."""
    if mail.reverse_path is not None and mail.reverse_path.local == "blocked":
        return Reply.of(550, "go away", "5.7.1")
    return Reply.of(250, "sender ok", "2.1.0")


def recipient(path: Address) -> Reply:
    """Take mail for one domain."""
    if path.domain not in ("example.test", NAME):
        return Reply.of(554, "we relay nothing", "5.7.1")
    return _RECIPIENTS.get(path.local, Reply.of(250, "recipient ok", "2.1.5"))


def data(last: Address | None) -> Reply:
    """Let the message come, but for one recipient."""
    if last is not None and last.local == "nodata":
        return Reply.of(451, "not now", "4.3.0")
    return Reply.of(354, "go ahead")

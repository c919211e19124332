"""Port 25: mail from other servers for recipients of ours, checked, kept in the inbox, and nothing passed on.

Owns who may be written to here and the order of what is decided about a message; not who is known
(inbound.mailboxes), what a verdict rests on (inbound.checks), how many come how often (inbound.gate), the dialogue
(inbound.listener) nor the commit (queue.committer).  Nobody authenticates here, so everybody is a stranger.

A received message, step by step:
1. `mail`       there is room, and the database takes commits; any reverse-path may begin, also none
2. `recipient`  known here: 250. Unknown: 550 5.1.1, and too many of them end the session and ban the address.
                Anything else would be relayed: 550 5.7.1
3. `message`    more hosts than a message passes without a loop: 554 5.4.6      (inbound.trace)
                the verdict, within its time                                    (inbound.checks)
                kept under fields of ours (Return-Path, Authentication-Results, Received) and without those that
                speak in our name, with envelope, facts and event in one commit, then 250
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain

import structlog

from tierii_mta.authentication.results_reader import strip_results
from tierii_mta.clock import Clock, Instant
from tierii_mta.inbound.checks import Checks, Decision, Incoming, Verdict, judged
from tierii_mta.inbound.gate import Gate
from tierii_mta.inbound.mailboxes import Known, Mailboxes, Refused
from tierii_mta.inbound.session import Message, Session
from tierii_mta.inbound.trace import hops, message_id, received, return_path
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.intake import Spooled
from tierii_mta.queue.received import InboxEntry, InboxRecipient, InboxState
from tierii_mta.queue.reserve import Reserve
from tierii_mta.queue.store import Receive, Received
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail, Recipient

MAX_HOPS = 50  # the field's number; RFC 5321 §6.3 would allow 100
_OK = Reply.of(250, "Ok", "2.1.0")
_RECIPIENT_OK = Reply.of(250, "Ok", "2.1.5")
_GO_ON = Reply.of(354, "End data with <CR><LF>.<CR><LF>")
_NO_AUTH = Reply.of(502, "AUTH is not offered", "5.5.1")
_UNKNOWN = Reply.of(550, "no such recipient here", "5.1.1")
_HARVEST = Reply.of(421, "too many unknown recipients, try again later", "4.7.0")
_FOREIGN = Reply.of(550, "relaying denied", "5.7.1")
_ONE_AT_A_TIME = Reply.of(452, "a message of the null sender has one recipient", "4.5.3")
_LOOP = Reply.of(554, f"more than {MAX_HOPS} hosts passed this on: it loops", "5.4.6")


@dataclass(slots=True, kw_only=True)
class _Transaction:
    """What was said since MAIL FROM."""

    mail: Mail
    recipients: dict[str, InboxRecipient] = field(default_factory=dict)  # by `Address.key`
    first: Address | None = None

    @property
    def only_recipient(self) -> Address | None:
        """The recipient, where there is one."""
        return self.first if len(self.recipients) == 1 else None


class ReceptionDesk:
    """What all sessions of port 25 share."""

    def __init__(
        self,
        *,
        mailboxes: Mailboxes,
        committer: Committer,
        checks: Checks,
        gate: Gate,
        reserve: Reserve,
        clock: Clock,
        hostname: str,
        check_timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        """`mailboxes` may be replaced at any time; `reserve` is kept free of new mail."""
        self.mailboxes, self.committer, self.checks, self.gate = mailboxes, committer, checks, gate
        self.reserve, self.clock, self.hostname, self.check_timeout = reserve, clock, hostname, check_timeout

    def judge(self, session: Session) -> "ReceptionJudge":
        """Return who decides for a session."""
        return ReceptionJudge(self, session)


class ReceptionJudge:
    """Implements `inbound.session.Judge` for one session."""

    def __init__(self, desk: ReceptionDesk, session: Session) -> None:
        self._desk, self._session = desk, session
        self._transaction: _Transaction | None = None
        self._messages = 0

    async def greet(self) -> Reply | None:
        """Let everybody begin whom the gate let in."""
        return None

    async def authenticate(self, credentials: Credentials) -> Reply:
        """Refuse: whoever has a password here submits elsewhere."""
        return _NO_AUTH

    async def mail(self, mail: Mail) -> Reply:
        """Begin a transaction. Raises `Unavailable` while nothing can be kept."""
        self._transaction = None
        self._desk.reserve.check()
        if self._desk.committer.sickness is not None:
            raise self._desk.committer.sickness
        self._transaction = _Transaction(mail=mail)
        return _OK

    async def recipient(self, recipient: Recipient) -> Reply:
        """Take a recipient that is known here; the same one twice is one.

        A report to a null sender answers one message, so it has one recipient; 452 lets a client that has more
        send them one by one (RFC 5321 §4.5.3.1.10).
        """
        transaction, address = self._open(), recipient.forward_path
        found = self._desk.mailboxes.find(address)
        match found:
            case Refused.UNKNOWN:
                return _HARVEST if self._desk.gate.miss_recipient(self._session.remote) else _UNKNOWN
            case Refused.FOREIGN:
                return _FOREIGN
            case Known(mailbox=mailbox, token=token):
                if address.key in transaction.recipients:
                    return _RECIPIENT_OK
                if transaction.mail.reverse_path is None and transaction.recipients:
                    return _ONE_AT_A_TIME
                kept = InboxRecipient(address=str(address), mailbox=mailbox, token=token)
                transaction.recipients[address.key] = kept
                transaction.first = transaction.first or address
                return _RECIPIENT_OK

    async def data(self) -> Reply:
        """Let the message come."""
        return _GO_ON

    async def message(self, message: Message) -> Reply:
        """Keep the message. Raises `Unavailable` (its sender keeps it) or `StatementFailed`."""
        transaction, self._transaction = self._open(), None
        self._messages += 1
        if hops(message.head) > MAX_HOPS:
            return _LOOP
        incoming = Incoming(
            session=self._session,
            reverse_path=transaction.mail.reverse_path,
            recipients=tuple(transaction.recipients.values()),
            is_smtputf8=transaction.mail.is_smtputf8,
            message=message,
        )
        verdict = await judged(self._desk.checks, incoming, within=self._desk.check_timeout)
        if verdict.reply is not None:
            return verdict.reply
        self._desk.reserve.check()
        kept = await self._desk.committer.submit(self._operation(transaction, incoming, verdict))
        if not isinstance(kept, Received):
            raise TypeError(f"the store answered a Receive with {kept!r}")
        structlog.get_logger().info(
            "message.accepted",
            session=self._session.id,
            trace=self._trace_id,
            door=self._session.door.value,
            remote=str(self._session.remote),
            inbox=kept.id,
            recipients=len(incoming.recipients),
            size_bytes=message.size_bytes,
            verdict=str(verdict.decision),
            score=verdict.total,
        )
        return Reply.of(250, f"Ok: kept as {kept.id}", "2.0.0")

    def abandoned(self) -> None:
        """Forget the transaction."""
        self._transaction = None

    def closed(self) -> None:
        """Forget the transaction, if one is open."""
        self._transaction = None

    def _open(self) -> _Transaction:
        if self._transaction is None:
            raise RuntimeError("no transaction is open")
        return self._transaction

    def _operation(self, transaction: _Transaction, incoming: Incoming, verdict: Verdict) -> Receive:
        message, now = incoming.message, self._desk.clock.now()
        head = strip_results(message.head, self._desk.hostname)
        top = self._top(transaction, head, now, verdict.fields)

        def read() -> Iterator[bytes]:
            return chain((top, head), message.body())

        entry = InboxEntry(
            received_at=now,
            state=InboxState.QUARANTINED if verdict.decision is Decision.QUARANTINE else InboxState.NEW,
            remote=str(self._session.remote),
            client_name=self._session.client_name,
            tls=self._session.tls,
            reverse_path=str(incoming.reverse_path or ""),
            recipients=tuple(incoming.recipients),
            message_id=message_id(message.head),
            size_bytes=len(top) + len(head) + message.size_bytes - len(message.head),
            verdict=verdict.as_json(),
            session=self._facts(incoming),
        )
        return Receive(entry=entry, parts=Spooled(read=read, size_bytes=entry.size_bytes))

    @property
    def _trace_id(self) -> str:
        """What Received and the log know the message by."""
        return f"{self._session.id}.{self._messages}"

    def _top(self, transaction: _Transaction, head: bytes, now: Instant, fields: bytes) -> bytes:
        """Return the fields above the message. An empty line follows where its first line would continue them."""
        trace = received(
            self._session,
            by=self._desk.hostname,
            id=self._trace_id,
            at=now,
            recipient=transaction.only_recipient,
            is_smtputf8=transaction.mail.is_smtputf8,
        )
        gap = b"\r\n" if head[:1] in (b" ", b"\t") else b""
        return return_path(transaction.mail.reverse_path) + fields + trace + gap

    def _facts(self, incoming: Incoming) -> dict[str, Json]:
        session, faults = self._session, incoming.message.faults
        return {
            "id": session.id,
            "trace": self._trace_id,
            "remote_port": session.remote_port,
            "local": session.local,
            "started_at": session.started_at,
            "is_extended": session.is_extended,
            "is_8bit": incoming.message.is_8bit,
            "is_smtputf8": incoming.is_smtputf8,
            "is_mended": not faults.is_clean,
        }

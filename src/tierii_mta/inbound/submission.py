"""Submission: authenticated users hand in mail to be sent (RFC 6409; ports 587 and 465).

Owns who may send what to whom: login, sender identity, suppressed recipients, limits a day, and what a message is kept
as; not the dialogue (inbound.listener), the header's edits (inbound.preparation) nor the commit (queue.intake).  Nobody
without an account reaches a judge's `mail`, so nothing is relayed for strangers.

A submitted message, step by step:
1. `authenticate`  the password is the account's                              (inbound.logins)
2. `mail`          the reverse-path is the account's, in a domain of ours; the day has a message left
3. `recipient`     the person is not suppressed, the day has room             (inbound.allowance)
4. `message`       the header is in order, its author is the account's        (inbound.preparation)
                   kept with usage and acquaintances in one commit, then 250  (queue.intake)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import structlog

from tierii_mta.clock import Clock
from tierii_mta.consent.suppression import MailKind
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.accounts import Account, AccountStore, ReturnPath, Usage
from tierii_mta.inbound.allowance import Allowance, Allowances
from tierii_mta.inbound.logins import Logins
from tierii_mta.inbound.preparation import Manuscript
from tierii_mta.inbound.session import Message, Session
from tierii_mta.inbound.trace import received
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import PermanentError, Reply
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.intake import Intake, Spooled, Submission
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail, Recipient

_SHOWN_SENDERS = 5
_ONE_MESSAGE = Usage(messages=1)
_OK = Reply.of(250, "Ok", "2.1.0")
_RECIPIENT_OK = Reply.of(250, "Ok", "2.1.5")
_GO_ON = Reply.of(354, "End data with <CR><LF>.<CR><LF>")
_WELCOME = Reply.of(235, "Authentication successful", "2.7.0")
_WRONG = Reply.of(535, "the credentials are not valid", "5.7.8")
_CROWDED = Reply.of(454, "authentication is not possible now, try again later", "4.7.0")
_GONE = Reply.of(530, "authentication is required", "5.7.0")
_NOT_QUALIFIED = Reply.of(550, "the recipient's domain is not fully qualified", "5.1.2")


def stream_of(account: str) -> str:
    """Return the name of an account's stream."""
    return f"user:{account}"


@dataclass(slots=True, kw_only=True)
class _Transaction:
    """What was said since MAIL FROM."""

    mail: Mail
    allowance: Allowance
    recipients: dict[PersonKey, Recipient] = field(default_factory=dict)
    cost: Usage = _ONE_MESSAGE


class SubmissionDesk:
    """What all sessions of submission share."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        logins: Logins,
        intake: Intake,
        codec: TokenCodec,
        clock: Clock,
        hostname: str,
        domains: Mapping[str, str],
    ) -> None:
        """`domains` are those we send as, in A-labels, each with the domain of its signed return paths."""
        self.accounts, self.logins, self.intake = accounts, logins, intake
        self.codec, self.clock, self.hostname, self.domains = codec, clock, hostname, domains
        self.allowances = Allowances(accounts, clock)

    def judge(self, session: Session) -> "SubmissionJudge":
        """Return who decides for a session."""
        return SubmissionJudge(self, session)

    def against_identity(self, account: Account, address: Address) -> Reply | None:
        """Return why an account may not send as an address."""
        if not account.may_send_as(address):
            return Reply.of(550, f"{account.name} may not send as {address}, only as {_named(account)}", "5.7.1")
        if address.domain not in self.domains:
            return Reply.of(550, f"{address.domain} is no domain of this server, so it could not sign", "5.7.1")
        return None


class SubmissionJudge:
    """Implements `inbound.session.Judge` for one session."""

    def __init__(self, desk: SubmissionDesk, session: Session) -> None:
        self._desk, self._session = desk, session
        self._transaction: _Transaction | None = None
        self._messages = 0

    async def greet(self) -> Reply | None:
        """Let everybody begin: without a login nobody comes far."""
        return None

    async def authenticate(self, credentials: Credentials) -> Reply:
        """Check a name and a password; upper and lower case of names are one."""
        name = credentials.name.lower()
        try:
            account = await self._desk.logins.verify(name, credentials.password)
        except Unavailable as failure:
            structlog.get_logger().warning("login.unserved", session=self._session.id, error=str(failure))
            return _CROWDED
        if account is None:
            remote = str(self._session.remote)
            structlog.get_logger().info("login.failed", session=self._session.id, remote=remote, user=name)
            return _WRONG
        self._session.user = account.name
        return _WELCOME

    async def mail(self, mail: Mail) -> Reply:
        """Begin a transaction. The null sender is for notifications that nobody is to answer (RFC 6409 §6.1 leaves
        rights to the site); the author in the header has to be the account's all the same.
        """
        self._end(is_spent=False)
        allowance = await self._allowance()
        if allowance is None:
            return _GONE
        if mail.reverse_path is not None:
            refusal = self._desk.against_identity(allowance.account, mail.reverse_path)
            if refusal is not None:
                return refusal
        refusal = allowance.against_message()
        if refusal is not None:
            return refusal
        self._transaction = _Transaction(mail=mail, allowance=allowance)
        allowance.reserve(self._transaction.cost)
        return _OK

    async def recipient(self, recipient: Recipient) -> Reply:
        """Take a recipient; the same person twice is one."""
        transaction = self._open()
        address = recipient.forward_path
        if "." not in address.domain and not address.domain.startswith("["):
            return _NOT_QUALIFIED
        person = self._desk.codec.person_key(address)
        if person in transaction.recipients:
            return _RECIPIENT_OK
        known = await self._desk.accounts.acquaintance(transaction.allowance.account.name, person)
        now = self._desk.clock.now()
        sender = transaction.mail.reverse_path
        kind = MailKind(is_marketing=False, sender=sender.domain if sender is not None else None)
        for entry in known.suppressions:
            if entry.stops(kind, now=now):
                return Reply.of(550, f"{address} is on the suppression list ({entry.reason})", "5.7.1")
        refusal = transaction.allowance.against_recipient(is_newcomer=not known.is_known)
        if refusal is not None:
            return refusal
        more = Usage(recipients=1, newcomers=int(not known.is_known))
        transaction.allowance.reserve(more)
        transaction.cost = transaction.cost.plus(more)
        transaction.recipients[person] = recipient
        return _RECIPIENT_OK

    async def data(self) -> Reply:
        """Let the message come."""
        return _GO_ON

    async def message(self, message: Message) -> Reply:
        """Keep the message."""
        transaction = self._open()
        self._messages += 1
        is_spent = False
        try:
            manuscript = Manuscript.read(message.head)
            self._check_identity(transaction.allowance.account, manuscript)
            submission = self._submission(transaction, manuscript, message)
            accepted = await self._desk.intake.accept(submission)
            is_spent = not accepted.is_repeat
        except PermanentError as refusal:
            return refusal.reply
        finally:
            self._end(is_spent=is_spent)
        structlog.get_logger().info(
            "message.accepted",
            session=self._session.id,
            trace=self._trace_id,
            door=self._session.door.value,
            user=self._session.user,
            message=accepted.message,
            message_id=accepted.message_id,
            recipients=len(accepted.deliveries),
            size_bytes=message.size_bytes,
            is_repeat=accepted.is_repeat,
        )
        words = "queued before" if accepted.is_repeat else "queued"
        return Reply.of(250, f"Ok: {words} as {accepted.message} {accepted.message_id}", "2.0.0")

    def abandoned(self) -> None:
        """Forget the transaction."""
        self._end(is_spent=False)

    def closed(self) -> None:
        """Forget the transaction, if one is open."""
        self._end(is_spent=False)

    async def _allowance(self) -> Allowance | None:
        user = self._session.user
        return await self._desk.allowances.of(user) if user is not None else None

    def _open(self) -> _Transaction:
        if self._transaction is None:
            raise RuntimeError("no transaction is open")
        return self._transaction

    def _end(self, *, is_spent: bool) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.allowance.release(transaction.cost, is_spent=is_spent)

    def _check_identity(self, account: Account, manuscript: Manuscript) -> None:
        for address in (manuscript.author, manuscript.sender):
            refusal = self._desk.against_identity(account, address) if address is not None else None
            if refusal is not None:
                raise PermanentError(refusal)

    def _submission(self, transaction: _Transaction, manuscript: Manuscript, message: Message) -> Submission:
        account, mail, wishes = transaction.allowance.account, transaction.mail, manuscript.instructions
        recipients = list(transaction.recipients.values())
        message_id = manuscript.message_id or random_message_id(self._desk.clock, manuscript.author.domain)
        trace = self._trace(mail, recipients[0].forward_path if len(recipients) == 1 else None)
        head = manuscript.edited(trace=trace, message_id=message_id, now=self._desk.clock.now())
        priority = wishes.priority if wishes.priority is not None else Priority.NORMAL
        return Submission(
            stream=stream_of(account.name),
            reverse_path=mail.reverse_path,
            recipients=recipients,
            content=_content(head, message),
            message_id=message_id,
            priority=max(priority, account.max_priority),  # the larger number is the lower priority
            idempotency_key=wishes.idempotency_key,
            account=account.name,
            ret=mail.ret,
            envid=mail.envid,
            is_smtputf8=mail.is_smtputf8,
            label=wishes.label,
            tag=wishes.tag,
            return_path=self._return_path(account, mail.reverse_path),
        )

    def _return_path(self, account: Account, reverse_path: Address | None) -> str | None:
        if account.return_path is ReturnPath.KEEP or reverse_path is None:
            return None
        return self._desk.domains[reverse_path.domain]

    @property
    def _trace_id(self) -> str:
        """What Received and the log know the message by."""
        return f"{self._session.id}.{self._messages}"

    def _trace(self, mail: Mail, recipient: Address | None) -> bytes:
        """Return our Received field. A client of our own network stays unnamed: its addresses are nobody's business."""
        return received(
            self._session,
            by=self._desk.hostname,
            id=self._trace_id,
            at=self._desk.clock.now(),
            recipient=recipient,
            is_smtputf8=mail.is_smtputf8,
            hides_client=not self._session.remote.is_global,
        )


def _content(head: bytes, message: Message) -> Spooled:
    """Return the message with another header; its body is read when it is written."""

    def read() -> Iterator[bytes]:
        return chain((head,), message.body())

    return Spooled(read=read, size_bytes=len(head) + message.size_bytes - len(message.head))


def _named(account: Account) -> str:
    """Return whom an account may send as, in words."""
    names = [pattern.text for pattern in account.senders]
    if not names:
        return "nobody: it has no senders yet"
    more = len(names) - _SHOWN_SENDERS
    return ", ".join(names[:_SHOWN_SENDERS]) + (f" and {more} more" if more > 0 else "")

"""What an authenticated user may send, and what becomes of it: the judge of submission over a real store."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.queue.plant import CODEC, SCHEDULE, committing, open_database
from tests.support.clock import ManualClock
from tierii_mta.clock import rfc3339
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, list_scope
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.accounts import Account, DailyLimits, ReturnPath, SenderPattern, Usage, day_of, end_of
from tierii_mta.inbound.logins import Logins, password_hasher
from tierii_mta.inbound.session import Door, Message, Session
from tierii_mta.inbound.submission import SubmissionDesk, SubmissionJudge
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import open_message_id
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.store import Accepted, CommitFailed
from tierii_mta.smtp.data_reader import Faults
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail, Notify, Recipient, Return
from tierii_mta.storage.database import Database

PASSWORD = "correct horse battery"
SHOP = Address.parse("shop@example.com")
HEAD = b"From: Shop <shop@example.com>\r\nTo: ann@a.example\r\nSubject: hi\r\n\r\n"


@dataclass
class Counter:
    """A desk, and a session at it."""

    database: Database
    clock: ManualClock
    committer: Committer
    desk: SubmissionDesk
    session: Session
    judge: SubmissionJudge

    async def login(self) -> None:
        reply = await self.judge.authenticate(Credentials(mechanism="PLAIN", name="shop", password=PASSWORD))
        assert reply.code == 235

    async def change(self, **fields: Any) -> None:
        """Change the account, and let what is known of it grow old."""
        account = await self.database.accounts.get("shop")
        assert account is not None
        await self.database.accounts.put(replace(account, **fields))
        self.clock.advance(timedelta(seconds=2))

    async def mail(self, sender: Address | None = SHOP, **fields: Any) -> Reply:
        return await self.judge.mail(Mail(reverse_path=sender, **fields))

    async def rcpt(self, address: str, **fields: Any) -> Reply:
        return await self.judge.recipient(Recipient(forward_path=Address.parse(address), **fields))

    async def message(self, head: bytes = HEAD, body: bytes = b"Hello.\r\n") -> Reply:
        return await self.judge.message(
            Message(
                head=head,
                body=lambda: iter([body[:3], body[3:]]),
                size_bytes=len(head) + len(body),
                is_8bit=False,
                faults=Faults(),
            )
        )

    async def send(self, *recipients: str, head: bytes = HEAD, sender: Address | None = SHOP) -> Reply:
        assert (await self.mail(sender)).code == 250
        for recipient in recipients or ("ann@a.example",):
            assert (await self.rcpt(recipient)).code == 250
        assert (await self.judge.data()).code == 354
        return await self.message(head)

    async def used(self) -> Usage:
        standing = await self.database.accounts.standing("shop", day_of(self.clock.now()))
        assert standing is not None
        return standing[1]

    async def content(self, reply: Reply) -> bytes:
        number, _ = queued(reply)
        return b"".join(await self.database.queue.message_parts(number))  # type: ignore[arg-type]


def queued(reply: Reply) -> tuple[int, str]:
    """Return what a 250 calls the message."""
    assert (reply.code, str(reply.enhanced)) == (250, "2.0.0")
    number, message_id = reply.text.rpartition(" as ")[2].split(" ")
    return int(number), message_id


@asynccontextmanager
async def open_counter(folder: Path, *, remote: str = "192.0.2.7") -> AsyncIterator[Counter]:
    clock = ManualClock()
    database = await open_database(folder, clock)
    account = Account(
        name="shop",
        password=password_hasher().hash(PASSWORD),
        senders=tuple(map(SenderPattern.parse, ("@example.com", "ann@elsewhere.example"))),
        limits=DailyLimits(messages=None, newcomers=None),
        created_at=clock.now(),
        changed_at=clock.now(),
    )
    await database.accounts.put(account)
    logins = Logins(database.accounts, clock)
    async with committing(database, clock) as committer:
        desk = SubmissionDesk(
            accounts=database.accounts,
            logins=logins,
            intake=Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock),
            codec=CODEC,
            clock=clock,
            hostname="mta.example.com",
            domains={"example.com": "bounce.example.com"},
        )
        session = Session(
            id="ses_1",
            door=Door.SUBMISSION,
            remote=ip_address(remote),
            remote_port=40_000,
            local="192.0.2.1:587",
            started_at=clock.now(),
            client_name="app.internal",
            is_extended=True,
            tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        )
        yield Counter(database, clock, committer, desk, session, desk.judge(session))
    logins.close()
    await database.close()


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    """A counter with somebody who has logged in."""
    async with open_counter(tmp_path) as counter:
        await counter.login()
        yield counter


# --- login


async def test_a_login_names_the_user_and_a_failed_one_nobody(tmp_path: Path) -> None:
    async with open_counter(tmp_path) as counter:
        for name, password in (("shop", "wrong"), ("nobody", PASSWORD)):
            reply = await counter.judge.authenticate(Credentials(mechanism="PLAIN", name=name, password=password))
            assert str(reply) == "535 5.7.8 the credentials are not valid"
        assert (await counter.mail()).code == 530
        reply = await counter.judge.authenticate(Credentials(mechanism="LOGIN", name="SHOP", password=PASSWORD))
        assert (reply.code, counter.session.user) == (235, "shop")


async def test_logins_that_cannot_be_checked_now_are_put_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_counter(tmp_path) as counter:

        async def fail(name: str) -> Account | None:
            raise Unavailable("the database does not answer")

        monkeypatch.setattr(counter.database.accounts, "get", fail)
        reply = await counter.judge.authenticate(Credentials(mechanism="PLAIN", name="shop", password=PASSWORD))
        assert str(reply).startswith("454 4.7.0 ")


@pytest.mark.parametrize("is_removed", [True, False])
async def test_an_account_that_goes_ends_its_sessions_within_seconds(counter: Counter, is_removed: bool) -> None:
    queued(await counter.send())
    if is_removed:
        await counter.database.accounts.delete("shop")
        counter.clock.advance(timedelta(seconds=2))
    else:
        await counter.change(is_enabled=False)
    assert (await counter.mail()).code == 530


# --- identity


@pytest.mark.parametrize(
    ("sender", "says"),
    [
        ("ceo@other.example", "may not send as ceo@other.example, only as @example.com, ann@elsewhere.example"),
        ("shop@sub.example.com", "may not send as"),
        ("ann@elsewhere.example", "no domain of this server"),
    ],
)
async def test_a_foreign_sender_is_refused_and_told_what_is_allowed(counter: Counter, sender: str, says: str) -> None:
    reply = await counter.mail(Address.parse(sender))
    assert str(reply).startswith("550 5.7.1 ")
    assert says in reply.text
    counted = await counter.send(head=HEAD.replace(b"shop@example.com", sender.encode()))
    assert str(counted).startswith("550 5.7.1 ")
    assert says in counted.text
    both = HEAD.replace(b"To:", b"Sender: " + sender.encode() + b"\r\nTo:")
    assert says in (await counter.send(head=both)).text
    assert await counter.used() == Usage()


async def test_the_null_sender_may_send_with_an_author_of_its_own(counter: Counter) -> None:
    number, _ = queued(await counter.send(sender=None))
    assert number
    assert (await counter.send(sender=None, head=HEAD.replace(b"example.com", b"other.example"))).code == 550


async def test_an_account_with_many_senders_is_told_of_some(counter: Counter) -> None:
    await counter.change(senders=tuple(SenderPattern.parse(f"a{number}@example.com") for number in range(7)))
    reply = await counter.mail()
    assert reply.text.endswith("a4@example.com and 2 more")


# --- recipients


async def test_who_bounced_complained_or_was_barred_is_refused_and_who_unsubscribed_is_not(counter: Counter) -> None:
    for number, (reason, scope) in enumerate(
        [
            (SuppressionReason.HARD_BOUNCE, EVERYWHERE),
            (SuppressionReason.COMPLAINT, EVERYWHERE),
            (SuppressionReason.MANUAL, EVERYWHERE),
            (SuppressionReason.UNSUBSCRIBE, EVERYWHERE),
            (SuppressionReason.COMPLAINT, list_scope("news.example.com")),
        ]
    ):
        key = CODEC.person_key(Address.parse(f"p{number}@a.example"))
        await counter.database.suppression.add(
            [Suppression(key=key, scope=scope, reason=reason, created_at=counter.clock.now())]
        )
    await counter.mail()
    replies = [str(await counter.rcpt(f"p{number}@a.example")) for number in range(5)]
    assert replies[0] == "550 5.7.1 p0@a.example is on the suppression list (hard_bounce)"
    assert [reply[:9] for reply in replies] == ["550 5.7.1"] * 3 + ["250 2.1.5"] * 2


async def test_a_domain_that_is_not_fully_qualified_is_refused(counter: Counter) -> None:
    await counter.mail()
    assert str(await counter.rcpt("ann@localhost")).startswith("550 5.1.2 ")
    assert (await counter.rcpt("ann@[192.0.2.1]")).code == 250


async def test_a_person_named_twice_gets_one_mail(counter: Counter) -> None:
    await counter.mail()
    for name in ("ann@a.example", "ANN@A.example"):
        assert (await counter.rcpt(name)).code == 250
    _, message_id = queued(await counter.message())
    assert len(await counter.database.queue.history(message_id=message_id)) == 1
    assert await counter.used() == Usage(messages=1, recipients=1, newcomers=1)


# --- limits


async def test_messages_a_day_end_with_the_time_of_the_next_one(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(messages=2, newcomers=None))
    for _ in range(2):
        queued(await counter.send())
    reply = await counter.mail()
    assert str(reply).startswith("450 4.7.1 2 messages a day are used up; the next day begins at ")
    assert reply.text.endswith(rfc3339(end_of(day_of(counter.clock.now()))))
    counter.clock.advance(timedelta(days=1))
    queued(await counter.send())


async def test_recipients_and_new_ones_a_day_are_bounded_within_one_message_too(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(recipients=4, newcomers=2))
    queued(await counter.send("a@a.example", "b@a.example"))
    await counter.mail()
    assert str(await counter.rcpt("c@a.example")).startswith("450 4.7.1 2 new recipients a day")
    assert (await counter.rcpt("a@a.example")).code == 250
    assert (await counter.rcpt("b@a.example")).code == 250
    assert str(await counter.rcpt("a+1@a.example")).startswith("452 4.5.3 4 recipients a day")
    counter.judge.abandoned()
    queued(await counter.send("a@a.example"))


async def test_sessions_at_once_do_not_pass_a_limit_together(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(messages=1, newcomers=None))
    other = counter.desk.judge(replace(counter.session, id="ses_2"))
    assert (await counter.mail()).code == 250
    assert (await other.mail(Mail(reverse_path=SHOP))).code == 450
    counter.judge.closed()
    assert (await other.mail(Mail(reverse_path=SHOP))).code == 250


async def test_what_another_process_sent_counts(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(messages=1, newcomers=None))
    assert (await counter.mail()).code == 250
    counter.judge.abandoned()
    async with open_counter_elsewhere(counter) as other:
        queued(await other.send())
    counter.clock.advance(timedelta(seconds=2))
    assert (await counter.mail()).code == 450


@asynccontextmanager
async def open_counter_elsewhere(counter: Counter) -> AsyncIterator[Counter]:
    """Another process's desk over the same database."""
    desk = SubmissionDesk(
        accounts=counter.database.accounts,
        logins=counter.desk.logins,
        intake=counter.desk.intake,
        codec=CODEC,
        clock=counter.clock,
        hostname="mta.example.com",
        domains=counter.desk.domains,
    )
    yield replace(counter, desk=desk, judge=desk.judge(counter.session))


# --- what is kept


async def test_a_message_is_kept_with_our_trace_and_what_was_missing(counter: Counter) -> None:
    reply = await counter.send(head=b"Bcc: boss@example.com\r\nX-Tierii-Tag: order\r\n" + HEAD)
    _, message_id = queued(reply)
    kept = await counter.content(reply)
    head, _, body = kept.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"Received: from mta.example.com"
    assert lines[1] == b"\tby mta.example.com with ESMTPSA"
    assert lines[2] == b"\tid ses_1.1 for <ann@a.example>"
    assert lines[3] == b"\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3);"
    assert lines[5:8] == HEAD.strip().split(b"\r\n")
    assert lines[8].startswith(b"Date: ")
    assert lines[9] == b"Message-ID: " + message_id.encode()
    assert len(lines) == 10
    assert body == b"Hello.\r\n"
    assert message_id.endswith("@example.com>")
    assert open_message_id(CODEC, message_id) is None


async def test_a_client_of_the_internet_is_named_and_one_of_ours_is_not(tmp_path: Path) -> None:
    for number, (remote, line) in enumerate(
        [
            ("8.8.8.8", b"Received: from app.internal ([8.8.8.8])\r\n"),
            ("2606:4700::1", b"Received: from app.internal ([IPv6:2606:4700::1])\r\n"),
            ("10.0.0.5", b"Received: from mta.example.com\r\n"),
            ("127.0.0.1", b"Received: from mta.example.com\r\n"),
            ("fd00::5", b"Received: from mta.example.com\r\n"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with open_counter(folder, remote=remote) as counter:
            await counter.login()
            assert (await counter.content(await counter.send())).startswith(line)


async def test_only_a_single_recipient_is_named_in_the_trace(counter: Counter) -> None:
    assert b" for <" not in await counter.content(await counter.send("ann@a.example", "bob@b.example"))


async def test_what_the_sender_wants_to_be_told_travels_with_the_message(counter: Counter) -> None:
    seen: list[Any] = []
    accept = counter.desk.intake.accept

    async def note(submission: Any) -> Accepted:
        seen.append(submission)
        return await accept(submission)

    counter.desk.intake.accept = note  # type: ignore[method-assign]
    await counter.mail(ret=Return.HEADERS, envid="QQ", is_smtputf8=True)
    await counter.rcpt("ann@a.example", notify=frozenset({Notify.SUCCESS}), orcpt="rfc822;x@a.example")
    labels = b"X-Tierii-Campaign: spring\r\nX-Tierii-Tag: order\r\nX-Tierii-Priority: high\r\n"
    queued(await counter.message(labels + HEAD))
    (kept,) = seen
    assert (kept.ret, kept.envid, kept.is_smtputf8) == (Return.HEADERS, "QQ", True)
    assert (kept.label, kept.tag, kept.priority) == ("spring", "order", Priority.HIGH)
    assert (kept.stream, kept.account) == ("user:shop", "shop")
    assert (kept.recipients[0].notify, kept.recipients[0].orcpt) == ({Notify.SUCCESS}, "rfc822;x@a.example")


@pytest.mark.parametrize(
    ("asked", "most", "given"),
    [
        (b"", Priority.HIGH, Priority.NORMAL),
        (b"X-Tierii-Priority: high\r\n", Priority.HIGH, Priority.HIGH),
        (b"X-Tierii-Priority: High\r\n", Priority.NORMAL, Priority.NORMAL),
        (b"X-Tierii-Priority: low\r\n", Priority.HIGH, Priority.LOW),
        (b"", Priority.LOW, Priority.LOW),
    ],
)
async def test_nobody_gets_more_priority_than_the_account_has(
    counter: Counter, asked: bytes, most: Priority, given: Priority
) -> None:
    await counter.change(max_priority=most)
    _, message_id = queued(await counter.send(head=asked + HEAD))
    (delivery,) = await counter.database.queue.history(message_id=message_id)
    assert delivery.priority is given


async def test_a_repeated_idempotency_key_answers_with_the_first_message_and_costs_nothing(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(messages=2, newcomers=None))
    head = b"Idempotency-Key: order-7\r\n" + HEAD
    first, again = await counter.send(head=head), await counter.send("bob@b.example", head=head)
    assert queued(first) == queued(again)
    assert "queued before" in again.text
    assert await counter.used() == Usage(messages=1, recipients=1, newcomers=1)
    queued(await counter.send(head=HEAD))


async def test_bounces_of_an_account_with_signed_return_paths_come_to_the_domain_of_the_sender(
    counter: Counter,
) -> None:
    await counter.change(return_path=ReturnPath.VERP)
    for sender, domain in ((SHOP, "bounce.example.com"), (None, None)):
        _, message_id = queued(await counter.send(sender=sender))
        (delivery,) = await counter.database.queue.history(message_id=message_id)
        assert (await counter.database.queue.stored_message(delivery.id)).return_path == domain


async def test_a_header_that_is_not_in_order_is_refused_and_nothing_is_kept(counter: Counter) -> None:
    reply = await counter.send(head=b"no field\r\n" + HEAD)
    assert str(reply).startswith("550 5.6.0 ")
    assert await counter.used() == Usage()
    assert not await counter.database.queue.totals()


async def test_a_sick_store_lets_the_error_through_and_the_reservation_goes(counter: Counter) -> None:
    await counter.change(limits=DailyLimits(messages=1, newcomers=None))
    counter.committer.report_sick(CommitFailed("the disk is full"))
    with pytest.raises(Unavailable):
        await counter.send()
    while counter.committer.is_sick:
        await counter.clock.run(timedelta(seconds=1))
    queued(await counter.send())


async def test_a_large_body_is_read_while_it_is_written(counter: Counter) -> None:
    line = b"x" * 998 + b"\r\n"

    def body() -> Iterator[bytes]:
        return iter([line] * 2_000)

    await counter.mail()
    await counter.rcpt("ann@a.example")
    size = len(HEAD) + 2_000 * len(line)
    reply = await counter.judge.message(Message(head=HEAD, body=body, size_bytes=size, is_8bit=False, faults=Faults()))
    kept = await counter.content(reply)
    assert kept.endswith(b"\r\n\r\n" + line * 2_000)

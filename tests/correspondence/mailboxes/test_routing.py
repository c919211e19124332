"""Routing: every way a recipient is known leads to a mailbox of the settings, or to none, and twice to none."""

import pytest

from tierii_mta.correspondence.mailboxes.routing import FOR_NOBODY, MailboxDomain, Routing
from tierii_mta.correspondence.mailboxes.targets import ForwardTarget, LmtpTarget, MaildirTarget, WebhookTarget
from tierii_mta.correspondence.reading import Kind
from tierii_mta.inbound.mailboxes import Known, Mailboxes, MailDomain
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose, TokenCodec
from tierii_mta.queue.received import InboxRecipient, NewMailboxJob

CODEC = TokenCodec(b"a secret of the installation")
BOX, SERVER = MaildirTarget("/var/mail/x"), LmtpTarget("127.0.0.1", 24)
EXAMPLE = MailboxDomain(
    name="example.com",
    aliases=frozenset({"bounce.example.com", "reply.example.com", "mta.example.com"}),
    targets={"Sales": BOX, "*": SERVER, "crm": WebhookTarget("crm")},
)
STRICT = MailboxDomain(
    name="strict.example",
    aliases=frozenset({"mta.example.com"}),
    targets={"abuse": BOX, "away": ForwardTarget(Address.parse("a@b.example"))},
)
ROUTING = Routing([EXAMPLE, STRICT])
DOOR = Mailboxes(
    [
        MailDomain(
            name=one.name,
            return_path=f"bounce.{one.name}",
            reply_domain=f"reply.{one.name}",
            mailboxes=frozenset(one.targets),
        )
        for one in (EXAMPLE, STRICT)
    ],
    hostname="mta.example.com",
    codec=CODEC,
)


def taken(text: str) -> InboxRecipient:
    """A recipient as port 25 takes it."""
    found = DOOR.find(Address.parse(text))
    assert isinstance(found, Known)
    return InboxRecipient(address=text, mailbox=found.mailbox, token=found.token)


def signed(purpose: Purpose, domain: str = "bounce.example.com") -> InboxRecipient:
    return InboxRecipient(address=f"x+token@{domain}", token=purpose)


def places(*recipients: InboxRecipient, kind: Kind | None = None, answered: str | None = None) -> list[tuple[str, str]]:
    return [(one.mailbox, one.recipient) for one in ROUTING.jobs(recipients, kind=kind, answered=answered)]


@pytest.mark.parametrize(
    ("recipient", "mailbox", "as_recipient"),
    [
        ("sales@example.com", "example.com/Sales", "sales@example.com"),
        ("SALES+x@example.com", "example.com/Sales", "SALES+x@example.com"),
        ("anybody@example.com", "example.com/*", "anybody@example.com"),
        ("postmaster@example.com", "example.com/*", "postmaster@example.com"),
        ("Abuse@bounce.example.com", "example.com/*", "abuse@example.com"),
        ("postmaster@mta.example.com", "example.com/*", "postmaster@example.com"),
        ("abuse@strict.example", "strict.example/abuse", "abuse@strict.example"),
    ],
)
def test_a_recipient_reaches_its_mailbox(recipient: str, mailbox: str, as_recipient: str) -> None:
    assert places(taken(recipient)) == [(mailbox, as_recipient)]


def test_a_role_that_nobody_keeps_stays_in_the_inbox() -> None:
    assert places(taken("postmaster@strict.example")) == []


def test_a_mailbox_that_the_settings_lost_since_stays_in_the_inbox() -> None:
    assert places(InboxRecipient(address="gone@example.com", mailbox="example.com/gone")) == []


def test_a_maildir_gets_a_message_once_and_lmtp_once_for_each_address() -> None:
    assert len(places(taken("sales@example.com"), taken("sales+x@example.com"))) == 1
    both = places(taken("ann@example.com"), taken("bob@example.com"), taken("ANN@example.com"))
    assert both == [("example.com/*", "ann@example.com"), ("example.com/*", "bob@example.com")]


@pytest.mark.parametrize("purpose", [Purpose.REPLY, Purpose.BOUNCE])
@pytest.mark.parametrize(
    ("answered", "place"),
    [
        ("sales+spring@example.com", ("example.com/Sales", "sales+spring@example.com")),
        ("hello@example.com", ("example.com/*", "hello@example.com")),
        ("away@strict.example", ("strict.example/away", "away@strict.example")),
        ("hello@elsewhere.example", ("hello@elsewhere.example", "hello@elsewhere.example")),
        ("nobody@strict.example", ("example.com/*", "nobody@strict.example")),
        (None, ("example.com/*", "replies@example.com")),
    ],
)
def test_an_answer_to_a_signed_address_reaches_who_the_campaign_names(
    purpose: Purpose, answered: str | None, place: tuple[str, str]
) -> None:
    assert places(signed(purpose), kind=Kind.REPLY, answered=answered) == [place]


@pytest.mark.parametrize("kind", sorted(FOR_NOBODY))
def test_what_machines_send_to_a_signed_address_stays_in_the_inbox(kind: Kind) -> None:
    assert places(signed(Purpose.REPLY), signed(Purpose.BOUNCE), kind=kind, answered="sales@example.com") == []
    assert places(taken("sales@example.com"), kind=kind) != []


@pytest.mark.parametrize("kind", [None, Kind.UNPARSED, Kind.REPLY, Kind.OTHER])
def test_what_nobody_could_read_is_not_kept_from_people(kind: Kind | None) -> None:
    assert places(signed(Purpose.REPLY), kind=kind) != []


def test_an_unsubscribe_address_leads_to_no_mailbox() -> None:
    assert places(signed(Purpose.UNSUBSCRIBE), kind=Kind.REPLY, answered="sales@example.com") == []


def test_a_rewritten_sender_is_sent_on_whatever_comes() -> None:
    back = InboxRecipient(address="SRS0=x=y=z=ada@bounce.example.com", token=Purpose.FORWARD)
    (job,) = ROUTING.jobs([back], kind=Kind.BOUNCE)
    assert job == NewMailboxJob(mailbox=back.address, recipient=back.address)
    assert ROUTING.target(job.mailbox) == ForwardTarget(Address.parse(back.address))


def test_a_mailbox_has_its_target_until_the_settings_lose_it() -> None:
    assert ROUTING.target("example.com/Sales") == BOX
    assert ROUTING.target("example.com/gone") is None
    assert ROUTING.target("a/b@example.com") == ForwardTarget(Address.parse("a/b@example.com"))

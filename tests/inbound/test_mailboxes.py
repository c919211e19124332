"""Who is known at port 25, and that nothing is relayed whatever a recipient looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.relaying import FOREIGN
from tests.support.clock import START
from tierii_mta.clock import later
from tierii_mta.inbound.mailboxes import Known, Mailboxes, MailDomain, Refused
from tierii_mta.mail.address import Address
from tierii_mta.mail.srs import LIFETIME, rewrite
from tierii_mta.mail.tokens import Purpose, TokenCodec, signed_address

CODEC = TokenCodec(b"a secret of the installation")
OTHER = TokenCodec(b"the secret of somebody else!")
ADA = Address.parse("ada@elsewhere.example")
EXAMPLE = MailDomain(
    name="example.com",
    return_path="bounce.example.com",
    reply_domain="reply.example.com",
    mailboxes=frozenset({"Sales", "first.last", '"with space"'}),
)
CATCHING = MailDomain(
    name="catch.example", return_path="catch.example", reply_domain="catch.example", mailboxes=frozenset({"*", "b"})
)
BOXES = Mailboxes([EXAMPLE, CATCHING], hostname="mta.example.com", codec=CODEC)
SIGNED = tuple(Purpose(one) for one in ("bounce", "reply", "unsubscribe"))


def find(text: str) -> Known | Refused:
    return BOXES.find(Address.parse(text))


@pytest.mark.parametrize(
    ("recipient", "mailbox"),
    [
        ("sales@example.com", "example.com/Sales"),
        ("SALES@EXAMPLE.COM", "example.com/Sales"),
        ("sales+spring@example.com", "example.com/Sales"),
        ("sales+a+b@example.com", "example.com/Sales"),
        ("sales@example.com.", "example.com/Sales"),
        ('"sales"@example.com', "example.com/Sales"),
        ("First.Last@example.com", "example.com/first.last"),
        ('"With Space"@example.com', 'example.com/"with space"'),
        ("anybody@catch.example", "catch.example/*"),
        ("anybody+tag@catch.example", "catch.example/*"),
        ("b@catch.example", "catch.example/b"),
    ],
)
def test_a_mailbox_is_found_whatever_the_case_the_tag_or_the_quotes(recipient: str, mailbox: str) -> None:
    assert find(recipient) == Known(mailbox=mailbox)


@pytest.mark.parametrize("role", ["postmaster", "abuse", "POSTMASTER", "Abuse", "postmaster+dmarc"])
@pytest.mark.parametrize(
    "domain", ["example.com", "bounce.example.com", "reply.example.com", "mta.example.com", "catch.example"]
)
def test_the_roles_have_a_mailbox_in_every_domain_of_ours(role: str, domain: str) -> None:
    assert find(f"{role}@{domain}") == Known(mailbox=f"{domain}/{role.lower().partition('+')[0]}")


@pytest.mark.parametrize(
    "recipient",
    [
        "nobody@example.com",
        "sale@example.com",
        "sales.x@example.com",
        "+sales@example.com",
        "sales-x@example.com",
        '"sales "@example.com',
        "sales@bounce.example.com",
        "anybody@mta.example.com",
        "postmaſter@example.com",
        "*@example.com",
    ],
)
def test_everybody_else_of_a_domain_of_ours_is_unknown(recipient: str) -> None:
    assert find(recipient) is Refused.UNKNOWN


@pytest.mark.parametrize("recipient", FOREIGN)
def test_nothing_that_would_have_to_be_passed_on_is_taken(recipient: str) -> None:
    assert find(recipient) is Refused.FOREIGN


def test_a_domain_in_u_labels_is_the_one_in_a_labels() -> None:
    boxes = Mailboxes(
        [
            MailDomain(
                name="xn--bcher-kva.example",
                return_path="xn--bcher-kva.example",
                reply_domain="xn--bcher-kva.example",
                mailboxes=frozenset({"laden"}),
            )
        ],
        hostname="mta.example.com",
        codec=CODEC,
    )
    assert boxes.find(Address.parse("laden@bücher.example")) == Known(mailbox="xn--bcher-kva.example/laden")
    assert boxes.find(Address.parse("laden@bucher.example")) is Refused.FOREIGN


@pytest.mark.parametrize("purpose", SIGNED)
@pytest.mark.parametrize("domain", ["bounce.example.com", "reply.example.com", "catch.example"])
def test_an_address_we_signed_is_known_by_its_kind(purpose: Purpose, domain: str) -> None:
    address = signed_address(CODEC, purpose, 7, ADA, domain)
    assert BOXES.find(address) == Known(token=purpose)
    assert BOXES.find(Address(address.local.upper(), domain)) == Known(token=purpose)
    assert BOXES.find(Address(f'"{address.local}"', domain)) == Known(token=purpose)


@pytest.mark.parametrize("purpose", SIGNED)
@pytest.mark.parametrize("domain", ["bounce.example.com", "catch.example"])
def test_a_forged_address_is_nobodys_not_even_the_catch_alls(purpose: Purpose, domain: str) -> None:
    assert BOXES.find(signed_address(OTHER, purpose, 7, ADA, domain)) is Refused.UNKNOWN
    address = signed_address(CODEC, purpose, 7, ADA, domain)
    assert BOXES.find(Address(address.local[:-1], domain)) is Refused.UNKNOWN
    assert BOXES.find(Address(address.local[0] + "+", domain)) is Refused.UNKNOWN
    swapped = {"b": "r", "r": "u", "u": "b"}[address.local[0]]
    assert BOXES.find(Address(swapped + address.local[1:], domain)) is Refused.UNKNOWN


def test_a_token_of_a_secret_that_was_dropped_is_a_forged_one() -> None:
    old = signed_address(OTHER, Purpose.BOUNCE, 7, ADA, "bounce.example.com")
    rotated = TokenCodec(b"a secret of the installation", previous=[b"the secret of somebody else!"])
    assert Mailboxes([EXAMPLE], hostname="mta.example.com", codec=rotated).find(old) == Known(token=Purpose.BOUNCE)
    assert Mailboxes([EXAMPLE], hostname="mta.example.com", codec=CODEC).find(old) is Refused.UNKNOWN


def test_an_address_we_signed_is_known_nowhere_else() -> None:
    assert BOXES.find(signed_address(CODEC, Purpose.BOUNCE, 7, ADA, "example.com")) is Refused.UNKNOWN
    assert BOXES.find(signed_address(CODEC, Purpose.BOUNCE, 7, ADA, "other.example")) is Refused.FOREIGN


@given(st.emails(), st.sampled_from(["other.example", "[192.0.2.7]", "sub.example.com"]))
def test_no_local_part_makes_another_domain_ours(email: str, domain: str) -> None:
    local = email.rpartition("@")[0]
    assert BOXES.find(Address(local, domain)) is Refused.FOREIGN


@given(st.text(max_size=20), st.sampled_from("%!@"), st.text(max_size=20))
def test_no_catch_all_takes_a_route(before: str, mark: str, after: str) -> None:
    quoted = '"' + f"{before}{mark}{after}".replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert BOXES.find(Address(quoted, "catch.example")) in (Refused.FOREIGN, Refused.UNKNOWN)


def test_a_rewritten_sender_of_ours_is_known_until_it_expires() -> None:
    boxes = Mailboxes([EXAMPLE], hostname="mta.example.com", codec=CODEC, now=lambda: later(START, LIFETIME))
    late = Mailboxes([EXAMPLE], hostname="mta.example.com", codec=CODEC, now=lambda: later(START, LIFETIME * 2))
    address = rewrite(CODEC, ADA, domain="bounce.example.com", number=1, at=START)
    assert boxes.find(address) == Known(token=Purpose.FORWARD)
    assert late.find(address) is Refused.UNKNOWN
    forged = rewrite(OTHER, ADA, domain="bounce.example.com", number=1, at=START)
    assert boxes.find(forged) is Refused.UNKNOWN

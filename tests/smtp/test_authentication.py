"""AUTH exchanges: credentials come out of what RFC 4954 and RFC 4616 allow, a refusal out of everything else."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.reply import PermanentError
from tierii_mta.smtp.authentication import MECHANISMS, Exchange
from tierii_mta.smtp.dialogue import Credentials


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


def ended(argument: str, *lines: bytes) -> tuple[str, str]:
    """Run an exchange to its end, and return what came out."""
    exchange = Exchange.begin(argument)
    for line in lines:
        assert exchange.challenge is not None
        exchange.take(line)
    assert exchange.challenge is None
    return exchange.credentials()


def refused(argument: str, *lines: bytes) -> str:
    with pytest.raises(PermanentError) as error:
        ended(argument, *lines)
    return f"{error.value.reply.code} {error.value.reply.enhanced}"


def plain(text: str) -> str:
    return f"PLAIN {encoded(text).decode()}"


@pytest.mark.parametrize(
    "argument", [plain("\0tim\0tanstaaftanstaaf"), plain("tim\0tim\0tanstaaftanstaaf").lower()[:5]]
)
def test_plain_with_and_without_an_initial_response(argument: str) -> None:
    lines = [] if " " in argument else [encoded("tim\0tim\0tanstaaftanstaaf")]
    assert ended(argument, *lines) == ("tim", "tanstaaftanstaaf")


def test_the_example_of_rfc_4954_is_read() -> None:
    assert ended("PLAIN dGVzdAB0ZXN0ADEyMzQ=") == ("test", "1234")


def test_plain_asks_once_with_an_empty_challenge() -> None:
    assert Exchange.begin("plain").challenge == ""


def test_login_asks_for_the_name_and_then_the_password() -> None:
    exchange = Exchange.begin("LOGIN")
    assert base64.b64decode(exchange.challenge or "") == b"Username:"
    exchange.take(encoded("alice"))
    assert base64.b64decode(exchange.challenge or "") == b"Password:"
    exchange.take(encoded("s\u00e9cret"))
    assert exchange.credentials() == ("alice", "s\u00e9cret")


def test_login_takes_the_name_with_the_command() -> None:
    assert ended(f"login {encoded('alice').decode()}", encoded("secret")) == ("alice", "secret")


@pytest.mark.parametrize(
    ("argument", "lines", "reply"),
    [
        ("", [], "501 5.5.4"),
        ("PLAIN a b", [], "501 5.5.4"),
        ("CRAM-MD5", [], "504 5.5.4"),
        ("SCRAM-SHA-256", [], "504 5.5.4"),
        ("PLAIN *", [], "501 5.7.0"),
        ("PLAIN", [b"*"], "501 5.7.0"),
        ("LOGIN", [b"*"], "501 5.7.0"),
        ("LOGIN", [encoded("alice"), b"*"], "501 5.7.0"),
        ("PLAIN ====", [], "501 5.5.2"),
        ("PLAIN AGE=AA==", [], "501 5.5.2"),
        ("PLAIN AG", [], "501 5.5.2"),
        ("PLAIN", [b"AGFsaWNl AHNlY3JldA=="], "501 5.5.2"),
        ("PLAIN", [b"AGFsaWNl\rAHNlY3JldA=="], "501 5.5.2"),
        ("PLAIN", [b"\xff\xfe"], "501 5.5.2"),
        ("PLAIN", [base64.b64encode(b"\0alice\0\xff")], "501 5.5.2"),
        ("PLAIN =", [], "501 5.5.2"),
        ("PLAIN", [b""], "501 5.5.2"),
        (plain("alice\0secret"), [], "501 5.5.2"),
        (plain("\0alice\0sec\0ret"), [], "501 5.5.2"),
        (plain("bob\0alice\0secret"), [], "535 5.7.8"),
        (plain("\0\0secret"), [], "535 5.7.8"),
        (plain("\0alice\0"), [], "535 5.7.8"),
        (plain("\0al\nice\0secret"), [], "535 5.7.8"),
        (plain(f"\0{'a' * 256}\0secret"), [], "535 5.7.8"),
        (plain(f"\0alice\0{'s' * 1025}"), [], "535 5.7.8"),
        ("LOGIN", [encoded("al\0ice"), encoded("secret")], "535 5.7.8"),
        ("LOGIN =", [encoded("secret")], "535 5.7.8"),
    ],
)
def test_what_is_malformed_is_refused(argument: str, lines: list[bytes], reply: str) -> None:
    assert refused(argument, *lines) == reply


def test_a_password_is_never_in_a_representation() -> None:

    assert "secret" not in repr(Credentials(mechanism="PLAIN", name="alice", password="secret"))


def test_both_mechanisms_are_known() -> None:
    assert MECHANISMS == ("PLAIN", "LOGIN")


NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40)
PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(NAMES, PASSWORDS)
def test_every_name_and_password_come_out_as_they_went_in(name: str, password: str) -> None:
    assert ended(plain(f"\0{name}\0{password}")) == (name, password)
    assert ended("LOGIN", encoded(name), encoded(password)) == (name, password)


@given(
    st.text(max_size=30), st.lists(st.binary(max_size=30) | st.binary(max_size=30).map(base64.b64encode), max_size=3)
)
def test_any_exchange_ends_in_credentials_or_a_refusal(argument: str, lines: list[bytes]) -> None:
    for mechanism in (argument, f"PLAIN {argument}", "LOGIN", "PLAIN"):
        with suppress(PermanentError):
            exchange = Exchange.begin(mechanism)
            for line in lines:
                if exchange.challenge is None:
                    name, password = exchange.credentials()
                    assert name.isprintable()
                    assert password
                    break
                exchange.take(line)

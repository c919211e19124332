"""Command lines as values: what RFC 5321 and its extensions allow, and a refusal for everything else."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import PermanentError, Reply
from tierii_mta.smtp.requests import (
    Mail,
    Notify,
    Recipient,
    Return,
    parse_mail,
    parse_name,
    parse_recipient,
    split,
)

JONES = Address("Jones", "xyz.com")


def mail(argument: str, *, has_dsn: bool = True) -> Mail:
    return parse_mail(argument, has_dsn=has_dsn)


def recipient(argument: str, *, has_dsn: bool = True, is_smtputf8: bool = False) -> Recipient:
    return parse_recipient(argument, has_dsn=has_dsn, is_smtputf8=is_smtputf8, local_domain="mx.example.test")


def refused(error: pytest.ExceptionInfo[PermanentError]) -> str:
    reply = error.value.reply
    return f"{reply.code} {reply.enhanced}"


# --- the line


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b"MAIL FROM:<a@b.example>", "MAIL", "FROM:<a@b.example>"),
        (b"mail\tfrom:<a@b.example> \t", "MAIL", "from:<a@b.example>"),
        (b"QUIT", "QUIT", ""),
        (b"QUIT   ", "QUIT", ""),
        (b"NOOP \xc3\xa9", "NOOP", "é"),
        (b"", "", ""),
        (b" QUIT", "", ""),
        (b"8BIT", "", ""),
        (b"Host: x", "", ""),
        (b"STARTTLS2", "", ""),
        (b"A" * 21, "", ""),
    ],
)
def test_a_line_is_a_verb_and_its_argument(line: bytes, verb: str, argument: str) -> None:
    assert split(line) == (verb, argument)


@pytest.mark.parametrize(
    "line", [b"NOOP\rNOOP", b"NOOP\0", b"\x16\x03\x01", b"NOOP \x7f", b"NOOP \x1b[2J", b"NOOP \xe9"]
)
def test_a_line_with_control_characters_or_no_utf8_is_refused(line: bytes) -> None:
    with pytest.raises(PermanentError) as error:
        split(line)
    assert refused(error) == "500 5.5.2"


# --- EHLO


@pytest.mark.parametrize(
    "name", ["client.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "my_pc", "localhost.", "*", "a/b"]
)
def test_a_name_is_a_domain_a_literal_or_what_clients_make_of_one(name: str) -> None:
    assert parse_name(name, is_extended=True) == name


@pytest.mark.parametrize("name", ["", "two names", "a(b)", 'a"b', "a\\b", "a;b", "<a>", "a@b", "a,b", "é", "a" * 256])
def test_a_name_that_would_break_a_received_field_is_refused(name: str) -> None:
    with pytest.raises(PermanentError) as error:
        parse_name(name, is_extended=True)
    assert refused(error) == "501 5.5.4"


def test_helo_may_carry_more_words_as_old_clients_do() -> None:
    assert parse_name("pc with a title", is_extended=False) == "pc"


# --- MAIL


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("FROM:<Jones@xyz.com>", Mail(reverse_path=JONES)),
        ("from: <Jones@xyz.com>", Mail(reverse_path=JONES)),
        ("FROM:<>", Mail(reverse_path=None)),
        ("FROM:<> SIZE=0 BODY=7bit", Mail(reverse_path=None, size_bytes=0)),
        ("FROM:<Jones@XYZ.com> SIZE=500000", Mail(reverse_path=JONES, size_bytes=500_000)),
        ("FROM:<Jones@xyz.com> body=8bitmime", Mail(reverse_path=JONES, is_8bit=True)),
        ("FROM:<Jones@xyz.com> AUTH=<>", Mail(reverse_path=JONES)),
        ("FROM:<Jones@xyz.com> AUTH=e+3Dmc2@example.com", Mail(reverse_path=JONES)),
        (
            "FROM:<Jones@xyz.com> RET=HDRS ENVID=QQ314159",
            Mail(reverse_path=JONES, ret=Return.HEADERS, envid="QQ314159"),
        ),
        ("FROM:<Jones@xyz.com>  RET=full", Mail(reverse_path=JONES, ret=Return.FULL)),
        ("FROM:<Jones@xyz.com>\t", Mail(reverse_path=JONES)),
        (
            "FROM:<jos\u00e9@b\u00fccher.example> SMTPUTF8",
            Mail(reverse_path=Address("jos\u00e9", "xn--bcher-kva.example"), is_smtputf8=True),
        ),
        ('FROM:<"a > b\\" SIZE=1 <"@xyz.com>', Mail(reverse_path=Address('"a > b\\" SIZE=1 <"', "xyz.com"))),
        ("FROM:<a@[192.0.2.1]>", Mail(reverse_path=Address("a", "[192.0.2.1]"))),
    ],
)
def test_mail_is_read(argument: str, value: Mail) -> None:
    assert mail(argument.strip()) == value


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("", "501 5.5.4"),
        ("FROM", "501 5.5.4"),
        ("FROM:", "501 5.5.4"),
        ("FROM:Jones@xyz.com", "501 5.5.4"),
        ("FROM:  <Jones@xyz.com>", "501 5.5.4"),
        ("FROM:<Jones@xyz.com", "501 5.5.4"),
        ("FROM:<Jones@xyz.com>>", "501 5.5.4"),
        ("FROM:<<Jones@xyz.com>>", "501 5.5.4"),
        ('FROM:<"Jones@xyz.com>', "501 5.5.4"),
        ("FROM:<Jones@xyz.com>SIZE=1", "501 5.5.4"),
        ("FROM:<Jones@xyz.com>\u00a0SIZE=1", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=1\u00a0BODY=7BIT", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=1\u2028BODY=7BIT", "501 5.5.4"),
        ("FROM:<Jones>", "553 5.1.7"),
        ("FROM:<@a.example,@b.example:Jones@xyz.com>", "553 5.1.7"),
        ("FROM:<@a.example:Jones@xyz.com>", "553 5.1.7"),
        ("FROM:<Jones@xyz.com (comment)>", "553 5.1.7"),
        ("FROM:<Jones@192.0.2.1>", "553 5.1.7"),
        (f"FROM:<{'a' * 65}@xyz.com>", "553 5.1.7"),
        ("FROM:<jos\u00e9@xyz.com>", "553 5.6.7"),
        ("FROM:<Jones@b\u00fccher.example>", "553 5.6.7"),
        ("FROM:<Jones@xyz.com> SIZE", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=-1", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=1e3", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=\u0664", "501 5.5.4"),
        (f"FROM:<Jones@xyz.com> SIZE={'9' * 21}", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SIZE=1 size=2", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> BODY", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> BODY=BINARYMIME", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> AUTH", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> AUTH=a=b", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> RET=", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> RET=HEADERS", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> ENVID=", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> ENVID=a+b", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> ENVID=a+3d", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> ENVID=\u00e9", "501 5.5.4"),
        (f"FROM:<Jones@xyz.com> ENVID={'a' * 101}", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> -X=1", "501 5.5.4"),
        ("FROM:<Jones@xyz.com> NOTIFY=NEVER", "555 5.5.4"),
        ("FROM:<Jones@xyz.com> REQUIRETLS", "555 5.5.4"),
        ("FROM:<Jones@xyz.com>" + "".join(f" X{n}=1" for n in range(17)), "501 5.5.4"),
    ],
)
def test_mail_is_refused(argument: str, reply: str) -> None:
    with pytest.raises(PermanentError) as error:
        mail(argument)
    assert refused(error) == reply


@pytest.mark.parametrize("parameter", ["RET=FULL", "ENVID=1"])
def test_dsn_is_not_known_where_it_is_not_offered(parameter: str) -> None:
    with pytest.raises(PermanentError) as error:
        mail(f"FROM:<Jones@xyz.com> {parameter}", has_dsn=False)
    assert refused(error) == "555 5.5.4"


# --- RCPT


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("TO:<Jones@xyz.com>", Recipient(forward_path=JONES)),
        ("to: <Jones@XYZ.COM>", Recipient(forward_path=JONES)),
        ("TO:<postmaster>", Recipient(forward_path=Address("postmaster", "mx.example.test"))),
        ("TO:<PostMaster>", Recipient(forward_path=Address("PostMaster", "mx.example.test"))),
        (
            "TO:<Jones@xyz.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@Example.COM",
            Recipient(
                forward_path=JONES,
                notify=frozenset({Notify.SUCCESS, Notify.FAILURE}),
                orcpt="rfc822;Bob@Example.COM",
            ),
        ),
        ("TO:<Jones@xyz.com> notify=never", Recipient(forward_path=JONES, notify=frozenset({Notify.NEVER}))),
        ("TO:<Jones@xyz.com> ORCPT=x-fax;+2B1555", Recipient(forward_path=JONES, orcpt="x-fax;+2B1555")),
    ],
)
def test_a_recipient_is_read(argument: str, value: Recipient) -> None:
    assert recipient(argument) == value


def test_an_original_recipient_in_utf8_needs_smtputf8() -> None:
    argument = "TO:<Jones@xyz.com> ORCPT=utf-8;jos\u00e9@xyz.com"
    assert recipient(argument, is_smtputf8=True).orcpt == "utf-8;jos\u00e9@xyz.com"
    with pytest.raises(PermanentError):
        recipient(argument)


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("FROM:<Jones@xyz.com>", "501 5.5.4"),
        ("TO:Jones@xyz.com", "501 5.5.4"),
        ("TO:<>", "553 5.1.3"),
        ("TO:<Jones>", "553 5.1.3"),
        ("TO:<postmaster@>", "553 5.1.3"),
        ("TO:<@relay.example:Jones@xyz.com>", "553 5.1.3"),
        ("TO:<jos\u00e9@xyz.com>", "553 5.6.7"),
        ("TO:<Jones@xyz.com> NOTIFY", "501 5.5.4"),
        ("TO:<Jones@xyz.com> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        ("TO:<Jones@xyz.com> NOTIFY=DELAY,DELAY", "501 5.5.4"),
        ("TO:<Jones@xyz.com> NOTIFY=DELAY,", "501 5.5.4"),
        ("TO:<Jones@xyz.com> ORCPT=Jones@xyz.com", "501 5.5.4"),
        ("TO:<Jones@xyz.com> ORCPT=;Jones@xyz.com", "501 5.5.4"),
        ("TO:<Jones@xyz.com> ORCPT=rfc822;", "501 5.5.4"),
        ("TO:<Jones@xyz.com> ORCPT=rfc822;a=b", "501 5.5.4"),
        (f"TO:<Jones@xyz.com> ORCPT=rfc822;{'a' * 494}", "501 5.5.4"),
        ("TO:<Jones@xyz.com> SIZE=1", "555 5.5.4"),
    ],
)
def test_a_recipient_is_refused(argument: str, reply: str) -> None:
    with pytest.raises(PermanentError) as error:
        recipient(argument)
    assert refused(error) == reply


# --- whatever comes

WORDS = st.sampled_from(
    ["FROM:", "TO:", "<", ">", "a@b.example", "@", ":", " ", "\t", '"', "\\", "SIZE=", "1", "BODY=8BITMIME", "SMTPUTF8",
     "RET=FULL", "ENVID=", "NOTIFY=", "NEVER", ",", "ORCPT=rfc822;", "utf-8;", "+41", "=", "AUTH=<>", "é", "\u2028",
     "postmaster", "[", "]", "IPv6:::1", "\U0001f4a9", "xn--", "."]
)  # fmt: skip
ARGUMENTS = (st.lists(WORDS, max_size=12) | st.lists(st.text(max_size=5) | WORDS, max_size=8)).map("".join)


def reply_to(read: Callable[[], object]) -> Reply | None:
    """Return the refusal, if there is one."""
    try:
        read()
    except PermanentError as error:
        return error.reply
    return None


@given(st.binary(max_size=60) | ARGUMENTS.map(lambda text: text.encode(errors="surrogatepass")))
@example(b"\xed\xa0\x80")
def test_any_line_is_split_or_refused(line: bytes) -> None:
    reply = reply_to(lambda: split(line))
    if reply is None:
        verb, argument = split(line)
        assert verb == verb.upper()
        assert argument == argument.strip(" \t")
    else:
        assert str(reply).startswith("500 5.5.2")


@given(ARGUMENTS, st.booleans(), st.booleans())
def test_any_argument_is_read_or_refused(argument: str, has_dsn: bool, is_smtputf8: bool) -> None:
    readers: list[Callable[[], object]] = [
        lambda: mail(f"FROM:{argument}", has_dsn=has_dsn),
        lambda: recipient(f"TO:{argument}", has_dsn=has_dsn, is_smtputf8=is_smtputf8),
        lambda: parse_name(argument, is_extended=has_dsn),
    ]
    for read in readers:
        reply = reply_to(read)
        assert reply is None or (reply.is_permanent and reply.enhanced is not None)


ATOMS = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,10})?", fullmatch=True)
QUOTED = st.from_regex(r'"([ !#-\[\]-~]|\\[ -~]){0,20}"', fullmatch=True)
DOMAINS = st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,8}){1,2}", fullmatch=True)


@given(ATOMS | QUOTED, DOMAINS)
def test_every_address_the_grammar_allows_is_read_as_it_stands(local: str, domain: str) -> None:
    argument = f"<{local}@{domain}>"
    assert mail(f"FROM:{argument}").reverse_path == Address(local, domain)
    assert recipient(f"TO:{argument}").forward_path == Address(local, domain)

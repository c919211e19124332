"""Replies know what they mean and how they read."""

import pytest

from tierii_mta.mail.reply import EnhancedCode, PermanentError, Reply, TransientError


def test_a_reply_reads_as_on_the_wire() -> None:
    reply = Reply(550, ("No such user", "here"), EnhancedCode(5, 1, 1))
    assert str(reply) == "550 5.1.1 No such user here"
    assert str(Reply(220, ("ready",))) == "220 ready"


@pytest.mark.parametrize(
    ("code", "positive", "transient", "permanent"),
    [(250, True, False, False), (354, True, False, False), (451, False, True, False), (550, False, False, True)],
)
def test_the_first_digit_decides(code: int, positive: bool, transient: bool, permanent: bool) -> None:
    reply = Reply(code)
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == (positive, transient, permanent)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("4.7.1 try later", EnhancedCode(4, 7, 1)),
        ("2.0.0", EnhancedCode(2, 0, 0)),
        ("5.1.1x", None),
        ("3.1.1 x", None),
        ("5.1 x", None),
        ("x 5.1.1", None),
        ("5.1.1234 x", None),
        ("5.1.\u0661 x", None),
    ],
)
def test_an_enhanced_code_is_read_where_there_is_one(text: str, code: EnhancedCode | None) -> None:
    assert EnhancedCode.parse(text) == code


def test_our_own_replies_are_checked_when_they_are_made() -> None:
    assert Reply.of(451, "try later", "4.4.1").enhanced == EnhancedCode(4, 4, 1)
    assert Reply.of(451, "try later").enhanced is None
    with pytest.raises(ValueError, match="not an enhanced status code"):
        Reply.of(451, "try later", "four")


def test_errors_carry_their_reply() -> None:
    reply = Reply.of(451, "try later", "4.4.1")
    assert TransientError(reply).reply == PermanentError(reply).reply == reply
    assert str(TransientError(reply)) == "451 4.4.1 try later"

"""The table of commands and the bookkeeping of a session, where a dialogue shows too little."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialogues.replies import faults
from tierii_mta.mail.reply import EnhancedCode, Reply
from tierii_mta.smtp.conversation import COMMANDS, Conversation
from tierii_mta.smtp.dialogue import Closing, Introduced, MessageEnded, Rules, State, TlsAgreed, written

RULES = Rules(name="mx.example.test", has_tls=True, has_auth=True)


def ready(rules: Rules = RULES) -> Conversation:
    conversation = Conversation(rules)
    conversation.greet()
    conversation.follow(b"EHLO client.example", is_last=True)
    assert isinstance(conversation.take_event(), Introduced)
    conversation.output.clear()
    return conversation


def said(conversation: Conversation) -> str:
    text = b"".join(conversation.output).decode("ascii")
    conversation.output.clear()
    return text


@pytest.mark.parametrize("verb", sorted(COMMANDS))
@pytest.mark.parametrize("state", [State.GREETED, State.READY, State.MAIL, State.RCPT])
def test_each_command_is_either_taken_or_refused_in_each_state(verb: str, state: State) -> None:
    conversation = ready()
    conversation.state = state
    conversation.follow(verb.encode(), is_last=True)
    if conversation.events and not isinstance(conversation.events[0], Closing | TlsAgreed):
        return  # the owner is asked, or told
    text = said(conversation)
    assert text
    if state not in COMMANDS[verb].states:
        assert text.startswith(("503 5.5.1", "554 5.5.1"))


def test_only_commands_whose_reply_decides_what_comes_next_end_a_group() -> None:
    assert {verb for verb, command in COMMANDS.items() if command.ends_group} == {
        "EHLO", "HELO", "STARTTLS", "AUTH", "DATA",
    }  # fmt: skip


def test_tls_makes_everything_said_before_forgotten() -> None:
    conversation = ready()
    conversation.follow(b"STARTTLS", is_last=True)
    conversation.tls_started()
    assert (conversation.client_name, conversation.is_extended, conversation.is_secure) == ("", False, True)
    assert conversation.state is State.GREETED


def test_a_message_that_is_taken_wipes_out_the_errors_before_it_and_one_refused_does_not() -> None:
    conversation = ready()
    for reply, errors in ((Reply.of(550, "no", "5.7.1"), 6), (Reply.of(250, "ok", "2.0.0"), 0)):
        conversation.errors = 5
        conversation.asked = MessageEnded
        conversation.answer(reply)
        assert conversation.errors == errors


def test_the_last_event_of_a_session_is_its_closing() -> None:
    conversation = ready(replace(RULES, idle_commands=1, errors=1))
    conversation.follow(b"EHLO again.example", is_last=True)
    assert [type(event) for event in conversation.events] == [Introduced, Closing]


def test_an_answer_nobody_asked_for_is_an_error_of_ours() -> None:
    with pytest.raises(RuntimeError, match="nobody asked"):
        ready().answer(Reply.of(250, "ok"))


# --- replies on the wire


def test_each_line_of_a_reply_carries_the_enhanced_code() -> None:
    reply = Reply(550, ("first", "", "last"), EnhancedCode(5, 7, 1))
    assert written(reply) == b"550-5.7.1 first\r\n550-5.7.1 \r\n550 5.7.1 last\r\n"


def test_a_reply_without_text_keeps_its_space() -> None:
    assert written(Reply.of(334, "")) == b"334 \r\n"
    assert written(Reply(250, ())) == b"250 \r\n"


def test_a_line_that_is_too_long_is_cut_to_512_octets() -> None:
    lines = written(Reply(550, ("x" * 600, "y" * 600), EnhancedCode(5, 7, 999))).split(b"\r\n")
    assert [len(line) for line in lines] == [510, 510, 0]


@given(
    st.integers(200, 599),
    st.lists(st.text(max_size=700), max_size=4),
    st.none() | st.builds(EnhancedCode, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)),
)
def test_whatever_a_reply_says_it_is_written_as_printable_ascii_in_lines_that_fit(
    code: int, lines: list[str], enhanced: EnhancedCode | None
) -> None:
    assert faults(written(Reply(code, tuple(lines), enhanced)), needs_codes=False) is None

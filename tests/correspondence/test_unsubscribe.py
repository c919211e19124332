"""Who wants to be left alone, and who only speaks of it."""

import pytest

from tests.correspondence.letters import facts, letter, reading
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import Kind
from tierii_mta.mail.tokens import Purpose

WORDS = [
    "unsubscribe", "Unsubscribe.", "UNSUBSCRIBE ME!", "Please remove me", "Abmelden", "bitte abmelden",
    "désinscription", "Me désabonner", "Darme de baja", "Cancelar inscrição", "Disiscrivimi", "uitschrijven",
    "Avregistrera", "afmeld", "Peruuta tilaus", "Wypisz mnie", "odhlásit", "Leiratkozás", "Dezabonare",
    "Отписаться", "відписатися", "Απεγγραφή", "Abonelikten çık", "הסר", "إلغاء الاشتراك", "配信停止", "退订",
    "取消訂閱", "수신거부", "hủy đăng ký", "STOP",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_the_word_alone_is_an_order(word: str) -> None:
    assert reading(f"\n {word} \n\n", subject="Re: Our offer").kind is Kind.UNSUBSCRIBE


@pytest.mark.parametrize("subject", ["unsubscribe", "Abmelden", "désinscription", "退订"])
def test_the_word_alone_in_the_subject_is_an_order_over_any_text(subject: str) -> None:
    assert reading("Best regards\nAnn\nAcme Inc.", subject=subject).kind is Kind.UNSUBSCRIBE


def test_a_word_of_many_uses_is_an_order_only_where_nothing_else_stands() -> None:
    assert reading("", subject="Stop").kind is Kind.UNSUBSCRIBE
    assert reading("By my office at five.", subject="Stop").kind is Kind.OTHER


def test_an_address_signed_for_it_is_an_order_whatever_is_written() -> None:
    found = reading("Hello, I like your mails.", Purpose.UNSUBSCRIBE, **{"from": "somebody@else.example"})
    assert (found.kind, found.evidence[0].rule) == (Kind.UNSUBSCRIBE, "token:unsubscribe")


def test_a_mail_program_that_unsubscribes_of_itself_is_believed_at_that_address_alone() -> None:
    fields = {"subject": "unsubscribe", "auto_submitted": "auto-generated"}
    assert reading("", Purpose.UNSUBSCRIBE, **fields).kind is Kind.UNSUBSCRIBE
    assert reading("", **fields).kind is Kind.MACHINE


def test_machines_that_answer_give_no_orders() -> None:
    fields = {"subject": "unsubscribe", "auto_submitted": "auto-replied"}
    assert reading("unsubscribe", Purpose.UNSUBSCRIBE, **fields).kind is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "text",
    [
        "How can I unsubscribe my old address?",
        "Wo kann ich mich abmelden, wenn ich umziehe?",
        "もう配信停止にしたいのですが",
    ],
)
def test_the_word_in_a_longer_text_is_an_intent_and_nothing_is_done(text: str) -> None:
    found = reading(text, subject="Re: Our offer", in_reply_to="<1@sender.example>")
    assert (found.kind, found.intents) == (Kind.REPLY, ("unsubscribe",))


def test_people_who_say_nothing_of_it_have_no_such_intent() -> None:
    assert reading("I subscribe to that. Stop by tomorrow!", subject="Re: Our offer").intents == ()


def test_the_word_above_a_quoted_mail_is_an_order() -> None:
    text = "Unsubscribe\n\nOn Mon, 20 Jul 2026 at 09:00, Shop <shop@sender.example> wrote:\n> Buy now.\n> Or leave.\n"
    assert reading(text, subject="Re: Our offer", in_reply_to="<1@sender.example>").kind is Kind.UNSUBSCRIBE


def test_the_word_in_a_quoted_mail_is_nobodys_wish() -> None:
    text = (
        "Yes, please.\n\nOn Mon, 20 Jul 2026 at 09:00, Shop <shop@sender.example> wrote:\n> Buy now.\n> Unsubscribe\n"
    )
    found = reading(text, subject="Re: Our offer", in_reply_to="<1@sender.example>")
    assert (found.kind, found.intents) == (Kind.REPLY, ())


def test_the_word_in_html_alone_is_an_order_too() -> None:
    octets = letter("<html><body><div>Abmelden</div></body></html>", content_type="text/html; charset=utf-8")
    assert read(octets, facts()).kind is Kind.UNSUBSCRIBE


def test_the_word_to_a_list_is_no_order_to_us() -> None:
    fields = {"list_id": "<talk.lists.example>", "subject": "unsubscribe"}
    assert reading("unsubscribe", **fields).kind is Kind.LIST
    assert reading("unsubscribe", Purpose.REPLY, **fields).kind is Kind.UNSUBSCRIBE

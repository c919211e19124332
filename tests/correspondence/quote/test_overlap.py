"""The message we sent tells its quote: in any language, wrapped anew, without prefix, and below it are answers."""

import textwrap

import pytest

from tierii_mta.correspondence.quote import cut

SENT = """Hello Ann,

the new shop opens on Monday at nine. There will be coffee, cake and a small band from the village.
Bring your friends! If you cannot come, tell us until Friday, so that we know how many chairs to put up.

Read more: https://shop.example/opening?id=123

The people of the shop
You get this mail because you asked for our news. Unsubscribe: https://shop.example/u/abc
"""
HEADER = "Qwz 1. xyz 2025 Shop zrt"  # of a client and a language that nobody knows
NEW = "Yes, I will come.\nWith two friends."


def _wrapped(width: int, prefix: str = "") -> str:
    return "\n".join(
        textwrap.fill(part, width, initial_indent=prefix, subsequent_indent=prefix) for part in SENT.split("\n")
    )


@pytest.mark.parametrize(
    "quote", [SENT, _wrapped(40), _wrapped(72, "> "), _wrapped(50, "AB> "), _wrapped(30, "    "), SENT.upper()]
)
@pytest.mark.parametrize("between", ["", f"{HEADER}\n", "\n\n", f"\n{HEADER}:\n\n"])
def test_what_we_sent_is_cut_however_it_was_quoted(quote: str, between: str) -> None:
    assert cut(f"{NEW}\n{between}{quote}", original=SENT).words.replace(HEADER, "").strip(" :\n") == NEW


def test_an_announcement_in_an_unknown_language_goes_with_the_quote() -> None:
    body = f"{NEW}\n\n1. xyz 2025 12:00 Shop zrt <news@shop.example> qwz:\n\n{SENT}"
    assert cut(body, original=SENT).text == NEW


def test_an_answer_below_an_unmarked_quote_stays() -> None:
    body = f"From: The Shop <news@shop.example>\nSent: Monday\nTo: Ann\nSubject: Opening\n\n{SENT}\n{NEW}\n"
    assert cut(body, original=SENT).text == NEW


def test_answers_between_unmarked_quotes_stay() -> None:
    first, second = SENT.split("Bring your friends!")
    header = "From: The Shop <news@shop.example>\nSent: Monday\nSubject: Opening"
    body = f"{header}\n\n{first}\nGreat, I love cake!\n\nBring your friends!{second}\n"
    assert cut(body, original=SENT).words == "Great, I love cake!"


def test_texts_of_images_and_links_between_are_part_of_the_quote() -> None:
    body = f"{NEW}\n\nThe Shop <news@shop.example> zrt 1.1.2025:\n\n" + SENT.replace(
        "Read more:", "[logo of the shop]\nRead more:"
    )
    assert cut(body, original=SENT).text == NEW


def test_an_answer_in_our_own_words_between_unmarked_quotes_stays() -> None:
    first, second = SENT.split("Read more:")
    answer = "I cannot come on Friday"
    header = "From: The Shop <news@shop.example>\nSent: Monday\nSubject: Opening"
    body = f"{header}\n\n{first}\n{answer}\n\nRead more:{second}\n"
    assert cut(body, original=SENT).words == answer


def test_older_quotes_below_ours_go_too() -> None:
    older = "From: Ann\nSent: Sunday\nTo: Shop\nSubject: Open?\n\nWhen do you open?"
    body = f"{NEW}\n\nOn 1/1/25 12:00 PM, Shop wrote:\n{SENT}\n{older}"
    assert cut(body, original=SENT).text == NEW


def test_a_phrase_of_ours_in_an_answer_is_no_quote() -> None:
    text = "Coffee, cake and a small band sounds good.\n\nOn Monday at nine I work."
    assert cut(text, original=SENT).text == text


def test_all_is_kept_of_a_message_that_only_sends_ours_back() -> None:
    assert cut(SENT, original=SENT).text.split() == SENT.split()


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        ("新しい店は月曜日の九時に開きます。コーヒーとケーキもあります。", "はい、行きます。"),
        ("新店将于星期一上午九点开业，届时将有咖啡和蛋糕。请告诉我们您是否会来。", "好的，我会来。"),
        ("ร้านใหม่จะเปิดในวันจันทร์เวลาเก้าโมงเช้า จะมีกาแฟและเค้กให้ทุกคน", "ได้ครับ"),
        ("Новый магазин откроется в понедельник в девять утра. Будут кофе и пирог.", "Да, приду."),
        ("المتجر الجديد يفتح يوم الاثنين في الساعة التاسعة وستكون هناك قهوة وكعك", "نعم سأحضر"),
    ],
)
def test_scripts_without_spaces_and_case_are_compared_too(sent: str, reply: str) -> None:
    middle = len(sent) // 2
    assert cut(f"{reply}\n\n{sent[:middle]}\n{sent[middle:]}\n", original=sent).text == reply


def test_a_short_message_of_ours_is_found_too() -> None:
    assert cut("Yes!\n\nWill you come?", original="Will you come?").text == "Yes!"


@pytest.mark.parametrize("original", ["", " ", "!!!", "x"])
def test_an_original_without_words_changes_nothing(original: str) -> None:
    assert cut("Yes.\n\nNo.", original=original).text == "Yes.\n\nNo."


def test_below_a_phones_line_only_what_we_sent_goes() -> None:
    body = f"Yes.\n\nSent from my iPhone\n\n{SENT}\n{NEW}"
    assert cut(body, original=SENT).words.split() == ["Yes.", *NEW.split()]

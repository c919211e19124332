"""When somebody who is away is back, and who helps meanwhile."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.correspondence.letters import SENT, reading
from tierii_mta.correspondence.absence import absence_in
from tierii_mta.correspondence.reading import Absence

EUROPE, AMERICA = timedelta(hours=2), timedelta(hours=-5)


def day_in(text: str, zone: timedelta | None = EUROPE) -> str | None:
    """The day of return that a text of Monday, 20 July 2026 tells."""
    return absence_in({}, text, sent_at=SENT, zone=zone, strangers=()).returns_on


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I will be back on Monday, 3 August.", "2026-08-03"),
        ("I am out until August 3rd, 2026.", "2026-08-03"),
        ("I am away from 20 July to 3 August, returning on the 4 August.", "2026-08-04"),
        ("I will be traveling on July 10-31. During that time", "2026-07-31"),
        ("Ich bin vom 20.07. bis 03.08. im Urlaub und ab dem 4.8. wieder da", "2026-08-04"),
        ("Ich bin am 10. August wieder im Büro", "2026-08-10"),
        ("Je suis absente du 20 juillet au 16 août.", "2026-08-16"),
        ("Jestem na urlopie do 17.08.2026 r.", "2026-08-17"),
        ("Я буду отсутствовать с 1 по 17 августа", "2026-08-17"),
        ("2026. augusztus 17-ig szabadságon vagyok", "2026-08-17"),
        ("2026年8月1日～8月17日まで休暇", "2026-08-17"),
        ("我将于8月1日至8月17日休假", "2026-08-17"),
        ("I'll be back on Monday", "2026-07-27"),
        ("Ich bin ab Mittwoch wieder da", "2026-07-22"),
        ("I am away until January 7.", "2027-01-07"),
        ("I was away until 10 July.", "2026-07-10"),  # nobody switched it off
        ("I am out of the office. Call me.", None),
        ("Our offer of 5 August 2026 was good", None),
        ("until 31 February", None),
        ("until 99/99", None),
    ],
)
def test_the_day_of_return(text: str, day: str | None) -> None:
    assert day_in(text) == day


def test_america_writes_the_month_first() -> None:
    assert day_in("back on 08/03", AMERICA) == "2026-08-03"
    assert day_in("back on 08/03/26", EUROPE) == "2026-03-08"
    assert day_in("back on 08/23", EUROPE) == "2026-08-23"


def test_substitutes_stand_where_help_is_told() -> None:
    found = reading(
        "I am out of the office until 3 August.\n\nIn urgent cases contact Bob (bob@example.com) or ann@example.com."
        "\n\n--\nAnn\nann.other@example.com",
        auto_submitted="auto-replied",
    )
    assert found.absence == Absence(returns_on="2026-08-03", substitutes=("bob@example.com",))


def test_the_offer_that_is_answered_tells_no_day() -> None:
    found = reading("I am on vacation.", subject="Automatic reply: Sale until 31 July", auto_submitted="auto-replied")
    assert found.absence == Absence()


def test_a_subject_of_ones_own_may_tell_the_day() -> None:
    found = reading("See you.", subject="Away until August 5", auto_submitted="auto-replied")
    assert found.absence == Absence(returns_on="2026-08-05")


def test_who_answers_without_being_away_has_no_absence() -> None:
    assert reading("We got your letter.", subject="Re: Hello", auto_submitted="auto-replied").absence is None


@given(st.text(alphabet="0123456789./-年月日 augut3bisté-", max_size=400), st.sampled_from([EUROPE, AMERICA, None]))
def test_any_text_is_read(text: str, zone: timedelta | None) -> None:
    day = day_in(text, zone)
    assert day is None or len(day) == 10

"""Base subjects: RFC 5256 §2.1, and the prefixes of other languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.subject import base_subject, read_subject

_RFC_5256 = [
    ("hello", "hello"),
    ("re: hello", "hello"),
    ("Re: RE: rE: hello", "hello"),
    ("Re : hello", "hello"),
    ("Fw: hello", "hello"),
    ("fwd: Re: hello", "hello"),
    ("Re[2]: hello", "hello"),
    ("Re [list]: hello", "hello"),
    ("[list] hello", "hello"),
    ("[list] Re: hello", "hello"),
    ("[one] [two] Re: [three] hello", "hello"),
    ("Re: [list] Fwd: hello (fwd)", "hello"),
    ("hello (fwd) (FWD)", "hello"),
    ("hello (fwd)   ", "hello"),
    ("[Fwd: hello]", "hello"),
    ("Re: [fwd: Re: hello (fwd)]", "hello"),
    ("[fwd: [fwd: hello]]", "hello"),
    ("[fwd: one] two", "two"),
    ("[list]", "[list]"),
    ("Re: [list]", "[list]"),
    ("[one][two]", "[two]"),
    ("a\tlong \r\n subject", "a long subject"),
    ("Re:", ""),
    ("", ""),
    ("   ", ""),
    ("real: estate", "real: estate"),
    ("hello re: world", "hello re: world"),
    ("Re hello", "Re hello"),
    ("[unfinished Re: hello", "[unfinished Re: hello"),
]


@pytest.mark.parametrize("localised", [False, True])
@pytest.mark.parametrize(("subject", "base"), _RFC_5256)
def test_the_base_subject_is_what_a_thread_shares(subject: str, base: str, localised: bool) -> None:
    assert base_subject(subject, localised=localised) == base


@pytest.mark.parametrize(
    "subject",
    [
        "AW: Hallo",
        "Antw: Hallo",
        "SV: Sv: Hallo",
        "VS: Hallo",
        "Odp: Hallo",
        "R: RIF: Hallo",
        "RES: Hallo",
        "YNT: Hallo",
        "Απ: Hallo",
        "Отв: Hallo",
        "答复: Hallo",
        "回复：Hallo",
        "返信: Hallo",
        "회신: Hallo",
        "رد: Hallo",
        "Re(3): Hallo",
        "Re^2: Hallo",
        "Re2: Hallo",
        "[Ticket 7] AW: Re: Hallo",
        "Trả lời: Hallo",
    ],
)
def test_a_reply_in_another_language_has_the_same_base(subject: str) -> None:
    found = read_subject(subject)
    assert (found.base, found.is_reply, found.is_forward) == ("Hallo", True, False)


@pytest.mark.parametrize("subject", ["WG: Hallo", "TR: Hallo", "RV: Hallo", "ENC: Hallo", "转发: Hallo", "İLT: Hallo"])
def test_a_forward_in_another_language_has_the_same_base(subject: str) -> None:
    found = read_subject(subject)
    assert (found.base, found.is_reply, found.is_forward) == ("Hallo", False, True)


def test_the_rfc_to_the_letter_knows_no_other_languages() -> None:
    found = read_subject("AW: Hallo", localised=False)
    assert (found.base, found.is_reply) == ("AW: Hallo", False)


@pytest.mark.parametrize(
    ("subject", "is_reply", "is_forward"),
    [
        ("hello", False, False),
        ("[list] hello", False, False),
        ("Re: hello", True, False),
        ("hello (fwd)", False, True),
        ("[fwd: hello]", False, True),
        ("Re: Fwd: hello", True, True),
    ],
)
def test_a_subject_tells_whether_it_answers_or_forwards(subject: str, is_reply: bool, is_forward: bool) -> None:
    found = read_subject(subject)
    assert (found.is_reply, found.is_forward) == (is_reply, is_forward)


def test_case_does_not_part_a_thread() -> None:
    assert read_subject("Re: STRASSE").key == read_subject("straße").key


@given(st.text() | st.text(alphabet="[]re:fwd() \tA", max_size=300))
def test_a_base_subject_is_its_own_base(subject: str) -> None:
    base = base_subject(subject)
    assert base_subject(base) == base


def test_a_subject_without_end_is_cut_first() -> None:
    assert base_subject("[a]" * 5000) == "[a"
    assert base_subject("(fwd)" * 5000) == ""
    assert base_subject("x" * 5000) == "x" * 2000

"""Specimens: who gets one, what their links are, and what happens to contacts that give no mail."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.campaigns.preflight.bench import CODEC, PEOPLE, Bench, of_rule
from tierii_mta.campaigns.preflight.census import Census
from tierii_mta.campaigns.preflight.header import check_opt_out, check_tokens, one_click_urls
from tierii_mta.campaigns.preflight.page import read_page
from tierii_mta.campaigns.preflight.run import Scope
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.mail.address import Address
from tierii_mta.mail.mime import parse
from tierii_mta.queue.delivery import Json


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_contact_of_each_kind_and_the_sample_get_one(bench: Bench) -> None:
    bench.people = [{**PEOPLE[0], "email": f"p{number}@example.org"} for number in range(50)] + [
        {**PEOPLE[0], "email": "q@example.org", "colour": "red"}
    ]

    few = await bench.examine()
    many = await bench.examine(scope=Scope(sample=10))
    again = await bench.examine(scope=Scope(sample=10))

    assert few.case is not None
    assert [each.place for each in few.case.specimens] == ["people.csv:2", "people.csv:52"]
    assert many.case is not None
    assert 10 <= len(many.case.specimens) <= 12
    assert again.case is not None
    assert [each.place for each in again.case.specimens] == [each.place for each in many.case.specimens]


async def test_a_contact_that_gives_no_mail_is_told_with_its_line(bench: Bench) -> None:
    bench.html = "{{ 1 // (first_name | length - 3) }}"

    found = of_rule(await bench.examine(scope=Scope(sample=5)), "C2")

    assert [each.where for each in found] == ["people.csv:3"]
    assert "does not render for this contact" in found[0].what


async def test_a_link_that_is_not_the_persons_own_breaks_h4_and_h7(bench: Bench) -> None:
    bench.people = [PEOPLE[0], {**PEOPLE[1], "colour": "red"}]
    preflight = await bench.examine()
    case = preflight.case
    assert case is not None
    assert [*check_tokens(case), *check_opt_out(case)] == []
    first, second = case.specimens
    url = one_click_urls(first)[0].encode()

    same = replace(second, data=first.data, mail=first.mail)
    assert [each.what for each in check_tokens(replace(case, specimens=[first, same]))] == [
        "the link is the same as that of people.csv:2"
    ]
    assert [each.what for each in check_opt_out(replace(case, specimens=[same]))] == [
        "the unsubscribe link does not lead this person out of this list"
    ]

    told = first.data.replace(url, b"https://mail.example.com/u/anna@example.org")
    assert [each.what for each in check_tokens(replace(case, specimens=[replace(first, mail=parse(told))]))] == [
        "the link holds the recipient's address"
    ]
    assert urlsplit(url.decode()).path.startswith("/u/")


async def test_what_blocks_refuses_and_warnings_refuse_when_strict(bench: Bench) -> None:
    offline = Scope(refuses=True, enforced_only=True)
    await bench.examine(scope=offline)

    bench.postal_address = None
    await bench.examine(scope=offline)
    with pytest.raises(CampaignInvalid, match="C5: no postal address is set"):
        await bench.examine(scope=replace(offline, is_strict=True))

    bench.file += "compliance: {profiles: [can-spam]}\n"
    with pytest.raises(CampaignInvalid, match=r"campaign\.yaml:9: compliance\.postal_address: C5: no postal"):
        await bench.examine(scope=offline)


def test_a_sample_is_drawn_from_all_and_each_value_is_counted() -> None:
    census = Census(sample=20, tallied={"basis"}, roles={"abuse"})
    for number in range(1000):
        address = Address.parse(f"{'abuse' if number == 7 else f'p{number}'}@example.org")
        fields: dict[str, Json] = {"email": str(address), "basis": "express" if number % 4 else ""}
        census.see(Waiting(CODEC.person_key(address), number, str(address), "example.org", fields, 0, number))

    assert len({each.line for each in census.chosen}) == 20
    assert max(each.line for each in census.chosen) > 500 > min(each.line for each in census.chosen)
    assert census.values["basis"] == {"express": 750, "": 250}
    assert census.blank("basis") == 250
    assert census.blank("age") == 1000
    assert census.roles == {"abuse": 1}


def test_a_page_is_read_as_a_reader_sees_it() -> None:
    page = read_page(
        "<head><title>T</title></head><body onload='x()'><p style='display: none'>hidden <a href='/a'>A</a></p>"
        "<p>seen<br>too <a href='https://example.com/'><img alt='Shop' src='x'></a> <b>un<i>closed</p>"
        "<a href='javascript:x()'>j</a><form></form><script>var x = '<a href=no>';</script>"
    )

    assert page.text.split() == ["seen", "too", "unclosed", "j"]
    assert [(link.href, link.text, link.is_hidden) for link in page.links] == [
        ("/a", "A", True),
        ("https://example.com/", "Shop", False),
        ("javascript:x()", "j", False),
    ]
    assert (page.forms, page.scripts) == (1, 3)

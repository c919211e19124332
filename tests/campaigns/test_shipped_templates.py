"""The campaigns in `templates/`, as patterns for others."""

from pathlib import Path

import pytest

from tests.campaigns.workshop import parsed, part
from tests.support.clock import START
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import load
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Json

TEMPLATES = Path(__file__).parents[2] / "templates"
SENDER = Sender(
    domains={"lantern.example": SendingDomain(name="lantern.example", return_path="lantern.example")},
    public_url="https://mail.lantern.example",
)
ANN: dict[str, Json] = {"first_name": "Ann", "city": "Lisbon", "language": "en", "reader_no": "1001"}
ORDER: Json = {"number": "L-1", "total": 22.0, "lines": [{"count": 1, "title": "Bread & Other", "price": 22}]}


def plate(name: str) -> Plate:
    campaign = load(TEMPLATES / name / "campaign.yaml")
    return Plate(make_snapshot(campaign.specification, expand(campaign), sender=SENDER, now=START)[0])


def parts(plate: Plate, contact: dict[str, Json], number: int = 1) -> tuple[str, str]:
    job = Job(
        recipient=Address.parse("ann@open.example"),
        contact={"email": "ann@open.example", **contact},
        accepted_at=START,
        message_id=f"<{number}@lantern.example>",
        unsubscribe_url=f"https://mail.lantern.example/u/{number}",
    )
    mail = parsed(plate.print(job).data)
    return part(mail, "html"), part(mail, "plain")


def test_the_newsletter_has_its_style_in_its_elements() -> None:
    html, text = parts(plate("spring"), ANN)
    button = html[html.index('<a class="button" href="https://lantern.example/spring?reader=1001" style="') :]
    assert "color: #ffffff !important" in button[: button.index(">")]
    assert "background: #3f6b4f" in html  # the variable in the sheet
    assert html.count("border-top: 1px solid #e4dfd3") == 6  # two cells in each row of the loop but the first
    assert "line-height: 1.5;padding-top: 24px;text-align: center" in html  # a style of its own comes last
    assert html.count("color: #b3261e") == 2  # the class that a condition adds
    assert "@media (max-width: 620px)" in html
    assert "<!--[if mso]><style>table { border-collapse: collapse }" in html
    assert '<style media="print">.button { display: none }</style>' in html
    assert "Good evening, Ann" in text
    assert "Come and look <https://lantern.example/spring?reader=1001>" in text
    assert "Unsubscribe <https://mail.lantern.example/u/1>" in text


def test_no_template_construct_is_left() -> None:
    for html, text in (
        parts(plate("spring"), ANN),
        parts(plate("receipt"), {"ordered_on": "2026-03-14", "order": ORDER}),
    ):
        for odd in ("{{", "{%", "\x02", "\x03", "jinja"):
            assert odd not in html + text


def test_another_reader_changes_values_and_nothing_else() -> None:
    newsletter = plate("spring")
    first, _ = parts(newsletter, ANN)
    ben: dict[str, Json] = {"first_name": "Ben & Co", "city": "Åre", "language": "sv", "reader_no": "77"}
    again, text = parts(newsletter, ben, 2)
    for ours, theirs in (
        ("Ann", "Ben &amp; Co"),
        ("Lisbon", "Åre"),
        ("1001", "77"),
        ("/u/1", "/u/2"),
        ('"en"', '"sv"'),
    ):
        first = first.replace(ours, theirs)
    assert again == first
    assert "Good evening, Ben & Co" in text


def test_a_mail_does_not_depend_on_the_mails_before_it() -> None:
    people: list[dict[str, Json]] = [
        {**ANN, "first_name": name, "city": city} for name in ("Ann", "", "O'Neill & <b>") for city in ("", "Lisbon")
    ]
    busy, order = plate("spring"), [*people, *reversed(people)]
    printed = [parts(busy, each) for each in order]
    assert printed == [parts(plate("spring"), each) for each in order]


def test_the_receipt_lists_what_was_bought_in_both_parts() -> None:
    html, text = parts(plate("receipt"), {"ordered_on": "2026-03-14", "order": ORDER})
    assert '<td style="padding: 8px 0;text-align: left;border-bottom: 0;font-weight: bold">Total</td>' in html
    assert "1 × Bread &amp; Other" in html
    assert "1 x Bread & Other: €22.00" in text
    assert "14 March 2026" in text


@pytest.mark.parametrize("name", ["welcome", "spring", "receipt"])
def test_each_campaign_holds_together(name: str) -> None:
    campaign = load(TEMPLATES / name / "campaign.yaml")
    assert expand(campaign).html is not None

"""No value of a contact becomes a header field, a tag, an attribute, a script or a part of the mail, cleaned or not."""

from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.campaigns.test_plate import plate_of, print_for
from tests.campaigns.workshop import CAMPAIGN, Workshop, parsed, part
from tierii_mta.campaigns.plate import Plate
from tierii_mta.outbound.content import RenderFailed

FILE = CAMPAIGN.replace("{html: mail.html.j2}", "{html: mail.html.j2, text: mail.txt.j2, inline_css: true}") + (
    'headers: {X-Note: "{{ note }}"}\nattachments: [{path: a.txt}]\ncompliance: {postal_address: 1 Main St}\n'
)
HTML = """<html><head><title>{{ title }}</title>
<style>.{{ tone }} { color: {{ tone }} } a { top: 0 }</style></head><body>
<p class="{{ tone }}" style="color: {{ tone }}">{{ first_name }}<!-- {{ note }} --></p>
<img alt="{{ title }}" src='{{ note }}'>{{ note | upper }}
<a href="{{ url('https://example.com/', first_name, note=note) }}" title='{{ note }}'>{{ title }}</a></body></html>
"""
HOSTILE = (
    "\r\nBcc: x@example.net",
    "\n\n--=_",
    "</title></style><script>alert(1)</script>",
    "\" onload='x' <b>",
    "--><b>",
    "{{ 7 * 7 }}{% raw %}",
    "\x00\x02\x03\x1b",
    "=?utf-8?q?=0d=0aBcc=3a_x?=",
    "a\u2028b\u0085c\u200b",
    "\ud800",
    "<x@example.net>, y",
    "&quot;><i>&#60;",
    "}</style> * { background: url(javascript:x) }",
    "x" * 2000,
)
VALUE = st.sampled_from(HOSTILE) | st.text(max_size=30) | st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)


class Outline(HTMLParser):
    """The tags of a page with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # what a value makes of a style sheet it stands in is the operator's to answer for
        self.tags.append(" ".join([tag, *sorted(name for name, _ in attrs if name != "style")]))


def outline(html: str) -> list[str]:
    reader = Outline()
    reader.feed(html)
    reader.close()
    return [tag for tag in reader.tags if tag != "style"]  # which goes where nothing is left of a sheet


def shape(mail: EmailMessage) -> list[Any]:
    return [sorted({*mail.keys(), "X-Note"}), *((each.get_content_type(), each.get_filename()) for each in mail.walk())]


@pytest.fixture
def plate(workshop: Workshop) -> Plate:
    workshop.write("mail.txt.j2", "Dear {{ first_name }}, {{ note }}\n{{ url('https://example.com/', note=note) }}\n")
    workshop.write("a.txt", "x")
    return plate_of(workshop, FILE, html=HTML)


@pytest.fixture
def quiet(plate: Plate) -> EmailMessage:
    return parsed(print_for(plate, first_name="A", last_name="B", note="n", title="t", tone="red").data)


@given(first_name=VALUE, last_name=VALUE, note=VALUE, title=VALUE, tone=VALUE)
@example(*HOSTILE[:5])
@example(*HOSTILE[5:10])
@example(*HOSTILE[9:14])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_value_breaks_out_of_its_place(
    plate: Plate, quiet: EmailMessage, first_name: str, last_name: str, note: str, title: str, tone: str
) -> None:
    contact = {"first_name": first_name, "last_name": last_name, "note": note, "title": title, "tone": tone}
    try:
        data = print_for(plate, **contact).data
    except RenderFailed:
        return  # this mail is not sent
    mail = parsed(data)
    assert shape(mail) == shape(quiet)
    assert [each.addr_spec for each in mail["To"].addresses] == ["anna@example.org"]
    assert outline(part(mail, "html")) == outline(part(quiet, "html"))
    assert part(mail, "html").count("<!--") == 1
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")

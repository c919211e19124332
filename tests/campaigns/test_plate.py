"""The mail made from a campaign, read with the standard library."""

import hashlib
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.campaigns.workshop import CAMPAIGN, SENDER, Workshop, parsed, part
from tests.support.clock import START
from tierii_mta.campaigns.cleaning import Cleaner, RowRejected
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.plate import Job, Plate, Sheet
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.clock import Instant, to_datetime
from tierii_mta.mail.address import Address
from tierii_mta.outbound.content import RenderFailed

URL = "https://mail.example.com/u/AbC-_123"


def plate_of(workshop: Workshop, text: str = CAMPAIGN, *, sender: Sender = SENDER, **files: Any) -> Plate:
    campaign = workshop.campaign(text, **files)
    snapshot, _ = make_snapshot(campaign.specification, expand(campaign), sender=sender, now=START)
    return Plate(snapshot)


def print_for(plate: Plate, recipient: str = "anna@example.org", **contact: Any) -> Sheet:
    return plate.print(
        Job(
            recipient=Address.parse(recipient),
            contact={"email": recipient, **contact},
            accepted_at=START,
            message_id="<token@example.com>",
            unsubscribe_url=URL,
        )
    )


def mail_of(plate: Plate, recipient: str = "anna@example.org", **contact: Any) -> EmailMessage:
    return parsed(print_for(plate, recipient, **contact).data)


def test_a_marketing_mail_has_every_field_it_needs(workshop: Workshop) -> None:
    text = CAMPAIGN + (
        'list: {id: news.example.com, name: "Acme news"}\n'
        "reply_to: {name: Hello, email: hello@example.com}\n"
        'headers: {X-City: "{{ city }}", Feedback-ID: "spring:acme"}\n'
    )
    mail = mail_of(plate_of(workshop, text), first_name="Anna", last_name="Müller", city="Köln")
    assert mail["From"] == "Acme <news@example.com>"
    assert mail["To"] == "Anna Müller <anna@example.org>"
    assert mail["Subject"] == "Hello Anna"
    assert mail["Date"].datetime.isoformat() == "2026-09-21T14:13:20+00:00"
    assert mail["Message-ID"] == "<token@example.com>"
    assert mail["Reply-To"] == "Hello <hello@example.com>"
    assert mail["List-Id"] == '"Acme news" <news.example.com>'
    assert mail["List-Unsubscribe"] == f"<{URL}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["X-City"] == "Köln"
    assert mail["Feedback-ID"] == "spring:acme"
    assert mail["MIME-Version"] == "1.0"
    assert len(mail.keys()) == len(set(mail.keys()))


def test_html_and_text_say_the_same_and_the_footer_shows_the_way_out(workshop: Workshop) -> None:
    mail = mail_of(plate_of(workshop, CAMPAIGN + "compliance: {postal_address: 1 Main St}\n"), first_name="Anna & Co")
    assert mail.get_content_type() == "multipart/alternative"
    html, text = part(mail, "html"), part(mail, "plain")
    assert "Dear Anna &amp; Co" in html
    assert html.index("1 Main St") < html.index(URL) < html.index("</body>")
    assert text == f"Dear Anna & Co\n\nShop <https://example.com/>\n\n1 Main St\nUnsubscribe <{URL}>\n"


def test_a_template_that_shows_the_link_gets_no_second_one(workshop: Workshop) -> None:
    workshop.write("bottom.j2", '<a href="{{ unsubscribe_url }}">Leave</a>')
    workshop.write("mail.txt", "Hi {{ first_name }}")
    text = CAMPAIGN.replace("{html: mail.html.j2}", "{html: mail.html.j2, text: mail.txt}")
    mail = mail_of(plate_of(workshop, text, html="<p>Hi</p>{% include 'bottom.j2' %}"), first_name="Anna")
    assert part(mail, "html").count(URL) == 1
    assert part(mail, "plain") == f"Hi Anna\n\n-- \nUnsubscribe: {URL}\n"


def test_a_campaign_of_text_alone_is_one_part(workshop: Workshop) -> None:
    workshop.write("mail.txt", "Hi {{ first_name }} & co\n")
    text = CAMPAIGN.replace("{html: mail.html.j2}", "{text: mail.txt}")
    mail = mail_of(plate_of(workshop, text, html=None), first_name="<Anna>")
    assert mail.get_content_type() == "text/plain"
    assert part(mail, "plain") == f"Hi <Anna> & co\n\n-- \nUnsubscribe: {URL}\n"


def test_the_footer_goes_to_those_whose_mail_shows_no_way_out_of_its_own(workshop: Workshop) -> None:
    address = "compliance: {postal_address: 1 Main St & more}\n"
    html = "<p>Hi</p>{% if age %}<a href='{{ unsubscribe_url }}'>Leave</a>{% endif %}"
    plate = plate_of(workshop, CAMPAIGN + address, html=html)
    shown, lacking = (part(mail_of(plate, age=age), "html") for age in (7, 0))
    assert (shown.count(URL), lacking.count(URL)) == (1, 1)
    assert ">Unsubscribe</a>" not in shown
    assert ">Unsubscribe</a>" in lacking
    assert "1 Main St &amp; more" in shown


def test_the_pages_of_a_person_are_there_for_templates(workshop: Workshop) -> None:
    plate = plate_of(workshop, html="<a href='{{ preferences_url }}'>p</a> <a href='{{ web_view_url }}'>v</a>")
    job = Job(
        recipient=Address.parse("anna@example.org"),
        contact={"email": "anna@example.org"},
        accepted_at=START,
        message_id="<token@example.com>",
        unsubscribe_url=URL,
        preferences_url="https://mail.example.com/p/x",
        web_view_url="https://mail.example.com/v/x",
    )
    html = part(parsed(plate.print(job).data), "html")
    assert "href='https://mail.example.com/p/x'" in html
    assert "href='https://mail.example.com/v/x'" in html


def test_footer_none_and_transactional_mail_get_neither_footer_nor_list_fields(workshop: Workshop) -> None:
    plain = mail_of(plate_of(workshop, CAMPAIGN + "unsubscribe: {footer: none, one_click: false}\n"))
    assert URL not in part(plain, "html")
    assert plain["List-Unsubscribe"] == f"<{URL}>"
    assert plain["List-Unsubscribe-Post"] is None
    transactional = mail_of(plate_of(workshop, CAMPAIGN.replace("name: Spring sale", "kind: transactional")))
    assert transactional["List-Unsubscribe"] is None
    assert URL not in part(transactional, "html")


def test_attachments_and_inline_images_arrive_whole(workshop: Workshop) -> None:
    (workshop.folder / "logo.png").write_bytes(bytes(range(256)))
    (workshop.folder / "menü.pdf").write_bytes(b"%PDF")
    text = CAMPAIGN + "attachments: [{path: menü.pdf}, {path: logo.png, inline: logo}]\n"
    mail = mail_of(plate_of(workshop, text, html='<img src="cid:logo">'))
    files = {item.get_filename(): item for item in mail.walk() if item.get_filename()}
    assert files["logo.png"].get_content() == bytes(range(256))
    assert files["logo.png"]["Content-ID"] == "<logo>"
    assert files["menü.pdf"].get_content_type() == "application/pdf"
    assert mail.get_content_type() == "multipart/mixed"


def test_the_octets_depend_on_snapshot_and_job_alone(workshop: Workshop) -> None:
    plate = plate_of(workshop)
    first = print_for(plate, first_name="Zoë")
    workshop.write("mail.html.j2", "changed")
    again = print_for(plate, first_name="Zoë")
    assert again == first
    assert first.body_hash == hashlib.sha256(first.data).hexdigest()
    assert not first.is_8bit


def test_each_mail_is_dated_when_its_own_recipient_was_accepted(workshop: Workshop) -> None:
    plate = plate_of(workshop)
    instants = [START, START, Instant(START + 86_400_000), START, Instant(0)]
    jobs = [
        Job(
            recipient=Address.parse("anna@example.org"),
            contact={"email": "anna@example.org", "first_name": "Anna"},
            accepted_at=accepted_at,
            message_id="<token@example.com>",
            unsubscribe_url=URL,
        )
        for accepted_at in instants
    ]
    dates = [parsed(plate.print(job).data)["Date"].datetime for job in jobs]
    assert dates == [to_datetime(instant).replace(microsecond=0) for instant in instants]


def test_a_local_part_beyond_ascii_needs_smtputf8(workshop: Workshop) -> None:
    plate = plate_of(workshop)
    assert print_for(plate, "zoë@example.org").needs_smtputf8
    assert print_for(plate, "zoë@example.org").is_8bit
    assert not print_for(plate, "zoe@exämple.org").needs_smtputf8


def test_a_subject_of_several_lines_becomes_one(workshop: Workshop) -> None:
    plate = plate_of(workshop, CAMPAIGN.replace("\"Hello {{ first_name or 'there' }}\"", '"a\\n  {{ first_name }}"'))
    assert mail_of(plate, first_name="x\r\nBcc: y@example.com")["Subject"] == "a x Bcc: y@example.com"


def test_values_that_break_the_mail_fail_its_rendering_alone(workshop: Workshop) -> None:
    plate = plate_of(workshop, CAMPAIGN.replace("\"Hello {{ first_name or 'there' }}\"", '"{{ first_name }}"'))
    with pytest.raises(RenderFailed, match="subject: is empty"):
        print_for(plate, first_name="  ")
    plate = plate_of(workshop, html="{{ 100 / first_name | int }}")
    with pytest.raises(RenderFailed, match=r"mail.html.j2:1: division by zero"):
        print_for(plate, first_name="0")


FIELD = st.text(max_size=80)


@given(first_name=FIELD, last_name=FIELD, note=FIELD)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_contact_can_write_a_header_or_a_tag(workshop: Workshop, first_name: str, last_name: str, note: str) -> None:
    text = CAMPAIGN + 'headers: {X-Note: "{{ note }}"}\n'
    plate = plate_of(workshop, text, html="<p>{{ first_name }}|{{ note }}</p>")
    cleaner = Cleaner(required=[], types={}, header_fields=frozenset({"note"}))
    fields = {"email": "anna@example.org", "first_name": first_name, "last_name": last_name, "note": note}
    try:
        contact: dict[str, Any] = dict(cleaner.clean(fields).fields)
    except RowRejected:
        return
    contact.pop("email")
    data = print_for(plate, **contact).data
    mail = parsed(data)
    assert {name.lower() for name in mail} <= {
        "from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post", "x-note",
        "mime-version", "content-type",
    }  # fmt: skip
    assert len(mail.keys()) == len({name.lower() for name in mail})
    assert [address.addr_spec for address in mail["To"].addresses] == ["anna@example.org"]
    html = part(mail, "html")
    assert html.count("<") == 6  # the template's and the footer's own
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")

"""What files that go along are said to be, and which are not taken."""

import os
from typing import Any

import pytest

from tests.campaigns.workshop import CAMPAIGN, Workshop
from tierii_mta.campaigns.attachments import MAX_FILES, MAX_OCTETS, media_type, read_attachments
from tierii_mta.campaigns.problems import Problem
from tierii_mta.mail.compose import Attachment

PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("menu.PDF", b"%PDF", "application/pdf"),
        ("a.b.docx", b"PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("day.ics", b"BEGIN", "text/calendar"),
        ("noname", b"x", "application/octet-stream"),
        ("archive.tar.gz", b"x", "application/gzip"),
        ("photo.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("photo.jpg", PNG, "image/png"),
        ("photo", b"GIF89a", "image/gif"),
        ("photo.jpg", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("logo.svg", b"<svg/>", "image/svg+xml"),
    ],
)
def test_a_type_comes_from_the_name_and_an_images_from_its_octets(name: str, content: bytes, expected: str) -> None:
    assert media_type(name, content) == expected


def read(workshop: Workshop, attachments: str) -> list[Any]:
    found = read_attachments(workshop.campaign(f"{CAMPAIGN}attachments: {attachments}\n"))
    return [each.what if isinstance(each, Problem) else each for each in found]


def test_files_come_in_the_order_of_the_campaign(workshop: Workshop) -> None:
    workshop.write("terms.txt", "x")
    (workshop.folder / "logo.png").write_bytes(PNG)
    made = read(workshop, "[{path: terms.txt}, {path: logo.png, inline: logo}]")
    assert made == [
        Attachment(filename="terms.txt", content=b"x", media_type="text/plain"),
        Attachment(filename="logo.png", content=PNG, media_type="image/png", content_id="logo"),
    ]


def test_what_cannot_be_sent_is_named(workshop: Workshop) -> None:
    workshop.write("a.txt", "x")
    (workshop.folder / "logo.png").write_bytes(PNG)
    (workshop.folder / "folder").mkdir()
    with (workshop.folder / "huge.bin").open("wb") as file:
        file.truncate(MAX_OCTETS + 1)
    os.mkfifo(workshop.folder / "pipe")
    found = read(
        workshop,
        "[{path: gone.pdf}, {path: folder}, {path: pipe}, {path: huge.bin}, {path: a.txt, inline: a},"
        " {path: logo.png, inline: b}, {path: logo.png, inline: b}]",
    )
    assert [each if isinstance(each, str) else each.filename for each in found] == [
        f"{workshop.folder / 'gone.pdf'}: No such file",
        f"{workshop.folder / 'folder'}: is not a file",
        f"{workshop.folder / 'pipe'}: is not a file",
        f"{workshop.folder / 'huge.bin'}: has {MAX_OCTETS + 1} octets, more than {MAX_OCTETS}",
        "a.txt is text/plain, and only images can be shown inside a mail",
        "logo.png",
        "inline name b stands twice",
    ]


def test_there_may_be_so_many_files(workshop: Workshop) -> None:
    workshop.write("a.txt", "x")
    many = ", ".join(["{path: a.txt}"] * (MAX_FILES + 1))
    assert read(workshop, f"[{many}]") == [f"{MAX_FILES + 1} files, more than {MAX_FILES}"]

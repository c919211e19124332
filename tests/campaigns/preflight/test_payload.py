"""Files that receivers refuse, whatever they are called."""

import zipfile
from io import BytesIO

import pytest

from tierii_mta.campaigns.preflight.knowledge import load_knowledge
from tierii_mta.campaigns.preflight.payload import why_refused
from tierii_mta.mail.compose import Attachment


def refused(name: str, content: bytes = b"x") -> str | None:
    attachment = Attachment(filename=name, content=content, media_type="application/octet-stream")
    return why_refused(attachment, load_knowledge().executables)


def archive(*names: str) -> bytes:
    octets = BytesIO()
    with zipfile.ZipFile(octets, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return octets.getvalue()


@pytest.mark.parametrize("name", ["setup.exe", "SETUP.EXE", "invoice.pdf.js", "a.exe.", "a.scr ", "disk.iso"])
def test_by_their_names(name: str) -> None:
    assert refused(name) == "can be run"


@pytest.mark.parametrize("head", [b"MZ\x90\0", b"\x7fELF\2", b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n"])
def test_by_their_octets(head: bytes) -> None:
    assert refused("menu.pdf", head + b"x" * 100) == "is a program, whatever its name says"


def test_by_what_an_archive_holds() -> None:
    assert refused("photos.zip", archive("a.jpg", "sub/run.ExE")) == "holds 'sub/run.ExE', which can be run"
    assert refused("photos.zip", archive("a.jpg", "b.jpg")) is None
    assert refused("letter.docx", archive("word/document.xml")) is None
    assert refused("broken.zip", archive("a.jpg")[:40]) == "is an archive that cannot be read"
    locked = bytearray(archive("a.txt"))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert refused("locked.zip", bytes(locked)) == "is an encrypted archive, which nobody can look into"


@pytest.mark.parametrize("name", ["menu.pdf", "logo.png", "exe", "README", "budget.xlsx"])
def test_others_may_go(name: str) -> None:
    assert refused(name, b"%PDF-1.7") is None

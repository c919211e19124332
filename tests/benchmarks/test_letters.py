"""What the filters are given alike: sound, signed, each another."""

from pathlib import Path

import dkim as dkimpy
from benchmarks.letters import publish, write_letters

from tests.support.clock import START
from tierii_mta.authentication import dkim
from tierii_mta.mail.mime import parse
from tierii_mta.rehearsal.dns import DnsServer


async def test_letters_are_whole_of_four_kilobytes_and_signed_by_the_published_key(tmp_path: Path) -> None:
    key = tmp_path / "rsa.pem"
    key.write_bytes(dkim.generate_key(dkim.KeyKind.RSA))
    letters = write_letters(3, key=key, now=START)
    publish(DnsServer(), key=key)  # refuses malformed records
    record = dkim.dns_record(key.read_bytes()).encode()
    assert len({letter.octets for letter in letters}) == 3
    for letter in letters:
        assert 3_800 < len(letter.octets) < 4_200
        assert dkimpy.verify(letter.octets, dnsfunc=lambda name, timeout=5: record)
        mail = parse(letter.octets)
        assert mail.faults == ()
        assert mail.body_text().startswith("Thank you")
        assert mail.body_html().endswith("</blockquote>")

"""Replies of 4 KB as they come in, and the DNS of their sender: what every filter is given alike.

Each is signed with RSA-2048 and differs in its words, names and ids, so that no filter knows it from an earlier one.
The sender publishes SPF, DKIM and DMARC and its host has a name, so nothing speaks against them: every check has to
look to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tierii_mta.authentication import dkim
from tierii_mta.authentication.sign import sign
from tierii_mta.clock import Instant
from tierii_mta.rehearsal.dns import DnsServer

RECIPIENT = "sales@mta.bench.example"
CLIENT, HELO = "192.0.2.7", "mx.letters.example"
BLOCK_LIST = "list.bench.example"
_DOMAIN, _SELECTOR = "letters.example", "rsa"
_WORDS = (
    "Thank you for the offer, the price for {number} pieces is fine with us; could you send samples to our office in",
    "Hamburg before we order? We need them until the end of the month, and an invoice with our number {number}.",
)
_QUOTED = "> Dear reader {number}, spring is here, and so are thirty percent off for everybody who orders this week."


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as port 25 hands it on."""

    sender: str
    head: bytes  # with the empty line
    body: bytes

    @property
    def octets(self) -> bytes:
        return self.head + self.body


def write_letters(count: int, *, key: Path, now: Instant) -> Sequence[Letter]:
    """Return so many letters."""
    signer = dkim.DkimKey.load(_DOMAIN, _SELECTOR, key)
    return [_letter(number, signer, now) for number in range(count)]


def publish(dns: DnsServer, *, key: Path) -> None:
    """Add what the sender of the letters publishes, and a block list that it is not on."""
    dns.add(HELO, "A", CLIENT)
    dns.add_ptr(CLIENT, HELO)
    dns.add(_DOMAIN, "MX", 10, HELO)
    dns.add(_DOMAIN, "TXT", f"v=spf1 ip4:{CLIENT} -all")
    dns.add(f"{_SELECTOR}._domainkey.{_DOMAIN}", "TXT", dkim.dns_record(key.read_bytes()))
    dns.add(f"_dmarc.{_DOMAIN}", "TXT", "v=DMARC1; p=reject")
    dns.add(f"2.0.0.127.{BLOCK_LIST}", "A", "127.0.0.2")


def _letter(number: int, signer: dkim.DkimKey, now: Instant) -> Letter:
    sender = f"ann{number}@{_DOMAIN}"
    words = " ".join(_WORDS).format(number=number)
    quoted = "\r\n".join([_QUOTED.format(number=number)] * 7)
    html = f'<div>{words}</div><blockquote type=3D"cite">' + f"<p>{_QUOTED[2:].format(number=number)}</p>\r\n" * 13
    head = (
        f"Received: from laptop ([10.1.2.3]) by {HELO} with ESMTPSA; Sat, 21 Nov 2026 10:30:00 +0000\r\n"
        f"From: Ann Example <{sender}>\r\nTo: Sales <{RECIPIENT}>\r\nSubject: Re: Spring offer {number}\r\n"
        f"Date: Sat, 21 Nov 2026 10:30:00 +0000\r\nMessage-ID: <{number}.reply@{_DOMAIN}>\r\n"
        f"In-Reply-To: <{number}.offer@bench.example>\r\nReferences: <{number}.offer@bench.example>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="part"\r\n\r\n'
    )
    body = (
        "--part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{words}\r\n\r\nAnn\r\n\r\nOn Fri, 20 Nov 2026, News wrote:\r\n{quoted}\r\n"
        "--part\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        f"{html}</blockquote>\r\n--part--\r\n"
    )
    whole = head.encode() + body.encode()
    return Letter(sender, sign(whole, [signer], now=now) + head.encode(), body.encode())

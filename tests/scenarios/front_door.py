"""The front door of a stage: port 25 and submission on loopback, a certificate, a domain with mailboxes, a user.

Owns the settings and the `user add` that a story about mail coming in begins with.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.stage import SENDER_DOMAIN, Stage, free_port
from tierii_mta.clock import SystemClock
from tierii_mta.rehearsal.certificate import make_certificate

HOST = "127.0.0.1"
INBOX_DOMAIN = "inbox.example"
USER = "shop"
SENDER = f"shop@{SENDER_DOMAIN}"
_MANY = 1_000_000


@dataclass(frozen=True)
class FrontDoor:
    """Where it is, and who may submit."""

    inbound: int
    submission: int
    submissions: int  # TLS from the first octet
    certificate: Path
    password: str  # of `USER`


async def furnish(stage: Stage) -> FrontDoor:
    """Open every door in the settings, with a certificate for loopback, and make the user; no daemon yet."""
    certificate, key = make_certificate([HOST, "localhost", "mta.news.example"], now=SystemClock().now())
    stage.write("cert.pem", certificate.decode())
    stage.write("key.pem", key.decode())
    submissions = free_port(HOST)
    stage.settings["tls"] = {"certificate": "cert.pem", "key": "key.pem"}
    stage.settings["smtp"]["submission"]["tls_listen"] = [f"{HOST}:{submissions}"]
    stage.settings["smtp"]["limits"] = {"messages": _MANY}  # one eager client is all there is
    stage.settings["domains"][INBOX_DOMAIN] = {"mailboxes": {"*": {"maildir": "mail"}}}
    stage.save_settings()
    unlimited = ("--messages-per-day", "none", "--newcomers-per-day", "none")
    added = await stage.run("user", "add", USER, "--sender", f"@{SENDER_DOMAIN}", *unlimited, "--json")
    return FrontDoor(
        inbound=stage.inbound_port,
        submission=stage.submission_port,
        submissions=submissions,
        certificate=stage.folder / "cert.pem",
        password=added.summary["password"],
    )

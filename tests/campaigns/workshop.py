"""A folder to build campaigns in, and readers for what comes out."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.specification import Campaign, load

CONTACTS = Path(__file__).parents[1] / "corpus" / "contacts"
SENDER = Sender(
    domains={"example.com": SendingDomain(name="example.com", return_path="bounce.example.com")},
    public_url="https://mail.example.com",
)
CAMPAIGN = """
campaign: {id: spring, name: Spring sale}
from: {name: Acme, email: news@example.com}
subject: "Hello {{ first_name or 'there' }}"
template: {html: mail.html.j2}
contacts:
  - {type: inline, items: [{email: anna@example.org, first_name: Anna}, {email: bob@example.org}]}
"""
HTML = """<html><body><p>Dear {{ first_name }}</p><p><a href="https://example.com/">Shop</a></p></body></html>
"""


@dataclass
class Workshop:
    """Writes files and loads campaigns from them."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def campaign(self, text: str = CAMPAIGN, *, html: str | None = HTML) -> Campaign:
        if html is not None:
            self.write("mail.html.j2", html)
        return load(self.write("campaign.yaml", text), environ=self.environ)


def parsed(data: bytes) -> EmailMessage:
    """Read a mail as a foreign parser does."""
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(message: EmailMessage, kind: str) -> str:
    """Return a part's text."""
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text.replace("\r\n", "\n")

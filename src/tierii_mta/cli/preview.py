"""`preview` and `test`: one contact's mail before it is sent, on the terminal, in a browser, and in a mailbox."""

import os
import sys
import tempfile
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import click

from tierii_mta.campaigns import specification
from tierii_mta.campaigns.draft import check_links
from tierii_mta.campaigns.merge import preferences_url, unsubscribe_url
from tierii_mta.campaigns.proof import Links, Proof, ProofPress, marked
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.persons import parse_address
from tierii_mta.cli.proof_page import page_of
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import CheckFailed, Refused
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.intake import Submission
from tierii_mta.smtp.requests import Recipient

_STREAM = "test"
_PAGES = {"unsubscribe": "u", "preferences": "p", "web_view": "v"}
_SHOWN_FIELDS = ("From", "To", "Reply-To", "Subject", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
_contact = click.option("--contact", metavar="EMAIL", help="Whose data it shows; default: the first contact's.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@_contact
@click.option("--html", "form", flag_value="html", help="Print the HTML part.")
@click.option("--raw", "form", flag_value="raw", help="Print the whole message.")
@click.option("--open", "form", flag_value="open", help="Show it in a browser, with its pictures.")
@async_body
async def preview(call: Invocation, file: Path, contact: str | None, form: str | None) -> None:
    """Show the mail one contact would get, unsigned: header and text. Its links to our pages lead nowhere."""
    campaign = specification.load(file, environ=os.environ)
    async with opened(call) as installation:
        _warn_of_foreign_domain(call, installation, campaign)
        press = _press(installation, campaign)
        base = installation.sender.public_url or "https://preview.invalid"
        links = Links(**{page: f"{base}/{path}/preview" for page, path in _PAGES.items()})
        proof = press.print(await press.contact(_parsed(contact)), links)
    if form == "raw" and not call.is_json:
        sys.stdout.buffer.write(proof.data)
        return
    message = message_from_bytes(proof.data, policy=default)
    if form == "open":
        _open(call, message, campaign)
        return
    part = message.get_body(("html",) if form == "html" else ("plain",))
    body = str(part.get_content()) if part is not None else ""
    fields = {name: str(message[name]) for name in _SHOWN_FIELDS if name in message}
    head = "\n".join(f"{name}: {value}" for name, value in fields.items())
    raw = proof.data.decode() if form == "raw" else None
    record = {"headers": fields, "body": body if form != "raw" else None, "raw": raw}
    call.output.summary(record, body if form == "html" else f"{head}\n\n{body}")


@click.command(cls=Command, short_help="Send one contact's mail to yourself, marked as a test.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "recipients", required=True, multiple=True, metavar="ADDRESS", help="Who gets it; repeatable.")
@_contact
@async_body
async def test(call: Invocation, file: Path, recipients: tuple[str, ...], contact: str | None) -> None:
    """Send the mail one contact would get to ADDRESS, through the queue, signed, marked as a test.

    It belongs to no campaign: no figure of one moves. Its unsubscribe link is that of ADDRESS.
    """
    campaign = specification.load(file, environ=os.environ)
    persons: dict[str, Address] = {}
    for address in map(parse_address, recipients):
        persons.setdefault(address.key, address)
    async with opened(call) as installation:
        sender, spec = installation.sender, campaign.specification
        sender.domain_of(spec.from_address, where=campaign.document.where(("from", "email")))
        press = _press(installation, marked(campaign))
        check_links(campaign, press.expansion, sender)
        shown = await press.contact(_parsed(contact))
        proofs = [press.print(shown, _links(installation, campaign, to), recipient=to) for to in persons.values()]
        for proof in proofs:
            await _send(installation, campaign, proof)
    sent = [{"to": str(proof.recipient), "message_id": proof.message_id} for proof in proofs]
    lines = [
        f"{campaign.id}: a test with the data of {shown.address} goes to {one['to']}; "
        f"tierii-mta why {one['message_id']!r}"
        for one in sent
    ]
    call.output.summary({"campaign": campaign.id, "contact": str(shown.address), "sent": sent}, "\n".join(lines))


def _parsed(address: str | None) -> Address | None:
    return parse_address(address) if address else None


def _press(installation: Installation, campaign: Campaign) -> ProofPress:
    return ProofPress(
        campaign,
        sender=installation.sender,
        sources=installation.feed_sources,
        key_of=installation.codec.person_key,
        clock=installation.clock,
    )


def _links(installation: Installation, campaign: Campaign, to: Address) -> Links:
    """Return links of the one who gets the test: it unsubscribes nobody else. The web view leads nowhere."""
    codec, base = installation.codec, installation.sender.public_url
    if base is None:
        return Links(unsubscribe="", preferences="", web_view="")
    key, asked = codec.person_key(to), campaign.specification
    return Links(
        unsubscribe=unsubscribe_url(codec, base, key, asked.list_id, None),
        preferences=preferences_url(codec, base, key, asked.from_address.domain, None),
        web_view=f"{base}/v/test",  # there is no delivery to look up
    )


async def _send(installation: Installation, campaign: Campaign, proof: Proof) -> None:
    """Accept a test as a mail like any other; its bounces come back to us, as the campaign's do."""
    sender, author = installation.sender, campaign.specification.from_address
    if len(proof.data) > sender.max_message_bytes:
        raise CheckFailed(
            f"the mail has {len(proof.data)} octets, more than {sender.max_message_bytes}", where=str(campaign.path)
        )
    submission = Submission(
        stream=_STREAM,
        reverse_path=author,
        recipients=[Recipient(forward_path=proof.recipient)],
        content=proof.data,
        message_id=proof.message_id,
        priority=Priority.HIGH,
        is_smtputf8=proof.needs_smtputf8,
        return_path=sender.domain_of(author).return_path,
    )
    await installation.accept(submission)


def _open(call: Invocation, message: EmailMessage, campaign: Campaign) -> None:
    """Write a page that holds all it shows, and ask the desktop to open it. The file is left to its reader."""
    number, name = tempfile.mkstemp(prefix=f"tierii-{campaign.id}-", suffix=".html")
    with os.fdopen(number, "w", encoding="utf-8") as page:
        page.write(page_of(message))
    record: dict[str, Any] = {"page": name}
    if click.launch(name, wait=True):
        call.output.note("note: no browser could be started here")
    call.output.summary(record, name)


def _warn_of_foreign_domain(call: Invocation, installation: Installation, campaign: Campaign) -> None:
    """A mail may be looked at before its domain is ours; sending it will be refused."""
    try:
        installation.sender.domain_of(campaign.specification.from_address)
    except Refused as cause:
        call.output.note(f"note: enqueue will refuse it: {cause}")

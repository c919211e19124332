"""`preview`: one contact's mail before it is sent."""

import os
import sys
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import click

from tierii_mta.campaigns import specification
from tierii_mta.campaigns.audience import Audience, Contact
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.feeds import open_feeds
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.stages import Meter
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.persons import parse_address
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import CheckFailed, NotFound, Refused
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.outbound.content import RenderFailed

_SHOWN_FIELDS = ("From", "To", "Reply-To", "Subject", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--contact", metavar="EMAIL", help="Whose mail; default: the first contact's.")
@click.option("--format", "form", type=click.Choice(["text", "html", "raw"]), default="text", show_default=True)
@async_body
async def preview(call: Invocation, file: Path, contact: str | None, form: str) -> None:
    """Print the mail one contact would get, unsigned. Its unsubscribe link leads nowhere."""
    campaign = specification.load(file, environ=os.environ)
    async with opened(call) as installation:
        _warn_of_foreign_domain(call, installation, campaign)
        data = await _print(installation, campaign, contact)
    if form == "raw" and not call.is_json:
        sys.stdout.buffer.write(data)
        return
    message = message_from_bytes(data, policy=default)
    part = message.get_body(("html",) if form == "html" else ("plain",))
    body = str(part.get_content()) if part is not None else ""
    fields = {name: str(message[name]) for name in _SHOWN_FIELDS if name in message}
    head = "\n".join(f"{name}: {value}" for name, value in fields.items())
    call.output.summary(
        {"headers": fields, "body": body if form != "raw" else None, "raw": data.decode() if form == "raw" else None},
        body if form == "html" else f"{head}\n\n{body}",
    )


async def _print(installation: Installation, campaign: Campaign, contact: str | None) -> bytes:
    sender, clock = installation.sender, installation.clock
    expansion = expand(campaign)
    snapshot, _ = make_snapshot(campaign.specification, expansion, sender=sender, now=clock.now())
    meter = Meter(clock)
    async with open_feeds(campaign, installation.feed_sources, clock=clock, meter=meter) as feeds:
        audience = Audience(
            campaign.specification,
            feeds,
            header_fields=expansion.header_fields,
            key_of=installation.codec.person_key,
            clock=clock,
            meter=meter,
        )
        chosen = await _contact(audience, contact)
    base = sender.public_url or "https://preview.invalid"
    job = Job(
        recipient=chosen.address,
        contact=chosen.fields,
        accepted_at=clock.now(),
        message_id=random_message_id(clock, campaign.specification.from_address.domain),
        unsubscribe_url=f"{base}/u/preview",
        preferences_url=f"{base}/p/preview",
        web_view_url=f"{base}/v/preview",
    )
    try:
        return Plate(snapshot).print(job).data
    except RenderFailed as cause:
        raise CheckFailed(
            f"the mail of {chosen.address} does not render: {cause}",
            where=str(campaign.path),
            remedy=f"mend the template, or the contact in {chosen.file}:{chosen.line}",
        ) from cause


def _warn_of_foreign_domain(call: Invocation, installation: Installation, campaign: Campaign) -> None:
    """A mail may be looked at before its domain is ours; sending it will be refused."""
    try:
        installation.sender.domain_of(campaign.specification.from_address)
    except Refused as cause:
        call.output.note(f"note: enqueue will refuse it: {cause}")


async def _contact(audience: Audience, email: str | None) -> Contact:
    wanted = parse_address(email).key if email else None
    async for each in audience.contacts():
        if wanted in (None, each.address.key):
            return each
    raise NotFound("is not among the valid contacts" if email else "there is no valid contact", where=email)

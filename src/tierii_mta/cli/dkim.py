"""`dkim`: the keys that sign, and what to publish for them."""

import os
from pathlib import Path
from typing import Any

import click

from tierii_mta.authentication.keys import KeyKind, dns_record, generate_key, load_private_key
from tierii_mta.cli.invocation import Group, Invocation, command_body
from tierii_mta.errors import ConfigurationError, Conflict, NotFound, UsageError
from tierii_mta.mail.address import InvalidAddress, parse_domain


@click.group(cls=Group)
def dkim() -> None:
    """DKIM keys."""


@dkim.command()
@click.argument("domain")
@click.option("--selector", default="s1", show_default=True, help="The name it is published under.")
@click.option(
    "--type", "kind", type=click.Choice([str(kind) for kind in KeyKind]), default="rsa", show_default=True, help="Kind."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: keys/ beside the settings file.")
@command_body
def new(call: Invocation, domain: str, selector: str, kind: str, out: Path | None) -> None:
    """Make a key, 0600, and print the DNS record and the lines for the settings."""
    try:
        domain, selector = parse_domain(domain), parse_domain(selector)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=f"{selector}._domainkey.{domain}") from cause
    loaded = call.load_settings()
    base = loaded.file.parent if loaded.file else Path("config")
    file = out or base / "keys" / f"{domain}.{selector}.pem"
    if file.exists():
        raise Conflict(
            "exists already", where=str(file), remedy="choose another --selector: a published key stays as it is"
        )
    key = write_key(file, KeyKind(kind), owner=loaded.settings.data_dir)
    shown = announce(call, domain, selector, key)
    call.output.note(f"settings: domains: {{{domain}: {{dkim: [{{selector: {selector}, key: {file}}}]}}}}")
    call.output.summary(shown | {"file": str(file)})


@dkim.command()
@click.argument("domain", required=False)
@command_body
def show(call: Invocation, domain: str | None) -> None:
    """Print the DNS records of the keys in the settings."""
    loaded = call.loaded
    shown = 0
    for name, section in loaded.settings.domains.items():
        for key in section.dkim if domain in (None, name) else ():
            announce(call, name, key.selector, read_key(key.key))
            shown += 1
    if not shown:
        raise NotFound("no DKIM key is set", where=domain, remedy="make one with `tierii-mta dkim new DOMAIN`")
    call.output.summary({"keys": shown})


def announce(call: Invocation, domain: str, selector: str, key: bytes) -> dict[str, Any]:
    """Print what to publish for a key, and return it."""
    name, record = f"{selector}._domainkey.{domain}", dns_record(key)
    strings = " ".join(f'"{record[start : start + 255]}"' for start in range(0, len(record), 255))
    call.output.record({"name": name, "type": "TXT", "value": record}, f"{name}. IN TXT {strings}")
    return {"name": name, "value": record}


def read_key(file: Path) -> bytes:
    """Return a private key, PEM, that can sign; raises `ConfigurationError`."""
    try:
        pem = file.read_bytes()
    except OSError as cause:
        raise ConfigurationError(
            f"cannot be read: {cause.strerror}", where=str(file), remedy="check the path and its permissions"
        ) from cause
    load_private_key(pem, where=str(file))
    return pem


def write_key(file: Path, kind: KeyKind, *, owner: Path) -> bytes:
    """Make a key file for the owner of `owner` alone, or return the one that is there."""
    if file.exists():
        return read_key(file)
    key = generate_key(kind)
    try:
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(key)
        if os.geteuid() == 0 and owner.exists():
            os.chown(file, owner.stat().st_uid, owner.stat().st_gid)
    except OSError as cause:
        raise ConfigurationError(
            f"cannot be written: {cause.strerror}", where=str(file), remedy="choose another place with --out"
        ) from cause
    return key

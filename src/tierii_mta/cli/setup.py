"""`init`: a settings file, the folder for everything, and DKIM keys if wanted."""

import os
import re
from pathlib import Path

import click

from tierii_mta.authentication.keys import KeyKind
from tierii_mta.cli.dkim import announce, write_key
from tierii_mta.cli.invocation import Command, Invocation, command_body
from tierii_mta.cli.privileges import assume_owner
from tierii_mta.daemon.settings import describe
from tierii_mta.errors import ConfigurationError, UsageError
from tierii_mta.mail.address import InvalidAddress, parse_domain

_SYSTEM_FILE = Path("/etc/tierii-mta/tierii-mta.yaml")
_LOCAL_FILE = Path("config/tierii-mta.yaml")
_DOORS = (  # until there is a certificate, only this machine may hand in mail
    (r'listen: \["0\.0\.0\.0:25"\]', "listen: []"),
    (r'listen: \["0\.0\.0\.0:587"\]', 'listen: ["127.0.0.1:2587"]'),
    (r'tls_listen: \["0\.0\.0\.0:465"\]', "tls_listen: []"),
    (r"plaintext_auth: never", "plaintext_auth: loopback"),
)


@click.command(cls=Command)
@click.option("--domain", metavar="DOMAIN", help="A domain you send as.")
@click.option("--dkim", is_flag=True, help="Make DKIM keys for it: RSA (selector s1) and Ed25519 (selector e1).")
@click.option("--hostname", metavar="NAME", help="The EHLO name; default: the machine's name.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where everything is kept.")
@command_body
def init(call: Invocation, domain: str | None, dkim: bool, hostname: str | None, data_dir: Path | None) -> None:
    """Write a commented settings file and create data_dir. What exists already is left as it is.

    As root: /etc/tierii-mta/tierii-mta.yaml and /var/lib/tierii-mta; otherwise config/tierii-mta.yaml and data/ below
    the current folder. --config and --data-dir say otherwise.
    """
    if dkim and domain is None:
        raise UsageError("--dkim needs to know for which domain", remedy="add --domain example.com")
    is_root = os.geteuid() == 0
    file = call.config or (_SYSTEM_FILE if is_root else _LOCAL_FILE)
    name = _domain(domain) if domain else None
    is_new = not file.exists()
    if is_new:
        home = data_dir or (Path("/var/lib/tierii-mta") if is_root else Path("data"))
        _write(file, _text(home.absolute(), name, hostname, has_keys=dkim))
        call.output.note(f"wrote {file}")
    else:
        call.output.note(f"{file} exists and is left as it is")
    call.config = file
    settings = call.load_settings().settings
    if name and name not in settings.domains:
        call.output.note(f"note: {name} is not in it; add under `domains`: {_section(name, has_keys=dkim)}")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = []
    if name and dkim:
        for selector, kind in (("s1", KeyKind.RSA), ("e1", KeyKind.ED25519)):
            key = write_key(file.parent / "keys" / f"{name}.{selector}.pem", kind, owner=settings.data_dir)
            keys.append(announce(call, name, selector, key))
    assume_owner(settings.data_dir)
    call.output.summary(
        {"config": str(file), "is_new": is_new, "data_dir": str(settings.data_dir), "dkim": keys},
        f"settings: {file}\ndata: {settings.data_dir}\nnext: tierii-mta doctor, then tierii-mta serve",
    )


def _text(data_dir: Path, domain: str | None, hostname: str | None, *, has_keys: bool) -> str:
    """Return the sample with what was asked for set."""
    text = re.sub(r"^#data_dir: \S+", f"data_dir: {_quoted(data_dir)}", describe.sample(), count=1, flags=re.MULTILINE)
    for default, ours in _DOORS:
        text = re.sub(rf"^    #{default}", f"    {ours}", text, count=1, flags=re.MULTILINE)
    if hostname:
        text = re.sub(r"^#hostname: \S+", f"hostname: {_domain(hostname)}", text, count=1, flags=re.MULTILINE)
    if domain:
        section = f"domains:\n  {_section(domain, has_keys=has_keys)}\n"
        text = re.sub(r"^#domains:", section + "#domains:", text, count=1, flags=re.MULTILINE)
    return text


def _section(domain: str, *, has_keys: bool) -> str:
    """Return the line of `domains` for one domain."""
    names = ("s1", "e1") if has_keys else ()
    keys = ", ".join(f"{{selector: {name}, key: keys/{domain}.{name}.pem}}" for name in names)
    return f"{domain}: {{dkim: [{keys}]}}"


def _quoted(path: Path) -> str:
    text = str(path)
    return (
        text if re.fullmatch(r"[A-Za-z0-9._/-]+", text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=text) from cause


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError as cause:
        raise ConfigurationError(
            f"cannot be written: {cause.strerror}", where=str(file), remedy="choose another place with --config"
        ) from cause

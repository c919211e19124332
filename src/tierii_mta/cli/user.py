"""`user`: accounts that may submit mail."""

import base64
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.clock import rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import Conflict, NotFound, Refused, UsageError
from tierii_mta.inbound.accounts import (
    Account,
    ReturnPath,
    Role,
    SenderPattern,
    Usage,
    day_of,
    is_account_name,
)
from tierii_mta.inbound.logins import password_hasher
from tierii_mta.mail.address import InvalidAddress
from tierii_mta.queue.delivery import Priority

_MIN_PASSWORD, _MAX_PASSWORD = 8, 1024
_GENERATED_OCTETS = 15
_NO_LIMIT = -1
_PRIORITIES = click.Choice([priority.name.lower() for priority in Priority])

F = TypeVar("F", bound=Callable[..., Any])


class _Limit(click.ParamType[int]):
    """A number, or `none`."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; `_NO_LIMIT` is told from an option that was not given."""
        if isinstance(value, int):
            return value
        if value == "none":
            return _NO_LIMIT
        if not (value.isascii() and value.isdigit()):
            self.fail(f"{value!r} is neither a number nor none", param, ctx)
        return int(value)


def _rights(function: F) -> F:
    """Add the options that say what an account may do."""
    for option in (
        click.option(
            "--return-path", type=click.Choice([*map(str, ReturnPath)]), help="Envelope sender: as given, or signed."
        ),
        click.option(
            "--newcomers-per-day",
            "newcomers",
            type=_Limit(),
            metavar="N|none",
            help="Recipients it never wrote to; default 200.",
        ),
        click.option(
            "--recipients-per-day", "recipients", type=_Limit(), metavar="N|none", help="Recipients; default none."
        ),
        click.option("--messages-per-day", "messages", type=_Limit(), metavar="N|none", help="Messages; default 1000."),
        click.option("--max-priority", type=_PRIORITIES, help="The most urgent it may ask for; default high."),
        click.option("--sender", "senders", multiple=True, metavar="ADDRESS|@DOMAIN", help="May send as; repeatable."),
        click.option(
            "--role", type=click.Choice([*map(str, Role)]), help="submit (default) or admin, of the dashboard too."
        ),
    ):
        function = option(function)
    return function


_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from stdin, one line.")


@click.group(cls=Group)
def user() -> None:
    """Accounts that may submit mail."""


@user.command()
@click.argument("name")
@_rights
@_password_stdin
@async_body
async def add(call: Invocation, /, name: str, *, password_stdin: bool, **rights: Any) -> None:
    """Make an account.

    The password is asked for on a terminal, read with --password-stdin, and otherwise made up and shown once.
    """
    if not is_account_name(name):
        raise UsageError("is no name for an account", where=name, remedy="use a-z, 0-9 and . _ - + @, 64 at most")
    async with opened(call) as installation:
        if await installation.accounts.get(name) is not None:
            raise Conflict("there is such an account", where=name, remedy="use `user set` or `user passwd`")
        now = installation.clock.now()
        blank = Account(name=name, password="", senders=(), created_at=now, changed_at=now)
        account = _with_rights(blank, installation, **rights)
        if account.role is Role.SUBMIT and not account.senders:
            raise _without_senders(installation)
        password, generated = _password(call, installation, password_stdin=password_stdin)
        await installation.accounts.put(replace(account, password=password_hasher().hash(password)))
    _tell(call, account, "added", generated)


@user.command("set")
@click.argument("name")
@_rights
@click.option("--enable/--disable", "is_enabled", default=None, help="Whether it may log in.")
@async_body
async def change(call: Invocation, /, name: str, *, is_enabled: bool | None, **rights: Any) -> None:
    """Change what an account may do; what is not named stays. --sender replaces all senders."""
    async with opened(call) as installation:
        account = _with_rights(await _existing(installation, name), installation, **rights)
        if is_enabled is not None:
            account = replace(account, is_enabled=is_enabled)
        await installation.accounts.put(replace(account, changed_at=installation.clock.now()))
    _tell(call, account, "changed", None)


@user.command()
@click.argument("name")
@_password_stdin
@async_body
async def passwd(call: Invocation, name: str, *, password_stdin: bool) -> None:
    """Give an account a new password; the old one ends at once."""
    async with opened(call) as installation:
        account = await _existing(installation, name)
        password, generated = _password(call, installation, password_stdin=password_stdin)
        encoded = password_hasher().hash(password)
        await installation.accounts.put(replace(account, password=encoded, changed_at=installation.clock.now()))
    _tell(call, account, "has a new password", generated)


@user.command()
@click.argument("name")
@async_body
async def rm(call: Invocation, name: str) -> None:
    """Remove an account. What it has submitted is still sent."""
    async with opened(call) as installation:
        if not await installation.accounts.delete(name):
            raise _unknown(name)
    call.output.summary({"removed": name}, f"{name}: removed")


@user.command()
@async_body
async def ls(call: Invocation) -> None:
    """List the accounts, with what they sent today."""
    rows = []
    async with opened(call) as installation:
        today = day_of(installation.clock.now())
        accounts = await installation.accounts.list()
        for account in accounts:
            standing = await installation.accounts.standing(account.name, today)
            used = standing[1] if standing is not None else Usage()
            call.output.record(_account_json(account) | {"today": used._asdict()})
            rows.append(_row(call, account, used))
    if rows:
        headings = ("USER", "ROLE", "STATE", "SENDERS", "PRIORITY", "MESSAGES", "RECIPIENTS", "NEW")
        call.output.columns(headings, rows)
    call.output.summary({"users": len(rows)}, None if rows else "no accounts yet: tierii-mta user add NAME")


def _row(call: Invocation, account: Account, used: Usage) -> tuple[str, ...]:
    limits = account.limits
    spent = zip(used, (limits.messages, limits.recipients, limits.newcomers), strict=True)
    return (
        account.name,
        str(account.role),
        call.output.paint("ok" if account.is_enabled else "disabled"),
        " ".join(sender.text for sender in account.senders) or "-",
        account.max_priority.name.lower(),
        *(f"{count}/{'none' if most is None else most}" for count, most in spent),
    )


def _account_json(account: Account) -> dict[str, Any]:
    return {
        "user": account.name,
        "role": str(account.role),
        "is_enabled": account.is_enabled,
        "senders": [sender.text for sender in account.senders],
        "max_priority": account.max_priority.name.lower(),
        "return_path": str(account.return_path),
        "messages_per_day": account.limits.messages,
        "recipients_per_day": account.limits.recipients,
        "newcomers_per_day": account.limits.newcomers,
        "created_at": rfc3339(account.created_at),
        "changed_at": rfc3339(account.changed_at),
    }


def _tell(call: Invocation, account: Account, done: str, generated: str | None) -> None:
    shown = _account_json(account) | ({"password": generated} if generated else {})
    words = f"{account.name}: {done}"
    if generated:
        words += f"; the password, shown only now: {generated}"
    call.output.summary(shown, words)


async def _existing(installation: Installation, name: str) -> Account:
    account = await installation.accounts.get(name)
    if account is None:
        raise _unknown(name)
    return account


def _unknown(name: str) -> NotFound:
    return NotFound("there is no such account", where=name, remedy="see `user ls`")


def _with_rights(
    account: Account,
    installation: Installation,
    *,
    role: str | None,
    senders: tuple[str, ...],
    max_priority: str | None,
    return_path: str | None,
    **limits: int | None,
) -> Account:
    """Return the account with what the options say."""
    given = {name: None if most == _NO_LIMIT else most for name, most in limits.items() if most is not None}
    return replace(
        account,
        role=Role(role) if role else account.role,
        senders=tuple(_sender(installation, text) for text in senders) or account.senders,
        max_priority=Priority[max_priority.upper()] if max_priority else account.max_priority,
        return_path=ReturnPath(return_path) if return_path else account.return_path,
        limits=replace(account.limits, **given),
    )


def _sender(installation: Installation, text: str) -> SenderPattern:
    try:
        pattern = SenderPattern.parse(text)
    except InvalidAddress as cause:
        raise UsageError(str(cause), where=f"--sender {text}") from cause
    if pattern.domain not in installation.settings.domains:
        raise Refused(
            f"{pattern.domain} is not a domain we send as",
            where=f"--sender {text}",
            remedy=f"add {pattern.domain} to `domains` in the settings with its DKIM key first",
        )
    return pattern


def _without_senders(installation: Installation) -> UsageError:
    named = " ".join(f"--sender @{domain}" for domain in sorted(installation.settings.domains))
    return UsageError(
        "an account needs a sender: an address or a domain it may send as",
        remedy=f"for everything: {named}" if named else "add a domain to `domains` in the settings first",
    )


def _password(call: Invocation, installation: Installation, *, password_stdin: bool) -> tuple[str, str | None]:
    """Return the password, and again if it was made up and has to be shown."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty() and not call.is_json:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        octets = installation.clock.token(_GENERATED_OCTETS)
        generated = base64.urlsafe_b64encode(octets).decode("ascii")
        return generated, generated
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD or not password.isprintable():
        raise UsageError(f"a password has {_MIN_PASSWORD} to {_MAX_PASSWORD} printable characters")
    return password, None

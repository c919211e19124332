"""What the verbs of `queue` are about, as typed: ids, a domain, a campaign, a user, a label, a tag, or all."""

from collections.abc import Callable
from typing import Any

import click

from tierii_mta.cli.persons import parse_domain_name
from tierii_mta.errors import UsageError
from tierii_mta.queue.selection import Ids, Selection


def selecting(*, with_ids: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of a selection; it gets them as keyword arguments for `parse_selection`."""
    parameters = [
        click.option("--domain", metavar="DOMAIN", help="Mail to this domain."),
        click.option("--campaign", metavar="ID", help="Mail of this campaign."),
        click.option("--user", metavar="NAME", help="Mail that this user has submitted."),
        click.option("--label", metavar="TEXT", help="Submitted mail with this X-Tierii-Campaign."),
        click.option("--tag", metavar="TEXT", help="Submitted mail with this X-Tierii-Tag."),
    ]
    if with_ids:
        parameters.insert(0, click.argument("ids", nargs=-1, metavar="[ID]..."))
        parameters.append(click.option("--all", "is_all", is_flag=True, help="All mail."))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for parameter in reversed(parameters):
            function = parameter(function)
        return function

    return decorate


def parse_selection(*, ids: tuple[str, ...] = (), domain: str | None = None, **criteria: Any) -> Selection:
    """Return what is meant; raises `UsageError` where nothing is, or all and something."""
    try:
        return Selection(
            ids=Ids.parse(ids), domain=parse_domain_name(domain) if domain is not None else None, **criteria
        )
    except ValueError as cause:
        remedy = "name IDs, --domain, --campaign, --user, --label or --tag, or say --all"
        raise UsageError(str(cause), remedy=remedy) from cause

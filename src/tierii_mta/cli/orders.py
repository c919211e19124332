"""`queue hold`, `release`, `flush` and `bounce`: what an operator does with mail that waits.

Owns the questions asked first and the words of the answer; the rows are moved in the database (queue.operator), whether
or not a daemon runs.
"""

from typing import Any

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.selections import parse_selection, selecting
from tierii_mta.queue.operator import Moved, Order, Verb

_MANY = 100  # more than these are not flushed without a question
_DONE = {
    Verb.HOLD: "held",
    Verb.RELEASE: "released",
    Verb.FLUSH: "due now",
    Verb.BOUNCE: "bounced",
}
_dry_run = click.option("--dry-run", is_flag=True, help="Only say how many it would be.")


@click.command(cls=Command, short_help="Keep waiting mail back until `release`.")
@selecting()
@click.option("--reason", "text", default="held by the operator", help="Your note, kept with each delivery.")
@_dry_run
@async_body
async def hold(call: Invocation, /, text: str, dry_run: bool, **criteria: Any) -> None:
    """Keep mail that waits back until `release`. Held mail still expires at the end of its lifetime."""
    await _carry_out(call, Verb.HOLD, text, criteria, dry_run=dry_run)


@click.command(cls=Command, short_help="Let held mail wait its turn again.")
@selecting()
@_dry_run
@async_body
async def release(call: Invocation, /, dry_run: bool, **criteria: Any) -> None:
    """Let held mail wait its turn again, due when it was due before."""
    await _carry_out(call, Verb.RELEASE, "", criteria, dry_run=dry_run)


@click.command(cls=Command, short_help="Try waiting mail now.")
@selecting()
@_dry_run
@async_body
async def flush(call: Invocation, /, dry_run: bool, **criteria: Any) -> None:
    """Make waiting mail due now. Limits, suspensions and paused campaigns go on to hold it; the answer names them."""
    await _carry_out(call, Verb.FLUSH, "", criteria, dry_run=dry_run)


@click.command(cls=Command, short_help="Give waiting or held mail up, with a report to the sender.")
@selecting()
@click.option("--reason", "text", default="returned by the operator", help="What the sender of submitted mail reads.")
@_dry_run
@async_body
async def bounce(call: Invocation, /, text: str, dry_run: bool, **criteria: Any) -> None:
    """Give waiting or held mail up: it ends failed(rejected), and senders of submitted mail get a report."""
    await _carry_out(call, Verb.BOUNCE, text, criteria, dry_run=dry_run)


async def _carry_out(call: Invocation, verb: Verb, text: str, criteria: dict[str, Any], *, dry_run: bool) -> None:
    order = Order(verb=verb, selection=parse_selection(**criteria), text=text)
    async with opened(call) as installation:
        now = installation.clock.now()
        if dry_run:
            survey = await installation.operator.survey(order, now)
            _tell(call, order, Moved(count=survey.count, in_hand=survey.in_hand), done=f"to {verb}")
            return
        if _is_grave(order):
            count = (await installation.operator.survey(order, now)).count
            if count > (_MANY if verb is Verb.FLUSH else 0):
                call.confirm(f"{str(verb).capitalize()} {count} deliveries?")
        _tell(call, order, await installation.operator.carry_out(order, now), done=_DONE[verb])


def _is_grave(order: Order) -> bool:
    return order.verb in (Verb.BOUNCE, Verb.FLUSH) or (order.verb is Verb.HOLD and order.selection.is_all)


def _tell(call: Invocation, order: Order, moved: Moved, *, done: str) -> None:
    words = [f"{moved.count} {'delivery' if moved.count == 1 else 'deliveries'} {done}"]
    words += [f"{count} of them still {'waits' if count == 1 else 'wait'}: {why}" for why, count in moved.waits.items()]
    words += [f"{moved.in_hand} being delivered, left alone"] if moved.in_hand else []
    record = {"verb": str(order.verb), "count": moved.count, "in_hand": moved.in_hand, "waits": dict(moved.waits)}
    call.output.summary(record, "\n".join(words))

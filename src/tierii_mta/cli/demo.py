"""`demo`: the whole road on loopback, in under a minute."""

import asyncio

import click

from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.progress import Progress
from tierii_mta.clock import SystemClock
from tierii_mta.errors import ExitCode, TieriiError
from tierii_mta.rehearsal.demo import Demo, Step, sights
from tierii_mta.rehearsal.proofs import StepFailed


class DemoFailed(TieriiError):
    """A step of the demo was not seen."""

    exit_code = ExitCode.UNEXPECTED


@click.command(cls=Command, short_help="See it work, on loopback alone.")
@click.option("--keep", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
@async_body
async def demo(call: Invocation, keep: bool) -> None:
    """Send a small campaign through the real daemon to four MX hosts on loopback, and check what arrives.

    Needs no settings, no network and no rights: everything lives in a temporary folder and ends with the command.
    """
    clock = SystemClock()
    start, seen = clock.monotonic(), 0

    def tell(step: Step) -> None:
        nonlocal seen
        seen += 1
        call.output.record({"step": step.claim, "ok": True, "detail": step.detail}, f"ok  {step.claim}: {step.detail}")

    with Progress(call.output, "mails delivered") as progress:
        story = Demo(clock, tell=tell, show=lambda done, total: progress.show(done, total, "", now=clock.monotonic()))
        try:
            async with story.play() as stage:
                elapsed = round(clock.monotonic() - start, 1)
                call.output.summary(
                    {"demo": "ok", "steps": seen, "web": stage.web, "elapsed_s": elapsed},
                    f"all seen in {elapsed} s",
                )
                if keep:
                    call.output.note("\n  ".join(("still up until Ctrl-C; look around:", *sights(stage))))
                    await asyncio.Event().wait()
        except StepFailed as cause:
            raise DemoFailed(str(cause), where="demo") from cause

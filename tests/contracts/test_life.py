"""The life of a campaign: every command in every state, on both databases.

A column is a state, a row a command; what stands there is the state it leads to, or nothing where it is a conflict
(exit 7), which changes nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.contracts.installation import LIFETIME, Installation
from tierii_mta.campaigns.store import CAMPAIGN_TRANSITIONS, CampaignRecord, CampaignState
from tierii_mta.clock import later
from tierii_mta.errors import Conflict
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.timetable import Timetable

TABLE = """
                draft      scheduled  running   paused    draining  completed  cancelled  failed
enqueue         running    scheduled  running   paused    -         -          -          running
enqueue other   running    -          -         -         -         -          -          running
enqueue reopen  running    scheduled  running   paused    -         running    running    running
pause           -          paused     paused    -         -         -          -          -
resume          -          running    -         running   -         -          -          -
cancel          cancelled  draining   draining  draining  -         -          -          -
retry           -          -          running   paused    -         completed  -          -
"""
COLUMNS, *ROWS = [line for line in TABLE.splitlines() if line]
STATES = [CampaignState(name) for name in COLUMNS.split()]
LIFE = {row[:16].strip(): row[16:].split() for row in ROWS}

Command = Callable[[Installation, str], Awaitable[object]]


async def bring(store: Installation, name: str, state: CampaignState) -> CampaignRecord:
    """Bring a new campaign into a state."""
    campaigns, now = store.campaigns, store.now()
    await campaigns.open_draft(store.draft(name))
    if state in {CampaignState.DRAFT, CampaignState.FAILED}:
        await store.add(name, ["a@one.example"])
        if state is CampaignState.FAILED:
            await campaigns.fail(name, reason="too many rejects", now=now)
    elif state is CampaignState.COMPLETED:
        await campaigns.start(name, report={}, now=now)
        assert name in await store.queue.finish_streams(now)
    else:
        await store.add(name, ["a@one.example"])
        start = later(now, timedelta(days=1)) if state is CampaignState.SCHEDULED else None
        await campaigns.start(name, report={}, now=now, plan=StreamPlan(timetable=Timetable(start=start)))
        if state is CampaignState.PAUSED:
            await campaigns.move(name, CampaignState.PAUSED, reason="lunch", now=now)
        if state in {CampaignState.DRAINING, CampaignState.CANCELLED}:
            await campaigns.move(name, CampaignState.DRAINING, reason=None, now=now)
        if state is CampaignState.CANCELLED:
            assert name in await store.queue.finish_streams(now)
    record = await campaigns.find(name)
    assert record is not None
    assert record.state is state
    return record


def enqueue(*, fingerprint: str = "f1", reopen: bool = False) -> Command:
    async def run(store: Installation, name: str) -> None:
        opened = await store.campaigns.open_draft(store.draft(name, fingerprint=fingerprint), reopen=reopen)
        await store.add(name, ["a@one.example", "new@one.example"], opened=opened)
        await store.campaigns.start(name, report={}, now=store.now(), opened=opened)

    return run


def move(to_state: CampaignState) -> Command:
    async def run(store: Installation, name: str) -> None:
        record = await store.campaigns.find(name)
        assert record is not None
        is_draft = record.state is CampaignState.DRAFT
        target = CampaignState.CANCELLED if is_draft and to_state is CampaignState.DRAINING else to_state
        await store.campaigns.move(name, target, reason=None, now=store.now())

    return run


async def retry(store: Installation, name: str) -> None:
    await store.campaigns.retry_failed(name, now=store.now(), expires_at=later(store.now(), LIFETIME))


COMMANDS: dict[str, Command] = {
    "enqueue": enqueue(),
    "enqueue other": enqueue(fingerprint="f2"),
    "enqueue reopen": enqueue(reopen=True),
    "pause": move(CampaignState.PAUSED),
    "resume": move(CampaignState.RUNNING),
    "cancel": move(CampaignState.DRAINING),
    "retry": retry,
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_in_every_state(store: Installation, command: str) -> None:
    for number, (state, becomes) in enumerate(zip(STATES, LIFE[command], strict=True)):
        name = f"c{number}"
        before = await bring(store, name, state)
        if becomes == "-":
            with pytest.raises(Conflict):
                await COMMANDS[command](store, name)
            assert await store.campaigns.find(name) == before, f"{command} of a {state} campaign changed it"
        else:
            await COMMANDS[command](store, name)
            after = await store.campaigns.find(name)
            assert after is not None
            assert after.state == becomes, f"{command} of a {state} campaign"
    await store.check_tally()


def test_the_table_knows_every_state_and_leads_along_the_transitions() -> None:
    assert set(STATES) == set(CampaignState)
    for command, row in LIFE.items():
        for state, becomes in zip(STATES, row, strict=True):
            if becomes in {"-", str(state)}:
                continue
            is_draft_again = state is CampaignState.FAILED
            assert not is_draft_again or CampaignState.DRAFT in CAMPAIGN_TRANSITIONS[state]
            leaves = CampaignState.DRAFT if is_draft_again else state
            assert CampaignState(becomes) in CAMPAIGN_TRANSITIONS[leaves], f"{command}: {state} → {becomes}"

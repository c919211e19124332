"""`exclude.campaigns_within`, from its file to the counts."""

import csv

from tests.campaigns.workshop import CAMPAIGN, SENDER, Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.summary import Summary
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.storage.database import Database

MORE = "  - {type: inline, items: [{email: cleo@example.org}]}\nexclude: {campaigns_within: 3d}\n"


async def test_who_had_or_awaits_mail_of_another_campaign_is_excluded(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock
) -> None:
    async def run(text: str) -> Summary:
        campaign = workshop.campaign(text)
        return await enqueue(
            campaign, database.campaigns, codec, sender=SENDER, clock=clock, recent=database.recent_mail
        )

    assert (await run(CAMPAIGN)).accepted == 2
    summer = CAMPAIGN.replace("spring", "summer") + MORE
    for _ in range(2):
        summary = await run(summer)
        assert (summary.rows, summary.excluded) == (3, 2), "its own mail excludes nobody from a rerun"
    assert summary.duplicates == 1
    with (workshop.folder / "summer.left-out.csv").open(newline="") as stream:
        reasons = {row["email"]: (row["stage"], row["reason"]) for row in csv.DictReader(stream)}
    waits = ("exclude", "mail of the campaign spring waits for them")
    assert reasons == {"anna@example.org": waits, "bob@example.org": waits}

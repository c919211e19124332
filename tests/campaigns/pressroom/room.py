"""A campaign with mails of every temper, for the tests of the press."""

from tests.campaigns.workshop import CAMPAIGN, SENDER, Workshop
from tests.support.clock import START
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.mail.address import Address

SOUND, SLOW, HUNGRY, BROKEN = "sound", "slow", "hungry", "broken"
# Within the sandbox's limits each: 10,000 steps over a megabyte of text; a list of distinct megabytes.
TEMPLATE = """<html><body><p>Dear {{ first_name }}, Grüße</p>
{% if temper == 'slow' %}{% for n in range(10000) %}{{ ('ä' * 1000000)|upper|length }}{% endfor %}{% endif %}
{% if temper == 'hungry' %}{{ (['ä' * 1000000] * 2000)|map('replace', 'ä', 'o', 1)|list|length }}{% endif %}
{% if temper == 'broken' %}{{ 1 / 0 }}{% endif %}
</body></html>
"""


def snapshot_of(workshop: Workshop, *, html: str = TEMPLATE) -> Snapshot:
    """Return what a campaign sends whose contacts' `temper` decides how its template behaves."""
    campaign = workshop.campaign(CAMPAIGN.replace("spring", "press"), html=html)
    return make_snapshot(campaign.specification, expand(campaign), sender=SENDER, now=START)[0]


def job(number: int, temper: str = SOUND) -> Job:
    return Job(
        recipient=Address.parse(f"user{number}@example.org"),
        contact={"email": f"user{number}@example.org", "first_name": f"Ännchen {number}", "temper": temper},
        accepted_at=START,
        message_id=f"<{number}@example.com>",
        unsubscribe_url=f"https://mail.example.com/u/{number}",
    )

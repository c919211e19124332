"""Notices: those whom a campaign names are told, a mail for each event and address, whoever tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.support.clock import ManualClock
from tierii_mta.campaigns.notices import WORDS, CampaignWay
from tierii_mta.campaigns.specification.oversight import NotifySection
from tierii_mta.correspondence.news import Digest, News, news_of
from tierii_mta.events import Event, EventType
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Json

ASKED: Mapping[str, Mapping[str, Json]] = {
    "spring": {"campaign": {"notify": {"when": ["completed", "guard"], "to": ["ops@a.example", "ann@a.example"]}}},
    "summer": {"campaign": {"notify": {"when": ["paused"], "to": ["ops@a.example"]}}},
    "autumn": {"campaign": {}},
    "winter": {"version": 1},
}


@dataclass
class Post:
    """Where mails are put, once for each key."""

    mails: dict[str, tuple[str, str]] = field(default_factory=dict)

    def way(self, to: Address) -> "Letter":
        return Letter(self, to)


@dataclass
class Letter:
    post: Post
    to: Address

    async def tell(self, digest: Digest, key: str) -> None:
        self.post.mails.setdefault(key, (str(self.to), digest.subject))


async def kept(campaign: str) -> Mapping[str, Json]:
    return ASKED[campaign]


def news(kind: EventType, campaign: str, **data: Json) -> News:
    event = Event(id=f"evt-{kind}-{campaign}", type=kind, at=ManualClock().now(), campaign_id=campaign, data=data)
    found = news_of(event)
    assert found is not None
    return found


async def test_each_campaigns_people_are_told_what_they_asked_for_once() -> None:
    post = Post()
    happened = [
        news(EventType.CAMPAIGN_COMPLETED, "spring"),
        news(EventType.CAMPAIGN_STARTED, "spring"),
        news(
            EventType.CAMPAIGN_GUARD_TRIPPED,
            "spring",
            action="pause",
            reason="guard bounce: 9 of 90 mails bounced",
            command="tierii-mta resume spring",
        ),
        news(EventType.CAMPAIGN_PAUSED, "summer", reason="wrong picture"),
        news(EventType.CAMPAIGN_COMPLETED, "autumn"),
        news(EventType.CAMPAIGN_COMPLETED, "winter"),
    ]
    for daemon in range(2):  # both on one database
        await CampaignWay(kept, post.way).tell(Digest.of(happened), f"campaigns@{daemon}")
    paused = "campaign spring is paused by guard bounce: 9 of 90 mails bounced; tierii-mta resume spring"
    assert sorted(post.mails.values()) == [
        ("ann@a.example", "campaign spring is complete"),
        ("ann@a.example", paused),
        ("ops@a.example", "campaign spring is complete"),
        ("ops@a.example", paused),
        ("ops@a.example", "campaign summer is paused: wrong picture; tierii-mta resume summer"),
    ]


async def test_nobody_is_left_out_of_a_long_list_of_news() -> None:
    post = Post()
    one = news(EventType.CAMPAIGN_PAUSED, "summer")
    many = [replace(one, event=replace(one.event, id=f"evt-{number}")) for number in range(50)]
    await CampaignWay(kept, post.way).tell(Digest.of(many), "campaigns@1")
    assert len(post.mails) == 50


def test_every_word_of_the_file_is_an_event_that_is_told() -> None:
    words = NotifySection(when=sorted(WORDS.values()), to=["ops@a.example"]).when  # type: ignore[arg-type]
    assert set(words) == set(WORDS.values())
    for kind in WORDS:
        assert news(kind, "spring", reason="x").sentence

"""Which lists are known of a person, for the preferences page."""

from typing import Any

from tests.contracts.installation import CONTENT, DIGEST, Installation, key_of
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.consent.preferences import MailingList
from tierii_mta.queue.delivery import Json

ANN = "ann@one.example"


def named(list_id: str, name: str | None = None, **fields: Any) -> dict[str, Any]:
    listing: dict[str, Json] = {"id": list_id, **({"name": name} if name else {})}
    snapshot = Snapshot(specification={"campaign": {"list": listing}}, contents={DIGEST: CONTENT})
    return {"list_id": list_id, "sender": "acme.example", "snapshot": snapshot, "fingerprint": list_id} | fields


async def test_the_lists_of_a_sender_that_a_person_gets_newest_first_by_their_newest_name(store: Installation) -> None:
    await store.run_campaign("c1", [ANN], **named("news", "Old name"))
    await store.run_campaign("c2", [ANN], **named("tips"))
    await store.run_campaign("c3", [ANN], **named("news", "Acme news"))
    await store.run_campaign("c4", ["bo@one.example"], **named("other", "Not theirs"))
    await store.run_campaign("c5", [ANN], **named("beta", sender="beta.example"))
    await store.run_campaign("c6", [ANN], **named("receipts", is_marketing=False))
    await store.run_campaign("c7", [ANN], **(named("x") | {"list_id": None}))
    await store.campaigns.open_draft(store.draft("c8", **named("unsent")))
    await store.add("c8", [ANN])

    found = await store.db.known_lists.of_person(key_of(ANN), "acme.example", also=[])
    assert found == [MailingList(id="news", name="Acme news"), MailingList(id="tips", name="tips")]


async def test_a_list_that_was_left_is_known_without_any_delivery(store: Installation) -> None:
    await store.run_campaign("c1", ["bo@one.example"], **named("news", "Acme news"))
    await store.run_campaign("c2", ["bo@one.example"], **named("beta", sender="beta.example"))

    found = await store.db.known_lists.of_person(key_of(ANN), "acme.example", also=["news", "beta", "never"])
    assert found == [MailingList(id="news", name="Acme news")]
    assert await store.db.known_lists.of_person(key_of(ANN), "acme.example", also=[]) == []

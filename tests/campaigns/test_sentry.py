"""What the sentry makes of an event; how it acts is tests/contracts/test_sentry.py."""

from typing import Any

import pytest

from tierii_mta.campaigns.guards import Sight
from tierii_mta.campaigns.sentry import sight_of
from tierii_mta.events import EventType


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (EventType.DEFERRED, {"class": "SpamBlock", "code": 421}),
        (EventType.DEFERRED, {"class": "AuthenticationFailed", "code": 451}),
        (EventType.DEFERRED, {"class": "NoAnswerFromHost", "code": 451, "is_local": True}),
        (EventType.FAILED, {"reason": "blocked", "class": "SpamBlock"}),
        (EventType.FAILED, {"reason": "error"}),
        (EventType.FAILED, {"reason": "rejected", "is_local": True}),
        (EventType.EXPIRED, {}),
        (EventType.BOUNCED, {"is_late": True, "is_hard": True, "blame": "sender"}),
        (EventType.BOUNCED, {"is_late": True, "is_hard": False, "blame": "person"}),
    ],
)
def test_what_is_nobodys_fault_but_ours_is_no_sighting(kind: EventType, data: dict[str, Any]) -> None:
    assert sight_of(kind, data) is None


@pytest.mark.parametrize(
    ("kind", "data", "sight"),
    [
        (EventType.DELIVERED, {}, Sight.DELIVERED),
        (EventType.BOUNCED, {"class": "InvalidRecipient", "code": 550}, Sight.BOUNCED),
        (EventType.BOUNCED, {"is_late": True, "is_hard": True, "blame": "person"}, Sight.RETURNED),
        (EventType.FAILED, {"reason": "rejected", "class": "SpamContent"}, Sight.REFUSED),
        (EventType.DEFERRED, {"class": "TransientFailure", "code": 451}, Sight.DEFERRED),
        (EventType.DEFERRED, {"class": "a class of tomorrow", "code": 451}, Sight.DEFERRED),
        (EventType.COMPLAINED, {}, Sight.COMPLAINED),
    ],
)
def test_what_others_say_of_a_mail_is_seen(kind: EventType, data: dict[str, Any], sight: Sight) -> None:
    assert sight_of(kind, data) is sight

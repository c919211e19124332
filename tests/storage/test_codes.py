"""Numbers on disk: every name has one, none has two."""

from collections.abc import Mapping
from enum import Enum

import pytest

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import CLAIMABLE, FailureReason, State
from tierii_mta.queue.received import InboxState
from tierii_mta.queue.store import ChangeKind
from tierii_mta.smtp.requests import Notify, Return
from tierii_mta.storage import codes


@pytest.mark.parametrize(
    ("kind", "mapping"),
    [
        (State, codes.STATE),
        (FailureReason, codes.REASON),
        (CampaignState, codes.CAMPAIGN_STATE),
        (ChangeKind, codes.CHANGE),
        (EventType, codes.EVENT),
        (InboxState, codes.INBOX_STATE),
        (Return, codes.RETURN),
        (Notify, codes.NOTIFY),
        (Action, codes.ACTION),
    ],
)
def test_every_name_has_a_number_of_its_own(kind: type[Enum], mapping: Mapping[Enum, int]) -> None:
    assert set(mapping) == set(kind)
    assert len(set(mapping.values())) == len(mapping)


def test_the_partial_index_names_the_claimable_states() -> None:
    numbers = ", ".join(str(number) for number in sorted(codes.STATE[state] for state in CLAIMABLE))
    assert f"state IN ({numbers})" == codes.CLAIMABLE_SQL


def test_states_and_marks_share_the_tally_without_meeting() -> None:
    assert max(codes.STATE.values()) < codes.MARK_KIND_BASE


def test_every_campaign_state_opens_or_closes_its_streams() -> None:
    assert set(codes.STREAM_STATE) == set(CampaignState)
    assert [state for state, stream in codes.STREAM_STATE.items() if stream is codes.StreamState.OPEN] == [
        CampaignState.RUNNING
    ]

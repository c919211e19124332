"""What follows from what comes back: only a signature of ours moves a figure or the suppression list."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import EVERYWHERE, SuppressionReason
from tierii_mta.correspondence.effects import Arrival, Case, Effects, effects
from tierii_mta.correspondence.reading import (
    Absence,
    Blame,
    Bounce,
    BouncedRecipient,
    Complaint,
    Kind,
    Reading,
    References,
)
from tierii_mta.correspondence.sent import Sent
from tierii_mta.correspondence.thread import Match, Route, Trust
from tierii_mta.events import DATA_FIELDS, EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply
from tierii_mta.mail.tokens import Purpose
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.queue.delivery import Delivery, DeliveryId, Lane, LaneId, MessageRow, Priority, State, StreamId
from tierii_mta.queue.processed import Halt
from tierii_mta.queue.received import InboxId

ANN = "ann@one.example"
KEY, OTHER_KEY = PersonKey(b"a" * 16), PersonKey(b"b" * 16)
NOW = Instant(1_000_000)
GONE = BouncedRecipient(
    recipient=ANN,
    action="failed",
    reply=Reply.of(550, "no such user", "5.1.1"),
    reply_class=ReplyClass.INVALID_RECIPIENT,
    is_hard=True,
    blame=Blame.PERSON,
    source="rfc3464",
)
DELIVERY = Delivery(
    id=DeliveryId(7),
    lane=Lane(id=LaneId(1), stream=StreamId(1), domain="one.example"),
    recipient=ANN,
    recipient_key=KEY,
    priority=Priority.NORMAL,
    attempts=1,
    accepted_at=Instant(5),
    expires_at=Instant(9),
    campaign="spring",
)
SENT = Sent(
    delivery=DELIVERY,
    state=State.COMPLETED,
    message_id="<ours@news.example>",
    list_id="news",
    author="news@news.example",
    answers_go_to="hello@news.example",
    stop_on=frozenset({"reply", "unsubscribe", "complaint", "hard_bounce"}),
)
SUBMITTED = replace(SENT, delivery=replace(DELIVERY, campaign=None, message=MessageRow(3)), stop_on=frozenset())
BY_TOKEN = Match(
    trust=Trust.STRONG,
    route=Route.TOKEN,
    delivery=DELIVERY.id,
    conversation=None,
    message_id="<ours@news.example>",
    is_participant=False,
)
PROVEN = replace(BY_TOKEN, trust=Trust.PROVEN, route=Route.SIGNED_ID, is_participant=True)
ENCLOSED = replace(BY_TOKEN, route=Route.ENCLOSED)
LIKELY = replace(BY_TOKEN, trust=Trust.LIKELY, route=Route.ENCLOSED)
GUESS = replace(BY_TOKEN, trust=Trust.GUESS, route=Route.SUBJECT)
HALT = {reason: Halt(campaign="spring", person=KEY, reason=reason) for reason in SENT.stop_on}


def bounce(*recipients: BouncedRecipient) -> Reading:
    return Reading(kind=Kind.BOUNCE, bounce=Bounce(recipients=recipients or (GONE,), reporting_mta="mx.one.example"))


def complaint(feedback_type: str = "abuse") -> Reading:
    return Reading(kind=Kind.COMPLAINT, complaint=Complaint(feedback_type=feedback_type, user_agent="Loop/1"))


def written(kind: Kind = Kind.REPLY, **fields: Any) -> Reading:
    subject = References(subject="Re: Hello", base_subject="Hello")
    values: dict[str, Any] = {
        "sender": ANN,
        "subject": "Re: Hello",
        "message_id": "<t@one.example>",
        "references": subject,
    }
    return Reading(kind=kind, **values | fields)


def outcome(reading: Reading, match: Match | None, sent: Sent | None = SENT, **fields: Any) -> Effects:
    numbers = count()
    arrival = Arrival(
        id=InboxId(4), at=NOW, **{k: fields.pop(k) for k in ("purposes", "is_authenticated") if k in fields}
    )
    case = Case(
        arrival=arrival,
        reading=reading,
        match=match,
        sent=sent,
        now=NOW,
        new_id=lambda: f"evt_{next(numbers)}",
        **{"author_key": KEY, "words": "Yes, please.", **fields},
    )
    found = effects(case)
    for event in found.events:
        assert set(event.data) <= set(DATA_FIELDS[event.type]), "every field is declared"
    return found


def kinds(found: Effects) -> list[EventType]:
    return [event.type for event in found.events]


def test_a_hard_bounce_at_our_return_path_marks_suppresses_and_stops() -> None:
    found = outcome(bounce(), BY_TOKEN)
    (event,) = found.events
    assert (event.type, event.delivery_id, event.campaign_id, event.recipient) == (EventType.BOUNCED, 7, "spring", ANN)
    assert event.data == {
        "is_late": True,
        "class": "InvalidRecipient",
        "is_hard": True,
        "blame": "person",
        "code": 550,
        "enhanced": "5.1.1",
        "reply": "no such user",
        "reporting_mta": "mx.one.example",
        "inbox": "4",
        "trust": "strong",
        "route": "token",
    }
    (gone,) = found.suppressions
    assert (gone.key, gone.scope, gone.reason) == (KEY, EVERYWHERE, SuppressionReason.HARD_BOUNCE)
    assert found.halt == HALT["hard_bounce"]
    assert found.failed is None


@pytest.mark.parametrize(
    "failed",
    [
        replace(GONE, is_hard=False, reply_class=ReplyClass.QUOTA_ISSUES),
        replace(GONE, blame=Blame.SENDER),
        replace(GONE, blame=Blame.INFRASTRUCTURE),
        replace(GONE, is_hard=False, blame=Blame.MESSAGE, reply=None),
    ],
)
def test_what_is_not_a_persons_own_permanent_failure_marks_and_suppresses_nobody(failed: BouncedRecipient) -> None:
    found = outcome(bounce(failed), BY_TOKEN)
    assert kinds(found) == [EventType.BOUNCED]
    assert not found.suppressions
    assert not found.halt


@pytest.mark.parametrize("match", [None, LIKELY, GUESS])
def test_a_bounce_without_a_signature_of_ours_changes_nothing(match: Match | None) -> None:
    found = outcome(bounce(), match, SENT if match else None)
    assert (found.kind, found.events, found.suppressions, found.halt) == (Kind.BOUNCE, (), (), None)
    assert "backscatter" in found.notes[0]


def test_a_signed_id_in_the_enclosed_message_marks_but_suppresses_nobody() -> None:
    found = outcome(bounce(), ENCLOSED)
    assert kinds(found) == [EventType.BOUNCED]
    assert not found.suppressions
    assert not found.halt


def test_the_second_report_of_the_same_failure_is_no_second_event() -> None:
    found = outcome(bounce(), BY_TOKEN, replace(SENT, marks=frozenset({"late_bounce"})))
    assert not found.events
    assert found.suppressions, "the first one may have been soft"


def test_a_report_of_what_failed_already_changes_nothing() -> None:
    found = outcome(bounce(), BY_TOKEN, replace(SENT, state=State.FAILED))
    assert (found.events, found.suppressions) == ((), ())


def test_our_recipient_is_looked_for_by_name_then_the_first_failure_stands_for_it() -> None:
    other = replace(GONE, recipient="bob@two.example", is_hard=False)
    assert outcome(bounce(other, GONE), BY_TOKEN).suppressions
    assert not outcome(bounce(other), BY_TOKEN).suppressions
    delivered = replace(GONE, action="delivered")
    assert not outcome(bounce(delivered), BY_TOKEN).events


def test_the_sender_of_submitted_mail_is_owed_a_report() -> None:
    found = outcome(bounce(), BY_TOKEN, SUBMITTED)
    assert found.failed == DELIVERY.id
    assert found.halt is None
    assert outcome(bounce(), ENCLOSED, SUBMITTED).failed is None


@pytest.mark.parametrize("feedback_type", ["abuse", "fraud", "opt-out"])
def test_a_complaint_suppresses_everywhere(feedback_type: str) -> None:
    found = outcome(complaint(feedback_type), ENCLOSED)
    assert kinds(found) == [EventType.COMPLAINED]
    (entry,) = found.suppressions
    assert (entry.scope, entry.reason) == (EVERYWHERE, SuppressionReason.COMPLAINT)
    assert entry.evidence == f"{feedback_type} report of Loop/1"
    assert found.halt == HALT["complaint"]


@pytest.mark.parametrize("feedback_type", ["not-spam", "auth-failure", "other", "virus"])
def test_what_does_not_accuse_us_suppresses_nobody(feedback_type: str) -> None:
    found = outcome(complaint(feedback_type), ENCLOSED)
    assert (found.events, found.suppressions) == ((), ())


def test_a_complaint_that_encloses_nothing_signed_changes_nothing() -> None:
    found = outcome(complaint(), LIKELY)
    assert (found.events, found.suppressions) == ((), ())


@pytest.mark.parametrize("kind", [Kind.OTHER, Kind.REPLY, Kind.MACHINE, Kind.UNSUBSCRIBE])
def test_what_is_written_to_a_signed_unsubscribe_address_unsubscribes_from_the_list(kind: Kind) -> None:
    found = outcome(written(kind), BY_TOKEN, purposes=frozenset({Purpose.UNSUBSCRIBE}), author_key=OTHER_KEY)
    assert found.kind is Kind.UNSUBSCRIBE
    (event,) = found.events
    assert (event.data["scope"], event.data["method"]) == ("list:news", "mailto")
    (entry,) = found.suppressions
    assert (entry.scope, entry.reason) == ("list:news", SuppressionReason.UNSUBSCRIBE)
    assert found.halt == HALT["unsubscribe"]


@pytest.mark.parametrize("kind", [Kind.AUTO_REPLY, Kind.BOUNCE, Kind.CHALLENGE])
def test_a_machine_that_answers_everything_unsubscribes_nobody(kind: Kind) -> None:
    found = outcome(written(kind), BY_TOKEN, purposes=frozenset({Purpose.UNSUBSCRIBE}))
    assert not found.suppressions


def test_the_word_of_a_proven_author_unsubscribes() -> None:
    found = outcome(written(Kind.UNSUBSCRIBE), PROVEN)
    assert (found.kind, kinds(found)) == (Kind.UNSUBSCRIBE, [EventType.UNSUBSCRIBED])
    assert found.events[0].data["method"] == "word"


def test_the_word_of_anybody_else_is_a_reply_that_a_human_sees() -> None:
    assert outcome(written(Kind.UNSUBSCRIBE), BY_TOKEN).kind is Kind.REPLY
    assert outcome(written(Kind.UNSUBSCRIBE), PROVEN, author_key=OTHER_KEY).kind is Kind.REPLY
    found = outcome(written(Kind.UNSUBSCRIBE), None, None)
    assert (found.kind, found.events, found.suppressions) == (Kind.OTHER, (), ())


def test_an_auto_reply_is_told_and_changes_nothing_else() -> None:
    reading = written(Kind.AUTO_REPLY, absence=Absence(returns_on="2026-12-01", substitutes=("bob@one.example",)))
    found = outcome(reading, BY_TOKEN)
    (event,) = found.events
    assert event.type is EventType.AUTO_REPLIED
    assert (event.data["returns_on"], event.data["substitutes"]) == ("2026-12-01", ["bob@one.example"])
    assert (found.suppressions, found.halt, found.said) == ((), None, None)
    assert not outcome(reading, None, None).events


def test_a_reply_is_told_with_its_new_words_and_stops_what_waits() -> None:
    found = outcome(written(), PROVEN)
    (event,) = found.events
    assert (event.type, event.delivery_id) == (EventType.REPLIED, 7)
    assert (event.data["words"], event.data["from"], event.data["trust"]) == ("Yes, please.", ANN, "proven")
    assert found.halt == HALT["reply"]
    said = found.said
    assert said is not None
    assert (said.delivery, said.person, said.address, said.campaign) == (7, KEY, ANN, "spring")
    assert (said.subject, said.answered_id, said.answered_from) == ("Hello", "<ours@news.example>", "news@news.example")
    assert (said.sender, said.words) == (ANN, "Yes, please.")


def test_what_a_human_writes_about_mail_of_ours_is_a_reply() -> None:
    assert outcome(written(Kind.OTHER), PROVEN).kind is Kind.REPLY
    assert outcome(written(Kind.OTHER), None, None).kind is Kind.OTHER


def test_a_guess_is_shown_in_the_conversation_and_moves_no_figure() -> None:
    found = outcome(written(), GUESS)
    (event,) = found.events
    assert (event.delivery_id, event.campaign_id, event.data["trust"]) == (None, None, "guess")
    assert found.said is not None
    assert found.halt is None


def test_a_campaign_that_does_not_stop_on_replies_goes_on() -> None:
    assert outcome(written(), PROVEN, replace(SENT, stop_on=frozenset())).halt is None
    assert outcome(written(), PROVEN, SUBMITTED).halt is None


def test_an_answer_to_what_was_purged_still_has_its_conversation() -> None:
    found = outcome(written(), PROVEN, None)
    assert found.said is not None
    assert (found.said.delivery, found.said.person, found.said.address) == (None, KEY, ANN)
    assert found.events[0].delivery_id is None


def test_a_long_reply_is_cut_in_its_event_and_whole_in_its_conversation() -> None:
    found = outcome(written(), PROVEN, words="x" * 5000)
    assert (len(found.events[0].data["words"]), found.events[0].data["is_truncated"]) == (4000, True)
    assert found.said is not None
    assert len(found.said.words) == 5000


@pytest.mark.parametrize(
    "kind", sorted(set(Kind) - {Kind.BOUNCE, Kind.COMPLAINT, Kind.UNSUBSCRIBE, Kind.AUTO_REPLY, Kind.REPLY, Kind.OTHER})
)
def test_every_other_kind_is_only_put_where_it_belongs(kind: Kind) -> None:
    found = outcome(written(kind), PROVEN)
    assert (found.kind, found.events, found.suppressions, found.halt, found.said) == (kind, (), (), None, None)

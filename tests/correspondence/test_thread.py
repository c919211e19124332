"""Where a received message belongs: the leads in their order, and what each is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tierii_mta.clock import Instant, later
from tierii_mta.correspondence.reading import Original, References
from tierii_mta.correspondence.thread import GUESS_WINDOW, Inquiry, KnownMessage, Match, Route, Trust, find_thread
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import message_id
from tierii_mta.mail.subject import base_subject
from tierii_mta.mail.tokens import Purpose, TokenCodec, signed_address
from tierii_mta.queue.delivery import DeliveryId

CODEC = TokenCodec(b"a secret of the installation")
FORGER = TokenCodec(b"a secret of somebody else")
ANNA = Address.parse("anna@example.org")
NOW = Instant(1_800_000_000_000)


class _Kept:
    """The port over a list: each message with its subject and when it was sent."""

    def __init__(self, *messages: tuple[KnownMessage, str, Instant]) -> None:
        self._messages = messages
        self.trips = 0

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        self.trips += 1
        kept = [message for message, _, _ in self._messages]
        by_delivery = {each.delivery: each for each in kept if each.delivery is not None}
        by_id = {each.message_id: each for each in kept}
        return (
            {each: by_delivery[each] for each in deliveries if each in by_delivery},
            {each: by_id[each] for each in message_ids if each in by_id},
        )

    async def sent_about(self, subject_key: str, person: str, since: Instant) -> Sequence[KnownMessage]:
        self.trips += 1
        return [
            message
            for message, subject, sent_at in self._messages
            if base_subject(subject).casefold() == subject_key and person in message.participants and sent_at >= since
        ]


def _sent(delivery: int, *, conversation: int | None = None, text: str | None = None) -> KnownMessage:
    return KnownMessage(
        delivery=DeliveryId(delivery),
        conversation=conversation,
        message_id=text or message_id(CODEC, delivery, "news.example.com"),
        participants=(str(ANNA),),
    )


FIRST, SECOND = _sent(1), _sent(2, conversation=7)
KEPT = _Kept((FIRST, "News of May", NOW), (SECOND, "News of June", NOW))
NOTHING = Inquiry(
    recipients=("hello@example.com",),
    references=References(),
    sender=str(ANNA),
    is_authenticated=True,
    received_at=NOW,
)


def _token(delivery: int, purpose: Purpose = Purpose.REPLY, codec: TokenCodec = CODEC) -> str:
    return str(signed_address(codec, purpose, delivery, ANNA, "reply.example.com"))


async def _found(inquiry: Inquiry, kept: _Kept = KEPT) -> Match:
    match = await find_thread(inquiry, kept, CODEC)
    assert match is not None
    return match


async def test_a_reply_to_a_signed_address_by_its_authenticated_owner_is_proven() -> None:
    match = await _found(replace(NOTHING, recipients=("hello@example.com", _token(2))))
    assert match == Match(
        trust=Trust.PROVEN,
        route=Route.TOKEN,
        delivery=DeliveryId(2),
        conversation=7,
        message_id=SECOND.message_id,
        is_participant=True,
    )


@pytest.mark.parametrize(
    ("sender", "is_authenticated", "is_participant"),
    [("anna@example.org", False, True), ("bernd@example.org", True, False), (None, True, False)],
)
async def test_a_token_in_other_hands_is_strong_but_not_proven(
    sender: str | None, is_authenticated: bool, is_participant: bool
) -> None:
    inquiry = replace(NOTHING, recipients=(_token(1),), sender=sender, is_authenticated=is_authenticated)
    match = await _found(inquiry)
    assert (match.trust, match.is_participant) == (Trust.STRONG, is_participant)


async def test_a_forged_token_leads_nowhere() -> None:
    assert await find_thread(replace(NOTHING, recipients=(_token(1, codec=FORGER),)), KEPT, CODEC) is None


async def test_a_token_outlives_the_purge_of_its_delivery() -> None:
    match = await _found(replace(NOTHING, recipients=(_token(99),)))
    assert (match.trust, match.delivery, match.message_id) == (Trust.PROVEN, DeliveryId(99), None)


async def test_the_return_path_tells_the_delivery_too() -> None:
    match = await _found(replace(NOTHING, recipients=(_token(1, Purpose.BOUNCE),)))
    assert (match.route, match.delivery) == (Route.TOKEN, DeliveryId(1))


async def test_a_token_comes_before_the_ids() -> None:
    references = References(in_reply_to=(FIRST.message_id,))
    assert (await _found(replace(NOTHING, recipients=(_token(2),), references=references))).delivery == 2


async def test_in_reply_to_comes_before_references_and_the_newest_of_those_first() -> None:
    both = References(in_reply_to=("<x@y>", FIRST.message_id), references=(SECOND.message_id,))
    assert (await _found(replace(NOTHING, references=both))).delivery == 1
    older_first = References(references=(FIRST.message_id, SECOND.message_id, "<unknown@y>"))
    assert (await _found(replace(NOTHING, references=older_first))).delivery == 2


async def test_an_id_with_another_domain_is_still_ours() -> None:
    rewritten = FIRST.message_id.replace("news.example.com", "relay.example.net").upper()
    match = await _found(replace(NOTHING, references=References(in_reply_to=(rewritten,))))
    assert (match.route, match.delivery) == (Route.SIGNED_ID, DeliveryId(1))


async def test_an_id_of_an_application_is_strong_in_the_hands_of_its_recipient_only() -> None:
    kept = _Kept((_sent(5, text="<invoice-5@shop.example>"), "Invoice", NOW))
    inquiry = replace(NOTHING, references=References(in_reply_to=("<invoice-5@shop.example>",)))
    assert (await _found(inquiry, kept)).trust is Trust.STRONG
    assert (await _found(replace(inquiry, sender="bernd@example.org"), kept)).trust is Trust.LIKELY


async def test_an_answer_to_what_we_received_joins_its_conversation() -> None:
    received = KnownMessage(delivery=None, conversation=7, message_id="<theirs@example.org>", participants=(str(ANNA),))
    match = await _found(
        replace(NOTHING, references=References(references=("<theirs@example.org>",))), _Kept((received, "", NOW))
    )
    assert (match.delivery, match.conversation, match.trust) == (None, 7, Trust.STRONG)


async def test_a_report_leads_to_what_it_encloses() -> None:
    report = replace(NOTHING, sender="mailer-daemon@mx.example.net")
    signed = await _found(replace(report, enclosed=Original(message_id=FIRST.message_id)))
    assert (signed.route, signed.trust, signed.delivery) == (Route.ENCLOSED, Trust.STRONG, DeliveryId(1))
    by_address = await _found(replace(report, enclosed=Original(addresses=(_token(2, Purpose.UNSUBSCRIBE),))))
    assert (by_address.route, by_address.delivery) == (Route.ENCLOSED, DeliveryId(2))
    kept = _Kept((_sent(5, text="<invoice-5@shop.example>"), "Invoice", NOW))
    by_table = await _found(replace(report, enclosed=Original(message_id="<invoice-5@shop.example>")), kept)
    assert (by_table.route, by_table.trust) == (Route.ENCLOSED, Trust.LIKELY)


async def test_subject_and_person_are_a_guess() -> None:
    match = await _found(replace(NOTHING, references=References(subject="AW: news of may")))
    assert (match.trust, match.route, match.delivery) == (Trust.GUESS, Route.SUBJECT, DeliveryId(1))


async def test_two_candidates_are_no_guess() -> None:
    kept = _Kept((FIRST, "News", NOW), (SECOND, "News", NOW))
    assert await find_thread(replace(NOTHING, references=References(subject="Re: News")), kept, CODEC) is None


@pytest.mark.parametrize(
    "inquiry",
    [
        replace(NOTHING, references=References(subject="Re: News of May"), sender="bernd@example.org"),
        replace(NOTHING, references=References(subject="Re: News of May"), sender=None),
        replace(NOTHING, references=References(subject="Re: ")),
        replace(
            NOTHING,
            references=References(subject="Re: News of May"),
            received_at=later(NOW, GUESS_WINDOW * 2),
        ),
    ],
    ids=["another person", "nobody", "no subject", "long ago"],
)
async def test_nothing_is_guessed_for(inquiry: Inquiry) -> None:
    assert await find_thread(inquiry, KEPT, CODEC) is None


async def test_references_without_end_cost_one_trip() -> None:
    kept = _Kept((FIRST, "News of May", NOW))
    endless = tuple(f"<{number}@example.org>" for number in range(10_000))
    match = await _found(replace(NOTHING, references=References(references=(*endless, FIRST.message_id))), kept)
    assert (match.delivery, kept.trips) == (1, 1)


async def test_garbage_is_no_lead() -> None:
    inquiry = replace(
        NOTHING,
        recipients=("", "@", "r+@x", "r+aaaa@example.com", "\x00"),
        sender="not an address",
        references=References(in_reply_to=("", "<>", "@", "\ud800")),
        enclosed=Original(),
    )
    assert await find_thread(inquiry, KEPT, CODEC) is None

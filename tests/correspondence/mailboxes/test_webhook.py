"""Webhooks: the document, its signature by an independent reckoning, and what each answer means."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from tests.correspondence.mailboxes.letters import BODY, TOP, letter
from tests.correspondence.mailboxes.receiver import receiving
from tests.support.clock import START, ManualClock
from tierii_mta.correspondence.hooks import Hook, HookCaller, signature
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Never, Outcome
from tierii_mta.correspondence.mailboxes.webhook import WebhookDeliverer

SECRET = bytes(range(32))


async def deliver(url: str, *, timeout: float = 5, raw_bytes: int = 1_000_000, attempts: int = 1) -> Outcome:
    caller = HookCaller(ManualClock())
    hook = Hook(name="crm", url=url, secret=SECRET, timeout=timedelta(seconds=timeout), raw_bytes=raw_bytes)
    try:
        return await WebhookDeliverer(caller, hook).deliver(letter(attempts=attempts))
    finally:
        await caller.close()


def test_the_signature_is_the_one_of_the_specification() -> None:
    # The example of the Standard Webhooks specification's reference libraries.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


async def test_a_letter_is_posted_with_its_octets_and_signed() -> None:
    async with receiving() as receiver:
        assert await deliver(receiver.url) == Done(answer="204")
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/json"
    document = request.document
    assert document["type"] == "mailbox.message"
    assert base64.b64decode(document["data"].pop("raw")) == TOP + BODY
    assert document["data"] == {
        "inbox": "4711",
        "mailbox": "example.com/sales",
        "recipient": "sales@example.com",
        "reverse_path": "ada@elsewhere.example",
        "remote": "192.0.2.7",
        "message_id": "<1@elsewhere.example>",
        "size": len(TOP + BODY),
        "verdict": {},
    }
    signed = f"{request.headers['webhook-id']}.{START // 1000}.".encode() + request.body
    mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-timestamp"] == str(START // 1000)
    assert request.headers["webhook-signature"] == f"v1,{mac}"


async def test_the_same_job_has_the_same_id_at_each_attempt() -> None:
    async with receiving("500 Oops", "200 OK") as receiver:
        assert isinstance(await deliver(receiver.url), Later)
        assert isinstance(await deliver(receiver.url, attempts=2), Done)
    assert [one.headers["webhook-id"] for one in receiver.requests] == ["job_7", "job_7"]


async def test_of_a_large_message_the_facts_alone_are_posted() -> None:
    async with receiving() as receiver:
        assert isinstance(await deliver(receiver.url, raw_bytes=len(TOP + BODY) - 1), Done)
    assert receiver.requests[0].document["data"]["raw"] is None


@pytest.mark.parametrize("answer", ["410 Gone", "413 Content Too Large", "422 Unprocessable Content"])
async def test_some_answers_refuse_for_good(answer: str) -> None:
    async with receiving(answer) as receiver:
        assert await deliver(receiver.url) == Never(reason=f"crm answered {answer}")


@pytest.mark.parametrize(
    ("answer", "is_mailbox_down"),
    [
        ("301 Moved\r\nLocation: /elsewhere", True),
        ("400 Bad Request", False),
        ("401 Unauthorized", True),
        ("404 Not Found", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
    ],
)
async def test_all_other_answers_delay(answer: str, is_mailbox_down: bool) -> None:
    async with receiving(answer) as receiver:
        outcome = await deliver(receiver.url)
    assert isinstance(outcome, Later)
    assert outcome.is_mailbox_down is is_mailbox_down
    assert len(receiver.requests) == 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("wish", "after"),
    [("120", timedelta(minutes=2)), ("999999", timedelta(hours=1)), ("tomorrow", None), ("-5", None)],
)
async def test_the_wish_to_be_asked_later_is_heard_within_bounds(wish: str, after: timedelta | None) -> None:
    async with receiving(f"503 Busy\r\nRetry-After: {wish}") as receiver:
        outcome = await deliver(receiver.url)
    assert isinstance(outcome, Later)
    assert outcome.after == after


async def test_silence_and_nobody_there_delay() -> None:
    async with receiving("") as receiver:
        silent = await deliver(receiver.url, timeout=0.05)
        url = receiver.url
    gone = await deliver(url)
    for outcome in (silent, gone):
        assert isinstance(outcome, Later)
        assert outcome.is_mailbox_down

"""A mailbox that is a webhook: the message is posted as a document.

Owns the document and what an answer means; the post itself is correspondence.hooks.

    2xx                      the mailbox has it
    410, 413, 422            refused for good: it is gone, this message is too large or makes no sense to it
    everything else          later; redirects, 401, 403, 404, 405 and 429 as well as 5xx and silence rest the mailbox,
                             400 and the like concern this message alone

The document's id is the job's, so a receiver that notes ids takes nothing twice.
"""

import base64

from tierii_mta.correspondence.hooks import Hook, HookCaller, Posted
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Letter, Never, Outcome, whole
from tierii_mta.queue.delivery import Json

KIND = "mailbox.message"
_REFUSED = frozenset({410, 413, 422})
_ABOUT_THE_HOOK = frozenset({401, 403, 404, 405, 408, 421, 425, 429})


class WebhookDeliverer:
    """Delivers to one webhook."""

    def __init__(self, caller: HookCaller, hook: Hook) -> None:
        self._caller, self._hook = caller, hook

    async def deliver(self, letter: Letter) -> Outcome:
        """Post the letter."""
        posted = await self._caller.post(
            self._hook,
            id=f"job_{letter.job.id}",
            kind=KIND,
            at=letter.entry.received_at,
            data=await self._document(letter),
        )
        return _meaning(posted)

    async def _document(self, letter: Letter) -> dict[str, Json]:
        entry = letter.entry
        raw: str | None = None
        if entry.size_bytes <= self._hook.raw_bytes:
            raw = base64.b64encode(await whole(letter)).decode("ascii")
        return {
            "inbox": str(letter.job.inbox),
            "mailbox": letter.job.mailbox,
            "recipient": letter.job.recipient,
            "reverse_path": entry.reverse_path,
            "remote": entry.remote,
            "message_id": entry.message_id,
            "size": entry.size_bytes,
            "verdict": dict(entry.verdict),
            "raw": raw,
        }


def _meaning(posted: Posted) -> Outcome:
    if posted.is_taken:
        return Done(answer=str(posted.status))
    if posted.status in _REFUSED:
        return Never(reason=posted.reason)
    is_about_message = posted.status is not None and 400 <= posted.status < 500 and posted.status not in _ABOUT_THE_HOOK
    return Later(reason=posted.reason, is_mailbox_down=not is_about_message, after=posted.after)

"""A reader who answers: writes the reply that a mail program would, and hands it to the sender's MX.

Owns what the answer says and how it quotes; it is written with the standard library's mail classes and sent with its
client, so that what is understood of it is understood of a stranger.
"""

import asyncio
import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr

from tierii_mta.rehearsal.exchange import Received

WORDS = "Thank you, I will be there on Friday.\nCan I bring a friend?"
_TIMEOUT_SECONDS = 20.0


async def answer(mail: Received, mx: tuple[str, int]) -> None:
    """Send the answer of the mail's recipient; raises `OSError` or `smtplib.SMTPException`."""
    await asyncio.to_thread(_send, _reply_to(mail), mx)


def _reply_to(mail: Received) -> EmailMessage:
    original = message_from_bytes(mail.data, policy=policy.default)
    body = original.get_body(("plain",))
    quoted = body.get_content() if body is not None else ""
    reader = mail.recipients[0]
    reply = EmailMessage()
    reply["From"] = reader
    reply["To"] = parseaddr(str(original["Reply-To"] or original["From"]))[1]
    reply["Subject"] = f"Re: {original['Subject']}"
    reply["In-Reply-To"] = reply["References"] = str(original["Message-ID"])
    reply["Message-ID"] = make_msgid(domain=reader.partition("@")[2])
    lines = "\n".join(f"> {line}" for line in quoted.splitlines())
    reply.set_content(f"{WORDS}\n\nOn {original['Date']}, {original['From']} wrote:\n{lines}\n")
    return reply


def _send(reply: EmailMessage, mx: tuple[str, int]) -> None:
    with smtplib.SMTP(*mx, timeout=_TIMEOUT_SECONDS) as client:
        client.send_message(reply)

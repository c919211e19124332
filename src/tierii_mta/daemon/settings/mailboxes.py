"""The settings of where received mail is put, of webhooks, and of who is told what.

Owns the sections `domains.*.mailboxes`, `mailboxes`, `webhooks` and `notify`; the rest of the file is
daemon.settings.model.
"""

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, field_validator, model_validator

from tierii_mta.correspondence.news import Topic
from tierii_mta.daemon.settings.section import Section, key, required
from tierii_mta.daemon.settings.values import Count, File, Listen, Mailbox, Size, Wait, one_or_many
from tierii_mta.mail.address import Address

LOG = "log"
_SECRET_PREFIX = "whsec_"  # noqa: S105  Standard Webhooks: what every secret begins with
_SECRET_OCTETS = range(24, 65)


class MailboxSettings(Section):
    maildir: File | None = key(None, "deliver into this Maildir")
    lmtp: Listen | None = key(None, "hand over by LMTP to host:port")
    forward: Mailbox | None = key(None, "send on to this address")
    webhook: str | None = key(None, "post to this one of `webhooks`")

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("needs exactly one of maildir, lmtp, forward, webhook")
        return self


class MailboxRetrySettings(Section):
    intervals: tuple[Wait, ...] = key(
        tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)),
        "wait after attempt 1, 2, ... of a message that its mailbox does not take now; the last one repeats",
    )
    lifetime: Wait = key(timedelta(days=5), "how long it is tried; then it stays in the inbox alone, and that is told")


class MailboxesSettings(Section):
    concurrency: Count = key(8, "messages on their way to one mailbox at a time")
    retry: MailboxRetrySettings = key(MailboxRetrySettings(), "when a mailbox is tried again")


class WebhookSettings(Section):
    url: str = required("where documents are posted: https, or http where nobody else can listen")
    secret: SecretStr = required("signs them (Standard Webhooks): whsec_ and 24 to 64 random octets in base64")
    timeout: Wait = key(timedelta(seconds=15), "how long an answer may take")
    raw: Size = key(
        10_000_000, "largest message whose octets go along; of a larger one the facts alone", example="raw: 10MB"
    )

    @field_validator("url")
    @classmethod
    def _is_a_web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must be https://HOST/… or http://HOST/…, without user and fragment")
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr) -> SecretStr:
        if len(webhook_key(secret)) not in _SECRET_OCTETS:
            raise ValueError("must be whsec_ and 24 to 64 octets in base64; `openssl rand -base64 32` makes the octets")
        return secret


def webhook_key(secret: SecretStr) -> bytes:
    """Return the octets of a webhook's secret; none for what is no such secret."""
    text = secret.get_secret_value()
    try:
        return base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True) if text[:6] == _SECRET_PREFIX else b""
    except binascii.Error:
        return b""


def _target(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be an address, the name of a webhook, or log")
    return str(Address.parse(value)) if "@" in value else value


NotifyTarget = Annotated[str, BeforeValidator(_target)]
NotifyTargets = Annotated[tuple[NotifyTarget, ...], BeforeValidator(one_or_many)]


class NotifySettings(Section):
    when: tuple[Topic, ...] = required("what to tell: " + ", ".join(Topic))
    to: NotifyTargets = required("an address, the name of one of `webhooks`, or log; or several")
    at_least: Literal["low", "normal", "high"] = key("normal", "leave out what matters less")
    every: Wait = key(timedelta(minutes=15), "tell at most so often; what happens meanwhile comes as one")

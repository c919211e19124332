"""What the settings of mailboxes and webhooks become."""

from pathlib import Path
from typing import Any

from tierii_mta.correspondence.mailboxes.targets import ForwardTarget, LmtpTarget, MaildirTarget, WebhookTarget
from tierii_mta.daemon.mailboxes import hooks, mail_domains, routing
from tierii_mta.daemon.settings import Settings, settings_from
from tierii_mta.inbound.mailboxes import MailDomain
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.received import InboxRecipient

GIVEN: dict[str, Any] = {
    "hostname": "mta.shop.example",
    "webhooks": {"crm": {"url": "http://127.0.0.1:8/x", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "raw": 5}},
    "domains": {
        "example.com": {"return_path": "bounce.example.com", "mailboxes": {"*": {"maildir": "mail"}}},
        "shop.example": {
            "mailboxes": {
                "a": {"lmtp": "[::1]:24"},
                "b": {"forward": "x@elsewhere.example"},
                "c": {"webhook": "crm"},
                "abuse": {"maildir": "/mail/abuse"},
            }
        },
    },
}


def settings() -> Settings:
    return settings_from(GIVEN, Path("/etc/tierii-mta")).settings


def test_each_mailbox_has_its_target() -> None:
    assert routing(settings()).mailboxes == {
        "example.com/*": MaildirTarget("/etc/tierii-mta/mail"),
        "shop.example/a": LmtpTarget("::1", 24),
        "shop.example/b": ForwardTarget(Address.parse("x@elsewhere.example")),
        "shop.example/c": WebhookTarget("crm"),
        "shop.example/abuse": MaildirTarget("/mail/abuse"),
    }


def test_the_host_belongs_to_the_domain_it_ends_with() -> None:
    def place(mailbox: str) -> str:
        (job,) = routing(settings()).jobs([InboxRecipient(address="abuse@x.example", mailbox=mailbox)])
        return job.mailbox

    assert place("mta.shop.example/abuse") == "shop.example/abuse"
    assert place("bounce.example.com/abuse") == "example.com/*"


def test_the_return_path_answers_for_its_domain() -> None:
    reply = InboxRecipient(address="r+x@bounce.example.com", token=Purpose.REPLY)
    (job,) = routing(settings()).jobs([reply])
    assert job.mailbox == "example.com/*"


def test_who_is_known_stands_in_the_settings() -> None:
    assert list(mail_domains(settings())) == [
        MailDomain(
            name="example.com",
            return_path="bounce.example.com",
            reply_domain="bounce.example.com",
            mailboxes=frozenset({"*"}),
        ),
        MailDomain(
            name="shop.example",
            return_path="shop.example",
            reply_domain="shop.example",
            mailboxes=frozenset({"a", "b", "c", "abuse"}),
        ),
    ]


def test_a_webhook_signs_with_the_octets_behind_its_prefix_and_does_not_show_them() -> None:
    hook = hooks(settings())["crm"]
    assert (hook.url, hook.raw_bytes, len(hook.secret)) == ("http://127.0.0.1:8/x", 5, 24)
    assert "secret" not in repr(hook)

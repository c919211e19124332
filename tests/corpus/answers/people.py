"""People's answers, out of the same programs and in the same languages, with all that makes them look like machines."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tests.corpus.answers.locales import LOCALES, Locale
from tests.corpus.answers.machines import ANSWERING, ORIGINAL, SUBSTITUTE, Letter
from tierii_mta.correspondence.reading import Kind
from tierii_mta.mail.tokens import Purpose

_PERSON = frozenset({Kind.REPLY, Kind.OTHER, Kind.LIST})
_CLIENTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "outlook": {
            "X-Auto-Response-Suppress": "DR, OOF, AutoReply",
            "Thread-Index": "AQHaBBBB",
            "X-MS-Has-Attach": "",
            "X-Mailer": "Microsoft Outlook 16.0",
        },
        "outlook-redirected": {
            "X-Auto-Response-Suppress": "DR, OOF, AutoReply",
            "X-MS-Exchange-Inbox-Rules-Loop": "ann@example.com",
        },
        "gmail": {"X-Gm-Message-State": "AOJu0"},
        "apple-mail": {"X-Mailer": "Apple Mail (2.3774.600.62)"},
        "thunderbird": {"User-Agent": "Mozilla Thunderbird", "Auto-Submitted": "no"},
        "helpdesk-agent": {"X-Auto-Response-Suppress": "All", "X-Mailer": "FreeScout", "Precedence": "bulk"},
        "sales-tool": {
            "List-Unsubscribe": "<https://crm.example/u/1>",
            "Feedback-ID": "1:2:3:crm",
            "Precedence": "bulk",
        },
        "mailing-list": {
            "List-Id": "<talk.lists.example>",
            "List-Post": "<mailto:talk@lists.example>",
            "Precedence": "list",
        },
        "majordomo": {"Precedence": "bulk", "Sender": "owner-talk@lists.example", "X-Loop": "talk@lists.example"},
    }
)


def _subjects(said: Locale) -> Iterator[tuple[str, str]]:
    yield "answer", f"{said.re}: {ORIGINAL}"
    yield "answer to an automatic answer", f"{said.re}: {said.automatic}: {ORIGINAL}"
    yield "about an absence", f"{said.re}: {said.away}"
    yield "counted", f"Re[2]: {ORIGINAL}"


def people() -> Iterator[Letter]:
    """Yield what people write."""
    for client, fields in _CLIENTS.items():
        for name, said in LOCALES.items():
            for setting, subject in _subjects(said):
                for purposes in ((), (Purpose.REPLY,)):
                    yield Letter(
                        client=client,
                        locale=name,
                        setting=f"{setting}{', to our address' if purposes else ''}",
                        fields={"Subject": subject, **ANSWERING, **fields},
                        body=said.text.format(day="-", address=SUBSTITUTE),  # they are away too, and say so themselves
                        kinds=_PERSON,
                        reverse_path="ann@example.com",
                        purposes=purposes,
                    )
    yield from _odd_ones()


_ODD = (
    ("Re: Automatic reply", "Thanks, enjoy your holidays!"),
    ("Re: out of office next week?", "No, I am here."),
    ("Out of office next week", "I am out of the office next week, shall we meet on 3 August?"),
    ("Vacation plans", "Where shall we go? I am on vacation from 3 August."),
    ("Auto insurance", "Which one do you have?"),
    ("Automated tests fail", "Since yesterday."),
    ("away game on Saturday", "Who drives?"),
    ("Urlaub an der Ostsee", "Wer kommt mit?"),
    ("Absence of proof", "is no proof of absence."),
    ("How does the automatic reply work?", "It answers everybody, even me. This is an automated message, it says."),
    ("Fwd: Automatic reply: " + ORIGINAL, "See below.\n\n> I am out of the office."),
    ("Ticket for the concert #4711", "We have received your money, thank you."),
    ("Please confirm your message from yesterday", "Did you mean Monday? Click here: https://calendar.example/"),
    ("Unsubscribe link is broken", "Your colleague asked about it."),
)


def _odd_ones() -> Iterator[Letter]:
    for client, fields in _CLIENTS.items():
        for number, (subject, body) in enumerate(_ODD):
            yield Letter(
                client=client,
                locale="odd",
                setting=str(number),
                fields={"Subject": subject, **fields, **(ANSWERING if subject.startswith("Re:") else {})},
                body=body,
                kinds=_PERSON,
                reverse_path="ann@example.com",
            )

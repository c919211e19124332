"""Messages that machines write around mail: receipts, reactions, challenges, acknowledgements, lists.

Owns recognising each; not bounces, complaints and absences, which have modules of their own.  RFC 8098 (message
disposition notifications), RFC 9078 (reactions), RFC 2919 and RFC 2369 (lists).  Pure.
"""

import json
import re
from collections.abc import Mapping

from tierii_mta.correspondence.addresses import first_address
from tierii_mta.correspondence.folding import fold
from tierii_mta.correspondence.header import Header
from tierii_mta.correspondence.own_words import OwnWords
from tierii_mta.correspondence.reading import Evidence, Receipt
from tierii_mta.mail.mime import Mail, parse_fields

_MAX_VALUE = 500
_MAX_REPORT = 64 << 10
_MAX_GREETING = 600  # characters in which a ticket system says what it does
_MAX_REACTION = 100  # characters: emoji of many code points, and a few of them
_DISPOSITION = re.compile(r"(?:(?P<action>[a-z-]{1,40})/(?P<sending>[a-z-]{1,40}) ?; ?)?(?P<type>[a-z-]{1,40})")
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,500}@[^<>\s@]{1,255}>")
_GOOGLE_REACTION = "text/vnd.google.email-reaction+json"
_RECEIPT_PARTS = frozenset({"message/disposition-notification", "message/global-disposition-notification"})

_CHALLENGE_FIELDS: Mapping[str, str] = {  # fields that challenging programs write
    "x-boxtrapper": "",
    "x-bluebottle-request": "",
    "x-askversion": r"\d",
    "x-spamazoid-md": r"\d",
    "spamlion": "",
    "x-exispam": "",
    "x-spamarrest-id": "",
    "x-boxbe-challenge": "",
    "message-id": r".{0,400}-tmda-confirm>",
    "precedence": "spam",
}
_CHALLENGES = (  # in the subject, where something else says that a machine wrote it
    "requires verification|verification required|please verify your email to|sender verification|verify your message|"
    "please confirm your message|confirm your message|confirm your email to|message delayed - action required|"
    "your message is awaiting|awaiting verification|needs your confirmation|demande d'authentification|"
    "veuillez vous authentifier|bestätigung erforderlich: ihre e-mail|confirme su mensaje|confirmación de remitente|"
    "подтвердите отправку"
)
_CHALLENGERS = (  # in the subject: names and forms of programs
    "unverified email to|delayed (action required)|spamblocker|spam arrest|spamarrest|boxtrapper|boxbe|antispam uol|"
    "mailinblack"
)
_PROOF = (  # in the text: that its reader shall prove something, or the message waits
    "click the link|click on the link|click here|following link|below link|link below|to deliver your message|"
    "to be delivered|prove|human|spam|verify|confirm|authenti|bestätigen|cliquer|confirmar|authentifi|подтверд"
)
_TICKET_FIELDS = (
    "x-zendesk-",
    "x-freshdesk",
    "x-osticket",
    "x-freescout-mail-type",
    "rt-ticket",
    "rt-originator",
    "x-otrs-",
    "x-zammad-",
    "x-helpscout-",
    "x-jira-",
    "x-servicenow-generated",
    "x-zohodesk",
    "x-kayako",
    "x-helpdesk",
)
_TICKET_PROGRAMS = re.compile(
    r"zendesk|osticket|freshdesk|freshservice|otrs|znuny|zammad|freescout|help ?scout|request tracker|kayako|"
    r"zoho ?desk|helpdesk|service ?desk|jitbit|gorgias|intercom"
)
_TICKET_NUMBER = re.compile(
    r"[\[(#](?:[\w .-]{1,40}[ #:])?#?[a-z]{0,5}-?\d{3,20}[\])]|\[##? ?\d{1,20} ?##?\]|"
    r"(?:ticket|case|request|incident|anfrage|vorgang|demande|solicitud|richiesta|chamado|zgłoszenie|заявка|обращение)"
    r"(?: ?(?:id|no\.?|nr\.?|number|num\.?))?[ :]{0,2}[#№]? ?[a-z]{0,5}-?\d{2,20}|[#№] ?\d{3,20}"
)
_RECEIVED = (  # what an acknowledgement says in its subject or its first lines
    "request received|ticket received|ticket created|new support ticket opened|support ticket opened|ticket opened|"
    "case created|case received|has been received|we have received your|we've received your|we received your|"
    "thank you for contacting|thanks for contacting|thank you for your inquiry|thank you for reaching out|"
    "thanks for reaching out|a ticket has been|your ticket has been|has been assigned|support request|"
    "eingangsbestätigung|ihre anfrage ist|haben ihre anfrage|ihre nachricht erhalten|ihre anfrage erhalten|"
    "vielen dank für ihre anfrage|vielen dank für ihre nachricht|ticket wurde erstellt|ticket erstellt|"
    "accusé de réception|avons bien reçu|votre demande a|merci de nous avoir contacté|hemos recibido|"
    "solicitud recibida|gracias por contactar|acuse de recibo|recebemos sua|recebemos a sua|solicitação recebida|"
    "obrigado por entrar em contato|abbiamo ricevuto|richiesta ricevuta|conferma di ricezione|"
    "grazie per averci contattato|hebben uw|ontvangstbevestiging|verzoek ontvangen|vi har mottagit|vi har modtaget|"
    "vi har mottatt|olemme vastaanottaneet|otrzymaliśmy|zgłoszenie zostało|potwierdzenie otrzymania|"
    "obdrželi jsme|prijali sme|megkaptuk|am primit|получили ваш|получено ваше|заявка зарегистрирована|"
    "обращение зарегистрировано|отримали ваш|λάβαμε|talebiniz alındı|talebiniz bize ulaştı|受け付けました|"
    "受付いたしました|お問い合わせいただき|お問い合わせありがとう|受付完了|"
    "我们已收到|已收到您的|我們已收到|접수되었습니다|접수 완료|문의가 접수"
)


def _folded(phrases: str) -> tuple[str, ...]:
    return tuple(fold(each) for each in phrases.split("|"))


_CHALLENGE_PHRASES, _CHALLENGER_PHRASES = _folded(_CHALLENGES), _folded(_CHALLENGERS)
_PROOF_PHRASES, _RECEIVED_PHRASES = _folded(_PROOF), _folded(_RECEIVED)
_CHALLENGE_PATTERNS = {name: re.compile(pattern) for name, pattern in _CHALLENGE_FIELDS.items()}


def receipt_of(mail: Mail) -> tuple[Receipt, Evidence] | None:
    """Return the disposition notification that the message is, or None."""
    part = next((each for each in mail.root.walk() if each.content_type in _RECEIPT_PARTS), None)
    declared = mail.root.parameters.get("report-type", "").strip("\"' ;").lower()
    if part is None and not (mail.root.content_type == "multipart/report" and declared == "disposition-notification"):
        return None
    told: dict[str, str] = {}
    for field in parse_fields(part.content[:_MAX_REPORT]) if part else ():
        told.setdefault(field.name.lower(), field.value[:_MAX_VALUE])
    said = _DISPOSITION.match(fold(told.get("disposition", "")))
    answered = _MESSAGE_ID.search(told.get("original-message-id", ""))
    receipt = Receipt(
        disposition=said["type"] if said else "",
        is_automatic=bool(said and "automatic" in f"{said['action']}{said['sending']}"),
        recipient=first_address(told.get("original-recipient", "")) or first_address(told.get("final-recipient", "")),
        message_id=answered[0] if answered else None,
    )
    where = "part message/disposition-notification" if part else "report-type"
    return receipt, Evidence(rule="mdn", where=where, detail=told.get("disposition", "").strip()[:200])


def reaction_of(mail: Mail) -> Evidence | None:
    """Return what somebody reacted with, or None: a part that says so, with nothing but emoji in it."""
    for part in mail.root.walk():
        if part.disposition == "reaction" and part.content_type.startswith("text/"):
            text = part.text()[: _MAX_REACTION * 4].strip()
            if len(text) <= _MAX_REACTION and not any(each.isalnum() and each.isascii() for each in text):
                return Evidence(rule="reaction", where="part with Content-Disposition: reaction", detail=text)
        elif part.content_type == _GOOGLE_REACTION:
            return Evidence(rule="reaction", where=f"part {_GOOGLE_REACTION}", detail=_google_emoji(part.text()))
    return None


def challenge_in(header: Header, subject: str, own: OwnWords, *, is_machine: bool) -> Evidence | None:
    """Return what tells that the sender shall prove to be human, or None. `is_machine`: something else says so."""
    for name, pattern in _CHALLENGE_PATTERNS.items():
        for value in header.get(name, ())[:3]:
            if pattern.match(fold(value[:_MAX_VALUE])):
                return Evidence(rule=f"challenge:{name}", where=f"header {name.title()}", detail=value.strip()[:200])
    folded = fold(subject[:_MAX_VALUE])
    phrases = (*_CHALLENGER_PHRASES, *(_CHALLENGE_PHRASES if is_machine else ()))
    phrase = next((each for each in phrases if each in folded), None)
    if phrase:
        text = fold(own.top)
        if "http" in text and any(each in text for each in _PROOF_PHRASES):
            return Evidence(rule="challenge", where="header Subject, text", detail=phrase)
    return None


def acknowledgement_in(header: Header, subject: str, own: OwnWords) -> Evidence | None:
    """Return what tells that a ticket system received something, or None.

    Only for what a machine is known to have sent: people who answer from such a system leave the same traces.
    """
    folded, text = fold(subject[:_MAX_VALUE]), fold(own.top[:_MAX_GREETING])
    says = next((each for each in _RECEIVED_PHRASES if each in folded or each in text), None)
    if header.get("x-freescout-mail-type", [""])[0].strip().lower().startswith("auto"):
        return Evidence(rule="ticket-system", where="header X-Freescout-Mail-Type", detail="auto")
    program = next((name for name in header if name.startswith(_TICKET_FIELDS)), None)
    mailer = " ".join((*header.get("x-mailer", ()), *header.get("user-agent", ())))[:_MAX_VALUE]
    if program is None and _TICKET_PROGRAMS.search(fold(mailer)):
        program = "x-mailer"
    number = _TICKET_NUMBER.search(folded)
    if says and (program or number):
        return Evidence(rule="ticket-received", where="header Subject, text", detail=says)
    if program and number:
        return Evidence(rule="ticket-system", where=f"header {program.title()}", detail=number[0])
    return None


def list_of(header: Header, *, answers: bool) -> Evidence | None:
    """Return what tells that a mailing list sent it, or None. Programs for salespeople put List-Unsubscribe into
    letters, so in an answer it proves nothing.
    """
    proofs = ("list-id", "list-post", "x-mailing-list", "mailing-list")
    for name in proofs if answers else (*proofs, "list-unsubscribe"):
        if value := header.get(name):
            return Evidence(rule=name, where=f"header {name.title()}", detail=value[0].strip()[:200])
    return None


def _google_emoji(text: str) -> str:
    try:
        said = json.loads(text[:1_000])
    except (ValueError, RecursionError):
        return ""
    emoji = said.get("emoji") if isinstance(said, dict) else None
    return emoji[:_MAX_REACTION] if isinstance(emoji, str) else ""

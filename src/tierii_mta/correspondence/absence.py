"""What an out-of-office answer says: when its sender is back, and who helps meanwhile.

Owns reading both from the text, a guess of whose words nobody is held to; not whether the message is such an answer
(auto_reply).  The day is the one that stands behind a word of coming back, else behind a word of lasting until, else
the end of a range; the day as it is told, so "until 5 May" and "back on 5 May" are both that day.  Pure.
"""

import re
from collections.abc import Collection
from datetime import date, timedelta, timezone

from tierii_mta.clock import Instant, to_datetime
from tierii_mta.correspondence.addresses import addresses_in
from tierii_mta.correspondence.dates import Written, dates_in, weekdays_in
from tierii_mta.correspondence.folding import fold
from tierii_mta.correspondence.header import Header
from tierii_mta.correspondence.reading import Absence

_MAX_TEXT = 4_000
_MAX_SUBSTITUTES = 10
_NEAR_BACK, _NEAR_UNTIL, _NEAR_BEHIND = 45, 24, 16  # characters between a word and its date
_LONGEST = timedelta(days=550)  # what is further off is no return


def _words(phrases: str) -> re.Pattern[str]:
    """Return what finds the beginning of a word; Chinese and its kin have no spaces to begin behind."""
    folded = sorted({fold(each) for each in phrases.split("|")}, key=len, reverse=True)
    return re.compile(
        "|".join(re.escape(each) if each[0] >= "\u3040" else rf"(?<!\w){re.escape(each)}" for each in folded)
    )


_BACK = _words(
    "back|return|returning|returns|available again|resume|reachable again|wieder|zurück|erreichbar ab|ab dem|"
    "de retour|retour|reviens|reviendrai|rentre|reprendrai|reprends|à nouveau|regreso|regresaré|regresando|vuelvo|"
    "volveré|vuelta|reincorpor|de volta|retorno|retornarei|regresso|regressarei|volto|voltarei|rientro|rientrerò|"
    "ritorno|ritornerò|tornerò|di ritorno|terug|weer aanwezig|weer bereikbaar|åter|tillbaka|tilbage|tilbake|palaan|"
    "takaisin|tavoitettavissa|wracam|wrócę|powrót|będę dostępn|vrátím|vracím se|zpět|k dispozici|vrátim|späť|"
    "vračam|vrnem|nazaj|vraćam|povratak|natrag|visszatérek|ismét|újra|revin|înapoi|voi reveni|вернусь|возвращаюсь|"
    "буду на месте|буду в офисе|выхожу|приступлю|повернусь|повертаюсь|буду доступ|връщам се|ще се върна|επιστρέφω|"
    "θα επιστρέψω|επιστροφή|döneceğim|dönüş|אחזור|חוזר|חוזרת|שוב|سأعود|العودة|trở lại|quay lại|kembali"
)
_UNTIL = _words(
    "until|till|til|thru|through|to|ends on|bis|bis zum|bis einschließlich|jusqu|au|hasta|al|até|ao|a|fino|sino|tot|"
    "t/m|tot en met|till och med|t.o.m|til og med|do|do dnia|až do|pana la|până|по|до|включно до|ως|έως|μέχρι|"
    "עד|حتى|đến|hingga|sampai|至|到"
)
_BEHIND = re.compile(
    r"[^.!?\n]{0,6}(?:まで|から|より|以降|까지|부터|복귀|asti|saakka|-?ig\b|-?[aeio]n vissza|tarihine kadar|kadar|"
    r"tarihinde|回来|返回|返崗|返岗|上班|恢复|出社|復帰)"
)
_BACK_BEHIND = re.compile(
    r"[^.!?\n]{0,4}(?:wieder|zuruck|terug|weer|ater|tillbaka|tilbage|tilbake|vissza|ujra|takaisin)(?!\w)"
)
_RANGE_END = re.compile(
    r"(?<!\d)\d{1,2}(?:\.|st|nd|rd|th|er)?(?: ?[./] ?\d{0,2}\.?)? ?"
    r"(?:-|~|～|〜|to|bis|au|al|a|ao|do|tot|til|till|do|по|до) ?$"
)
_HELP = _words(
    "contact|reach out|please e-mail|please email|please write|send an e-mail|send an email|urgent|emergency|immediate|"
    "assistance|colleague|forward|instead|in my absence|wenden|kontakt|kontaktieren|dringend|vertret|kollege|kollegin|"
    "kolleg|schreiben sie|contacter|contactez|adresser|urgence|urgent|collègue|joindre|contactar|contacte|contacto|"
    "diríjase|dirigirse|urgencia|urgente|contatar|contacte|contato|contate|colega|entre em contato|contattare|"
    "contatti|rivolgersi|urgenza|contatto|neem contact|contact op|dringende|spoed|kontakta|kontakte|brådskande|"
    "haster|ota yhteyttä|yhteyttä|kiireell|prosimy o kontakt|proszę o kontakt|pilnych|pilne|obraťte se|kontaktujte|"
    "naléhav|forduljon|sürgős|keresse|contactați|urgent|обращайтесь|обратитесь|связаться|срочн|пишите|звертайтесь|"
    "терміново|свържете|спешн|επικοινων|επείγον|irtibat|acil|iletişim|לפנות|דחוף|للتواصل|يرجى|緊急|お急ぎ|連絡|ご連絡|"
    "至急|联系|紧急|聯絡|緊急|연락|긴급|liên hệ|hubungi"
)
_APPLE_END = re.compile(r"enddate=(20\d\d)-(\d\d)-(\d\d)", re.IGNORECASE)


def absence_in(
    header: Header,
    text: str,
    *,
    sent_at: Instant,
    zone: timedelta | None,
    strangers: Collection[str],
) -> Absence:
    """Return what the answer tells. `text`: its own subject, if it has one, and its words.

    `zone`: that of its Date, which tells how America and the rest write numbers; `strangers`: addresses in lower case
    that are no substitutes, its sender's and ours.
    """
    sent = to_datetime(sent_at).astimezone(timezone(zone or timedelta())).date()
    bounded = text[:_MAX_TEXT]
    returns_on = _noted(header) or _return_day(fold(bounded), sent=sent, zone=zone)
    return Absence(
        returns_on=returns_on.isoformat() if returns_on else None,
        substitutes=_substitutes(bounded, strangers),
    )


def _noted(header: Header) -> date | None:
    """Return the last day that a program wrote into the header."""
    for value in header.get("x-apple-criteria", ())[:1]:
        if found := _APPLE_END.search(value[:500]):
            try:
                return date(int(found[1]), int(found[2]), int(found[3]))
            except ValueError:
                return None
    return None


def _return_day(folded: str, *, sent: date, zone: timedelta | None) -> date | None:
    is_american = zone is not None and timedelta(hours=-10) <= zone <= timedelta(hours=-4)
    written = [
        each for each in dates_in(folded, sent=sent, month_first=is_american) if abs(each.day - sent) <= _LONGEST
    ]
    back, until = list[date](), list[date]()
    previous = 0
    for each in written:
        before = folded[max(previous, each.start - _NEAR_BACK) : each.start]
        if _BACK.search(before) or _BACK_BEHIND.match(folded, each.end):
            back.append(each.day)
        elif _lasts_until(folded, each, before, is_range=bool(previous) and previous > each.start - 12):
            until.append(each.day)
        previous = each.end
    if back or until:
        return back[0] if back else max(until)
    return _weekday(folded, sent=sent)


def _lasts_until(folded: str, each: Written, before: str, *, is_range: bool) -> bool:
    """Whether the date is the end of something: a word before or behind says so, or it closes a range."""
    if each.is_range or _BEHIND.match(folded, each.end, each.end + _NEAR_BEHIND):
        return True
    near = before[-_NEAR_UNTIL:]
    if is_range and re.fullmatch(r"\W{1,3}", near):
        return True
    said = list(_UNTIL.finditer(near))
    is_said = any(not near[match.end() : match.end() + 1].isalnum() or match[0] == "jusqu" for match in said)
    return (
        is_said
        or bool(_RANGE_END.search(near))
        or "-" in folded[each.start : each.end].strip("0123456789-") + near[-2:]
    )


def _weekday(folded: str, *, sent: date) -> date | None:
    """Return the weekday that a word of coming back stands beside: "back on Monday"."""
    for each in weekdays_in(folded, sent=sent):
        before = folded[max(0, each.start - _NEAR_BACK) : each.start]
        if _BACK.search(before) or _BACK_BEHIND.match(folded, each.end):
            return each.day
    return None


def _substitutes(text: str, strangers: Collection[str]) -> tuple[str, ...]:
    """Return the addresses that stand in a paragraph which tells whom to turn to."""
    found: dict[str, None] = {}
    for paragraph in re.split(r"\n[ \t]*\n", text):
        if _HELP.search(fold(paragraph)):
            for address in addresses_in(paragraph):
                if address.lower() not in strangers:
                    found.setdefault(address.lower())
    return tuple(found)[:_MAX_SUBSTITUTES]

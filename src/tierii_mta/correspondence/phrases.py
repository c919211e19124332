"""What machines write when they answer for somebody, by language: that they are automatic, that somebody is away.

Owns the tables and how a subject is looked up in them; not what a hit is worth (auto_reply).  The strings are
those that clients write and those that people type into them; all are folded (folding), so accents, case and hyphens
do not matter.  Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tierii_mta.correspondence.folding import fold

MAX_SUBJECT = 500  # characters of a subject that are looked at


class Saying(StrEnum):
    """What the beginning of a subject says."""

    AUTOMATIC = "automatic"  # a machine answers
    AWAY = "away"  # and its owner is not there
    TOPIC = "topic"  # the same, or what people and sales write about


class Ending(StrEnum):
    """How a phrase ends in the subject: the more it stands apart, the less a person wrote it."""

    ALONE = "alone"  # nothing follows
    APART = "apart"  # a colon, dash or bracket sets it off from what follows
    RUNNING = "running"  # the sentence goes on


@dataclass(frozen=True, slots=True)
class SubjectPhrase:
    """What was found at the beginning of a subject."""

    saying: Saying
    language: str
    phrase: str
    ending: Ending


_AUTOMATIC: Mapping[str, str] = {
    "en": "automatic reply|automatic response|automatic answer|automated reply|automated response|automated message|"
    "auto reply|auto-reply|autoreply|auto response|auto-response|autoresponse|auto responder|auto-responder|"
    "autoresponder|auto answer|auto-answer|autoanswer|auto",
    "de": "automatische antwort|automatische rückantwort|automatische rückmeldung|automatische e-mail-antwort|"
    "automatische eingangsbestätigung|autoantwort|auto-antwort",
    "fr": "réponse automatique|réponse auto|message automatique",
    "es": "respuesta automática|contestación automática|mensaje automático",
    "pt": "resposta automática|mensagem automática",  # and Catalan, Galician
    "it": "risposta automatica|messaggio automatico|risponditore automatico",
    "nl": "automatisch antwoord|automatische beantwoording|automatische reactie|automatisch bericht",
    "sv": "automatiskt svar|automatsvar|autosvar",
    "da": "automatisk svar|autosvar",  # and Norwegian
    "fi": "automaattinen vastaus|automaattivastaus",
    "is": "sjálfvirkt svar",
    "pl": "automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź",
    "cs": "automatická odpověď",  # and Slovak, once folded
    "sl": "samodejni odgovor|avtomatski odgovor",
    "hr": "automatski odgovor",  # and Bosnian, Serbian
    "sr": "аутоматски одговор",
    "hu": "automatikus válasz",
    "ro": "răspuns automat",
    "bg": "автоматичен отговор",
    "mk": "автоматски одговор",
    "ru": "автоматический ответ|автоответ|автоответчик",
    "uk": "автоматична відповідь|автовідповідь",
    "el": "αυτόματη απάντηση",
    "tr": "otomatik yanıt|otomatik cevap",
    "he": "תשובה אוטומטית|מענה אוטומטי",
    "ar": "رد تلقائي|الرد التلقائي|رد آلي",
    "fa": "پاسخ خودکار",
    "ja": "自動返信|自動応答|自動回答",
    "zh": "自动回复|自动答复|自動回覆|自動回復|自動答覆",
    "ko": "자동 회신|자동회신|자동 응답|자동응답|자동 답장|자동답장",
    "vi": "trả lời tự động|thư trả lời tự động",
    "th": "การตอบกลับอัตโนมัติ|ตอบกลับอัตโนมัติ",
    "id": "balasan otomatis|jawaban otomatis|balasan automatik",  # and Malay
    "et": "automaatvastus|automaatne vastus",
    "lv": "automātiska atbilde|automātiskā atbilde",
    "lt": "automatinis atsakymas",
    "eu": "erantzun automatikoa",
}
_AWAY: Mapping[str, str] = {
    "en": "out of office|out-of-office|out of the office|ooo|i am out of the office|i'm out of the office|"
    "i am out of office|currently out of office|currently out of the office|away from the office|away from my desk|"
    "away from my mail|on vacation|on leave|on annual leave|maternity leave|parental leave|i am away|i'm away",
    "de": "abwesenheitsnotiz|abwesenheitsnachricht|abwesenheitsmeldung|abwesenheitsassistent|abwesenheitsinfo|"
    "abwesend|nicht im büro|nicht im haus|außer haus|im urlaub|urlaubsabwesenheit|ich bin nicht im büro|"
    "ich bin im urlaub",
    "fr": "absence du bureau|absent du bureau|absente du bureau|message d'absence|notification d'absence|"
    "avis d'absence|absent|absente|hors du bureau|en congé|en congés|je suis absent|je suis absente|"
    "je suis en vacances",
    "es": "fuera de la oficina|fuera de oficina|ausencia de la oficina|ausente|estoy de vacaciones|"
    "estoy fuera de la oficina",
    "ca": "fora de l'oficina|absència|de vacances",
    "pt": "ausência temporária|ausente|fora do escritório|fora da empresa|de férias",
    "it": "fuori sede|fuori ufficio|assenza dall'ufficio|assente dall'ufficio|messaggio di assenza|assente|in ferie|"
    "sono in ferie|sono fuori ufficio",
    "nl": "afwezig|afwezigheid|afwezigheidsbericht|afwezigheidsmelding|afwezigheidsassistent|niet aanwezig|"
    "niet op kantoor|buiten kantoor|met vakantie|op vakantie|met verlof",
    "sv": "frånvarande|frånvaromeddelande|ej på kontoret|inte på kontoret|på semester|på semesterledighet",
    "da": "fraværende|fraværsmeddelelse|ikke til stede|ikke på kontoret|på ferie|på barsel",
    "no": "borte fra kontoret|fraværsmelding|i permisjon",
    "fi": "poissa|poissa toimistosta|poissaoloilmoitus|poissaoloviesti|en ole paikalla|olen lomalla",
    "pl": "poza biurem|nieobecność w biurze|nieobecny|nieobecna|jestem na urlopie|na urlopie",
    "cs": "mimo kancelář|nepřítomnost v kanceláři|nejsem v kanceláři",
    "sk": "mimo kancelárie|nie som v kancelárii",
    "sl": "odsoten|odsotna|nisem v pisarni|na dopustu",
    "hr": "izvan ureda|odsutan|odsutna|na godišnjem odmoru|van kancelarije",
    "hu": "házon kívül|irodán kívül|szabadságon vagyok|nem vagyok az irodában",
    "ro": "absent din birou|în afara biroului|în concediu",
    "bg": "извън офиса|в отпуск|отсъствам",
    "ru": "вне офиса|нет на месте|нет в офисе|меня нет в офисе|отсутствую|в отпуске|я в отпуске",
    "uk": "поза офісом|немає в офісі|відсутній|відсутня|у відпустці",
    "el": "εκτός γραφείου|απουσιάζω|σε άδεια",
    "tr": "ofis dışında|ofis dışındayım|izindeyim|yıllık izin|izinde",
    "he": "מחוץ למשרד|לא במשרד|בחופשה",
    "ar": "خارج المكتب|في إجازة",
    "fa": "خارج از دفتر",
    "ja": "不在通知|不在のお知らせ|不在連絡|不在|休暇中|休暇のお知らせ|外出中",
    "zh": "不在办公室|不在辦公室|休假中",
    "ko": "부재 중|부재중|휴가 중|휴가중",
    "vi": "vắng mặt|ngoài văn phòng|đi vắng",
    "th": "ไม่อยู่ที่สำนักงาน|ไม่อยู่ที่ทำงาน|ลาพักร้อน",
    "id": "di luar kantor|tidak di kantor|sedang cuti",
    "et": "kontorist väljas|puhkusel|ei ole kontoris",
    "lv": "prombūtnē|prombūtne|ārpus biroja|atvaļinājumā",
    "lt": "nesu biure|ne biure|atostogauju",
}
_TOPIC: Mapping[str, str] = {
    "en": "vacation|holiday|holidays|on holiday|annual leave|absence|away",
    "de": "urlaub|abwesenheit|elternzeit",
    "fr": "absence|en vacances|vacances",
    "es": "vacaciones|de vacaciones|ausencia",
    "pt": "férias|em férias|ausência",
    "it": "ferie|assenza",
    "nl": "vakantie",
    "sv": "semester|frånvaro",
    "da": "ferie|fravær",
    "fi": "lomalla|loma|poissaolo",
    "pl": "urlop|nieobecność",
    "cs": "dovolená|nepřítomnost",
    "sk": "dovolenka|neprítomnosť",
    "sl": "odsotnost|dopust",
    "hr": "odsutnost",
    "hu": "szabadság|távollét",
    "ro": "concediu|absență",
    "bg": "отпуск|отсъствие",
    "ru": "отпуск|отсутствие",
    "uk": "відпустка",
    "el": "απουσία",
    "he": "חופשה|היעדרות",
    "ar": "إجازة",
    "ja": "休暇",
    "zh": "外出|休假|假期|出差",
    "ko": "휴가|부재",
    "vi": "nghỉ phép",
    "id": "cuti",
    "lt": "atostogos",
}
# What the text of an answer says where its writer is away. Looked for anywhere in its first lines.
_AWAY_TEXT: Mapping[str, str] = {
    "en": "out of the office|out of office|on vacation|on holiday|on annual leave|on leave|parental leave|"
    "maternity leave|away from the office|away from my desk|i am away|i'm away|currently away|i will be away|"
    "limited access to e-mail|limited access to email|upon my return|when i return|on my return|until i return",
    "de": "nicht im büro|nicht im haus|abwesend|abwesenheit|außer haus|im urlaub|in elternzeit|nicht erreichbar|"
    "wieder erreichbar|wieder im büro|nach meiner rückkehr",
    "fr": "absent du bureau|absente du bureau|je suis absent|je suis actuellement absent|je serai absent|"
    "actuellement absent|en congé|en vacances|à mon retour|de retour le|de retour au bureau",
    "es": "fuera de la oficina|de vacaciones|estaré ausente|estoy ausente|a mi regreso|a mi vuelta",
    "ca": "fora de l'oficina|de vacances",
    "pt": "fora do escritório|de férias|em férias|estou ausente|estarei ausente|ausente até|meu regresso|meu retorno",
    "it": "fuori ufficio|fuori sede|in ferie|sono assente|sarò assente|al mio rientro|assente dall'ufficio",
    "nl": "niet op kantoor|afwezig|met vakantie|op vakantie|niet aanwezig|weer aanwezig|weer bereikbaar",
    "sv": "inte på kontoret|på semester|frånvarande|åter på kontoret|åter i tjänst|tillbaka på kontoret",
    "da": "ikke på kontoret|på ferie|ikke til stede|fraværende|tilbage på kontoret|tilbake på kontoret",
    "fi": "poissa toimistosta|en ole toimistolla|olen lomalla|olen poissa|lomalla",
    "pl": "poza biurem|na urlopie|jestem nieobecny|jestem nieobecna|nieobecność",
    "cs": "mimo kancelář|na dovolené|nejsem v kanceláři|nepřítomen|nepřítomna",
    "sk": "mimo kancelárie|na dovolenke|nie som v kancelárii",
    "sl": "nisem v pisarni|na dopustu|odsoten|odsotna",
    "hr": "nisam u uredu|na godišnjem odmoru|izvan ureda|van kancelarije|odsutan|odsutna",
    "hu": "szabadságon vagyok|házon kívül|nem vagyok az irodában|irodán kívül|nem tartózkodom",
    "ro": "în concediu|nu sunt la birou|în afara biroului|absent din birou",
    "bg": "в отпуск|извън офиса|не съм в офиса",
    "ru": "в отпуске|нет в офисе|вне офиса|отсутствую|на больничном|в командировке",
    "uk": "у відпустці|не в офісі|поза офісом|відсутній|відсутня",
    "el": "εκτός γραφείου|σε άδεια|απουσιάζω",
    "tr": "izindeyim|ofis dışında|yıllık izinde|izinde olacağım",
    "he": "מחוץ למשרד|בחופשה|לא אהיה במשרד",
    "ar": "خارج المكتب|في إجازة",
    "ja": "不在|休暇|外出|出張",
    "zh": "不在办公室|不在辦公室|休假|外出|出差",
    "ko": "부재|휴가|출장|자리를 비",
    "vi": "vắng mặt|nghỉ phép|không có mặt",
    "th": "ไม่อยู่|ลาพักร้อน",
    "id": "di luar kantor|tidak di kantor|sedang cuti",
}
# What the text of an answer says where a machine wrote it, away or not.
_AUTOMATIC_TEXT = (
    "this is an automatic|this is an automated|this is an auto|automatically generated|automatic reply|"
    "automatic response|automated response|automated reply|auto-reply|autoreply|dies ist eine automatische|"
    "automatisch generiert|"
    "automatisch erstellt|réponse automatique|message automatique|généré automatiquement|respuesta automática|"
    "mensaje automático|generado automáticamente|resposta automática|mensagem automática|risposta automatica|"
    "messaggio automatico|automatisch antwoord|automatisch bericht|automatiskt svar|automatisk svar|"
    "automaattinen vastaus|automatyczna odpowiedź|wiadomość automatyczna|automatická odpověď|automatikus válasz|"
    "răspuns automat|автоматический ответ|автоответ|автоматична відповідь|αυτόματη απάντηση|otomatik yanıt|"
    "otomatik cevap|自動返信|自動送信|自動応答|自动回复|自动答复|自動回覆|자동 회신|자동 응답|자동으로 발송"
)
# What stands behind a name: "Ann Other is out of the office", as Notes writes it.
_IS_AWAY = (
    "is out of the office|is out of office|is away from the office|ist außer haus|ist nicht im büro|"
    "ist abwesend|est absent(e)|est absent|est absente|est absent(e) du bureau|está ausente|"
    "está fuera de la oficina|è fuori ufficio|è fuori sede|is afwezig|is niet aanwezig|är inte på kontoret|"
    "er ikke på kontoret|er ikke til stede|está fora do escritório|on poissa toimistosta|jest poza biurem"
)
# Words after the phrase that make it longer and no less a phrase: "Out of Office AutoReply: …", "Away message".
_TAIL = re.compile(r" (?:auto ?-?(?:reply|response)|reply|response|message|notification|notice|re|aw|sv)(?=$|[ :])")
_CLOSING = " ])*}>!~_=|\"'.…」』】》〉"
_LEAD = re.compile(r"[\s\[(*{<!~_=#|\"'「『【《〈-]*")
_APART = re.compile(r"[\s!~_=|\"'.…]*(?:[:;|(\[<「【]|- )|[\])*}>!」』】》〉]|\.\.")


def subject_phrase(subject: str) -> SubjectPhrase | None:
    """Return what the subject begins with, if it is in the tables. `Re:` before it hides it: that is an answer."""
    text = fold(subject[:MAX_SUBJECT])
    start = _LEAD.match(text)
    rest = text[start.end() if start else 0 :]
    for candidate in _BY_START.get(rest[:2], ()):
        if rest.startswith(candidate.phrase) and (ending := _ending(rest, candidate.phrase)) is not None:
            return SubjectPhrase(candidate.saying, candidate.language, candidate.phrase, ending)
    if found := _NAME_IS_AWAY.fullmatch(rest):
        return SubjectPhrase(Saying.AWAY, "name", found["phrase"], Ending.APART)
    return None


def away_in(folded: str) -> str | None:
    """Return the words in a folded text that say its writer is away, or None."""
    return next((phrase for phrase in _AWAY_PHRASES if phrase in folded), None)


def automatic_in(folded: str) -> str | None:
    """Return the words in a folded text that say a machine wrote it, or None."""
    return next((phrase for phrase in _AUTOMATIC_PHRASES if phrase in folded), None)


def _ending(text: str, phrase: str) -> Ending | None:
    """How the phrase ends, None in the middle of a word. Scripts without spaces know no such middle."""
    end = len(phrase)
    while tail := _TAIL.match(text, end):
        end = tail.end()
    if not text[end:].strip(_CLOSING):
        return Ending.ALONE
    if _APART.match(text, end):
        return Ending.APART
    is_middle = text[end].isalnum() and phrase[-1].isalnum() and not _is_cjk(text[end])
    return None if is_middle else Ending.RUNNING


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff"


@dataclass(frozen=True, slots=True)
class _Entry:
    phrase: str  # folded
    saying: Saying
    language: str


def _by_start() -> Mapping[str, Sequence[_Entry]]:
    """The phrases by their first two characters, the longest first."""
    entries: dict[str, list[_Entry]] = {}
    for saying, table in ((Saying.AUTOMATIC, _AUTOMATIC), (Saying.AWAY, _AWAY), (Saying.TOPIC, _TOPIC)):
        for language, phrases in table.items():
            for phrase in map(fold, phrases.split("|")):
                entries.setdefault(phrase[:2], []).append(_Entry(phrase, saying, language))
    return MappingProxyType(
        {start: tuple(sorted(found, key=lambda entry: -len(entry.phrase))) for start, found in entries.items()}
    )


_BY_START = _by_start()
_AWAY_PHRASES = tuple(dict.fromkeys(fold(each) for phrases in _AWAY_TEXT.values() for each in phrases.split("|")))
_AUTOMATIC_PHRASES = tuple(fold(each) for each in _AUTOMATIC_TEXT.split("|"))
_NAME_IS_AWAY = re.compile(
    rf"(?:auto: )?[^:?!]{{2,60}} (?P<phrase>{'|'.join(re.escape(fold(each)) for each in _IS_AWAY.split('|'))})"
    r"[ .]{0,3}(?:\([^()]{0,60}\))?\.?"
)

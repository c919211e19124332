"""How people and their mail programs say it, language by language.

`automatic` is what Outlook puts before the subject, `away` what people type as theirs, `re` how an answer is marked,
`text` an absence with its day of return and a substitute.  Written from knowledge of these programs and languages, not
collected: figures taken with it say whether the rules know what they were meant to know, no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Locale:
    """One language."""

    automatic: str
    away: str
    re: str
    text: str  # with {day} and {address}
    months: tuple[str, ...]
    day: str  # with {d} {month} {m} {y}


def _locale(automatic: str, away: str, re: str, text: str, *, months: str, day: str) -> Locale:
    return Locale(automatic, away, re, text, tuple(months.split()), day)


_DIGITS = " ".join(map(str, range(1, 13)))
LOCALES: Mapping[str, Locale] = MappingProxyType(
    {
        "en": _locale(
            "Automatic reply", "Out of office", "Re",
            "I am out of the office until {day} with limited access to e-mail.\n\n"
            "For urgent matters please contact {address}.",
            months="January February March April May June July August September October November December",
            day="{month} {d}, {y}",
        ),
        "de": _locale(
            "Automatische Antwort", "Abwesenheitsnotiz", "AW",
            "ich bin bis einschließlich {day} nicht im Büro.\n\n"
            "In dringenden Fällen wenden Sie sich bitte an {address}.",
            months="Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
            day="{d}. {month} {y}",
        ),
        "fr": _locale(
            "Réponse automatique ", "Absence du bureau", "RE",
            "Je suis absent du bureau jusqu'au {day}.\n\nEn cas d'urgence, merci de contacter {address}.",
            months="janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
            day="{d} {month} {y}",
        ),
        "es": _locale(
            "Respuesta automática", "Fuera de la oficina", "RE",
            "Estaré fuera de la oficina hasta el {day}.\n\nPara asuntos urgentes, contacte con {address}.",
            months="enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
            day="{d} de {month} de {y}",
        ),
        "pt": _locale(
            "Resposta automática", "Ausência temporária", "RES",
            "Estarei ausente até {day}.\n\nEm caso de urgência, por favor contate {address}.",
            months="janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
            day="{d} de {month} de {y}",
        ),
        "it": _locale(
            "Risposta automatica", "Fuori sede", "R",
            "Sarò assente dall'ufficio fino al {day}.\n\nPer urgenze potete contattare {address}.",
            months="gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
            day="{d} {month} {y}",
        ),
        "nl": _locale(
            "Automatisch antwoord", "Afwezig", "Antw",
            "Ik ben afwezig tot en met {day}.\n\nVoor dringende zaken kunt u contact opnemen met {address}.",
            months="januari februari maart april mei juni juli augustus september oktober november december",
            day="{d} {month} {y}",
        ),
        "sv": _locale(
            "Automatiskt svar", "Frånvarande", "SV",
            "Jag är på semester till och med den {day}.\n\nVid brådskande ärenden kontakta {address}.",
            months="januari februari mars april maj juni juli augusti september oktober november december",
            day="{d} {month} {y}",
        ),
        "da": _locale(
            "Automatisk svar", "Ikke til stede", "SV",
            "Jeg er på ferie til og med den {day}.\n\nHvis det haster, kontakt venligst {address}.",
            months="januar februar marts april maj juni juli august september oktober november december",
            day="{d}. {month} {y}",
        ),
        "nb": _locale(
            "Automatisk svar", "Fraværende", "SV",
            "Jeg er ikke på kontoret før {day}. Jeg er tilbake {day}.\n\nVed behov, kontakt {address}.",
            months="januar februar mars april mai juni juli august september oktober november desember",
            day="{d}. {month} {y}",
        ),
        "fi": _locale(
            "Automaattinen vastaus", "Poissa toimistosta", "VS",
            "Olen lomalla {day} asti.\n\nKiireellisissä asioissa ota yhteyttä {address}.",
            months=_DIGITS, day="{d}.{m}.{y}",
        ),
        "pl": _locale(
            "Automatyczna odpowiedź", "Poza biurem", "Odp",
            "Jestem na urlopie do {day}.\n\nW pilnych sprawach proszę o kontakt: {address}.",
            months="stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
            day="{d} {month} {y}",
        ),
        "cs": _locale(
            "Automatická odpověď", "Mimo kancelář", "Re",
            "Jsem na dovolené do {day}.\n\nV naléhavých případech kontaktujte {address}.",
            months="ledna února března dubna května června července srpna září října listopadu prosince",
            day="{d}. {month} {y}",
        ),
        "sk": _locale(
            "Automatická odpoveď", "Mimo kancelárie", "Re",
            "Som na dovolenke do {day}.\n\nV naliehavých prípadoch kontaktujte {address}.",
            months="januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra",
            day="{d}. {month} {y}",
        ),
        "sl": _locale(
            "Samodejni odgovor", "Odsoten", "Odg",
            "Do {day} nisem v pisarni.\n\nV nujnih primerih se obrnite na kontakt {address}.",
            months=_DIGITS, day="{d}. {m}. {y}",
        ),
        "hr": _locale(
            "Automatski odgovor", "Izvan ureda", "Odg",
            "Na godišnjem odmoru sam do {day}.\n\nZa hitne slučajeve kontaktirajte {address}.",
            months="siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga prosinca",
            day="{d}. {month} {y}.",
        ),
        "hu": _locale(
            "Automatikus válasz", "Házon kívül", "Vá",
            "{day}-ig szabadságon vagyok.\n\nSürgős esetben kérem, keresse: {address}.",
            months="január február március április május június július augusztus szeptember október november december",
            day="{y}. {month} {d}",
        ),
        "ro": _locale(
            "Răspuns automat", "Absent din birou", "RE",
            "Sunt în concediu până pe {day}.\n\nPentru urgențe, contactați {address}.",
            months="ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
            day="{d} {month} {y}",
        ),
        "bg": _locale(
            "Автоматичен отговор", "Извън офиса", "Отг",
            "В отпуск съм до {day}.\n\nПри спешност се свържете с {address}.",
            months="януари февруари март април май юни юли август септември октомври ноември декември",
            day="{d} {month} {y}",
        ),
        "ru": _locale(
            "Автоматический ответ", "Нет на месте", "Отв",
            "Я в отпуске до {day}.\n\nПо срочным вопросам обращайтесь к {address}.",
            months="января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
            day="{d} {month} {y} г.",
        ),
        "uk": _locale(
            "Автоматична відповідь", "Поза офісом", "Відп",
            "Я у відпустці до {day}.\n\nУ термінових випадках звертайтесь до {address}.",
            months="січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
            day="{d} {month} {y}",
        ),
        "el": _locale(
            "Αυτόματη απάντηση", "Εκτός γραφείου", "ΑΠ",
            "Απουσιάζω έως {day}.\n\nΓια επείγοντα θέματα επικοινωνήστε με {address}.",
            months="Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου "
            "Νοεμβρίου Δεκεμβρίου",
            day="{d} {month} {y}",
        ),
        "tr": _locale(
            "Otomatik yanıt", "Ofis dışında", "YNT",
            "{day} tarihine kadar izindeyim.\n\nAcil durumlarda {address} ile irtibata geçebilirsiniz.",
            months="Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
            day="{d} {month} {y}",
        ),
        "he": _locale(
            "תשובה אוטומטית", "מחוץ למשרד", "תגובה",
            "אני מחוץ למשרד עד {day}.\n\nבמקרה דחוף ניתן לפנות אל {address}.",
            months=_DIGITS, day="{d}/{m}/{y}",
        ),
        "ar": _locale(
            "رد تلقائي", "خارج المكتب", "رد",
            "أنا خارج المكتب حتى {day}.\n\nللأمور العاجلة يرجى التواصل مع {address}.",
            months="يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
            day="{d} {month} {y}",
        ),
        "ja": _locale(
            "自動応答", "不在のお知らせ", "Re",
            "{day}まで不在にしております。\n\nお急ぎの場合は {address} までご連絡ください。",
            months=_DIGITS, day="{y}年{m}月{d}日",
        ),
        "zh-Hans": _locale(
            "自动答复", "不在办公室", "答复",
            "我休假至{day}。\n\n如有紧急事宜，请联系 {address} 。",
            months=_DIGITS, day="{y}年{m}月{d}日",
        ),
        "zh-Hant": _locale(
            "自動回覆", "不在辦公室", "回覆",
            "本人休假至{day}。\n\n如有緊急事宜，請聯絡 {address} 。",
            months=_DIGITS, day="{y}年{m}月{d}日",
        ),
        "ko": _locale(
            "자동 회신", "부재중", "회신",
            "{day}까지 휴가입니다.\n\n긴급한 용무는 {address} 로 연락 바랍니다.",
            months=_DIGITS, day="{y}년 {m}월 {d}일",
        ),
        "vi": _locale(
            "Trả lời tự động", "Vắng mặt", "Trả lời",
            "Tôi vắng mặt đến {day}.\n\nNếu khẩn, vui lòng liên hệ {address}.",
            months=_DIGITS, day="{d}/{m}/{y}",
        ),
        "id": _locale(
            "Balasan otomatis", "Di luar kantor", "Bls",
            "Saya sedang cuti hingga {day}.\n\nUntuk hal mendesak silakan hubungi {address}.",
            months=_DIGITS, day="{d}/{m}/{y}",
        ),
    }
)  # fmt: skip

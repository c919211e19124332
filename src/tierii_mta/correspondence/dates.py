"""Dates as people write them in a sentence, in many languages.

Owns finding them and what day each means; not which of them matters (absence).  What is left out is taken from the day
the sentence was sent: the year that comes nearest, the month that both days of a range share.  Works on folded text
(folding).  Pure; linear, as each pattern is bounded and no two parts of one match the same text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tierii_mta.correspondence.folding import fold

# Names and short forms of the twelve months, "|" between months and "," between the forms of one.
_MONTHS: Mapping[str, str] = {
    "en": "january,jan|february,feb|march,mar|april,apr|may|june,jun|july,jul|august,aug|september,sept,sep|"
    "october,oct|november,nov|december,dec",
    "de": "januar,jänner,jan|februar,feber,feb|märz,mär|april,apr|mai|juni,jun|juli,jul|august,aug|september,sept,sep|"
    "oktober,okt|november,nov|dezember,dez",
    "fr": "janvier,janv|février,févr,fév|mars|avril,avr|mai|juin|juillet,juil|août|septembre,sept|octobre,oct|"
    "novembre,nov|décembre,déc",
    "es": "enero,ene|febrero,feb|marzo,mar|abril,abr|mayo,may|junio,jun|julio,jul|agosto,ago|septiembre,setiembre,sep|"
    "octubre,oct|noviembre,nov|diciembre,dic",
    "ca": "gener|febrer|març|abril|maig|juny|juliol|agost|setembre|octubre|novembre|desembre",
    "pt": "janeiro|fevereiro,fev|março|abril|maio|junho|julho|agosto|setembro,set|outubro,out|novembro|dezembro,dez",
    "it": "gennaio,gen|febbraio,feb|marzo|aprile|maggio,mag|giugno,giu|luglio,lug|agosto|settembre,set|ottobre,ott|"
    "novembre|dicembre,dic",
    "nl": "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december",
    "sv": "januari|februari|mars|april|maj|juni|juli|augusti|september|oktober|november|december",
    "da": "januar|februar|marts|april|maj|juni|juli|august|september|oktober|november|december,des",
    "fi": "tammikuuta,tammikuun|helmikuuta|maaliskuuta|huhtikuuta|toukokuuta|kesäkuuta|heinäkuuta|elokuuta|syyskuuta|"
    "lokakuuta|marraskuuta|joulukuuta",
    "pl": "stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia",
    "cs": "ledna|února|března|dubna|května|června|července|srpna|září|října|listopadu|prosince",
    "sk": "januára|februára|marca|apríla|mája|júna|júla|augusta|septembra|októbra|novembra|decembra",
    "hr": "siječnja,januara|veljače,februara|ožujka,marta|travnja,aprila|svibnja,maja|lipnja,juna|srpnja,jula|"
    "kolovoza,avgusta|rujna,septembra|listopada,oktobra|studenoga,studenog,novembra|prosinca,decembra",
    "hu": "január|február|március|április|május|június|július|augusztus|szeptember|október|november|december",
    "ro": "ianuarie|februarie|martie|aprilie|mai|iunie|iulie|august|septembrie|octombrie|noiembrie|decembrie",
    "ru": "января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря",
    "uk": "січня|лютого|березня|квітня|травня|червня|липня|серпня|вересня|жовтня|листопада|грудня",
    "bg": "януари|февруари|март|април|май|юни|юли|август|септември|октомври|ноември|декември",
    "el": "ιανουαρίου|φεβρουαρίου|μαρτίου|απριλίου|μαΐου|ιουνίου|ιουλίου|αυγούστου|σεπτεμβρίου|οκτωβρίου|νοεμβρίου|"
    "δεκεμβρίου",
    "tr": "ocak|şubat|mart|nisan|mayıs|haziran|temmuz|ağustos|eylül|ekim|kasım|aralık",
    "he": "ינואר|פברואר|מרץ|אפריל|מאי|יוני|יולי|אוגוסט|ספטמבר|אוקטובר|נובמבר|דצמבר",
    "ar": "يناير|فبراير|مارس|أبريل,ابريل|مايو|يونيو|يوليو|أغسطس,اغسطس|سبتمبر|أكتوبر,اكتوبر|نوفمبر|ديسمبر",
}
# Monday first; folded names of a language do not meet those of another with another meaning.
_WEEKDAYS: Mapping[str, str] = {
    "en": "monday|tuesday|wednesday|thursday|friday|saturday|sunday",
    "de": "montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag",
    "fr": "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche",
    "es": "lunes|martes|miércoles|jueves|viernes|sábado|domingo",
    "it": "lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica",
    "pt": "segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|sabado|domingo",
    "nl": "maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag",
    "sv": "måndag|tisdag|onsdag|torsdag|fredag|lördag|söndag",
    "pl": "poniedziałku,poniedziałek|wtorku,wtorek|środy,środę|czwartku,czwartek|piątku,piątek|soboty|niedzieli",
    "ru": "понедельник,понедельника|вторник,вторника|среду,среды|четверг,четверга|пятницу,пятницы|субботу|воскресенье",
}


def _numbers(table: Mapping[str, str]) -> dict[str, int]:
    return {
        fold(form): number
        for names in table.values()
        for number, forms in enumerate(names.split("|"), start=1)
        for form in forms.split(",")
    }


_MONTH_NUMBER, _WEEKDAY_NUMBER = _numbers(_MONTHS), _numbers(_WEEKDAYS)


def _names(numbers: Mapping[str, int]) -> str:
    return "|".join(sorted(map(re.escape, numbers), key=len, reverse=True))


_MONTH = rf"(?P<month>{_names(_MONTH_NUMBER)})(?!\w)\.?"
_DAY = r"(?<![\d.,:/])(?P<day>\d{1,2})(?:st|nd|rd|th|er|ste|de|e|o|a|-?го|-?е)?"
_RANGE = r"(?: ?(?:-|to|until|till|bis|au|al|a|ao|do|til|tot|t/m|по|до) ?(?P<end>\d{1,2})(?!\d))?"
_YEAR = r"(?:,? ?(?:de |del |do )?(?P<year>20\d\d)(?!\d))?"
_MONTH_DAY = (
    rf"(?<!\w)(?:(?P<year>20\d\d)\.? ?)?{_MONTH} ?(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]){_RANGE}"
    r"(?:st|nd|rd|th)?(?:,? ?(?P<later_year>20\d\d)(?!\d))?"
)
_NUMERIC = (
    r"(?<![\d./-])(?P<first>\d{1,2})(?P<mark>[./-]) ?(?P<second>\d{1,2})(?:(?P=mark) ?(?P<year>(?:20)?\d\d)?)?(?![\d:])"
)
_PATTERNS = tuple(
    map(
        re.compile,
        (
            r"(?<!\d)(?P<year>20\d\d)[-./年](?P<month>\d{1,2})[-./月](?P<day>\d{1,2})(?!\d)",
            r"(?<!\d)(?:(?P<year>20\d\d)(?:年|년) ?)?(?P<month>\d{1,2})(?:月|월) ?(?P<day>\d{1,2})(?:日|号|號|일)",
            rf"{_DAY}\.? ?(?:de |of |d'|di |da |van |ta' |-)?{_MONTH}{_YEAR}",
            _MONTH_DAY,
            _NUMERIC,
        ),
    )
)
_WEEKDAY = re.compile(rf"(?<!\w)(?P<weekday>{_names(_WEEKDAY_NUMBER)})(?!\w)")


@dataclass(frozen=True, slots=True)
class Written:
    """A date where it stands in a text."""

    start: int
    end: int
    day: date
    is_range: bool = False  # "10-31 July": the day is the last one


def dates_in(folded: str, *, sent: date, month_first: bool) -> list[Written]:
    """Return the dates in a folded text, in order. `month_first`: how `5/6` is read where both readings are days."""
    found: list[Written] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(folded):
            day = _day_of(match, sent=sent, month_first=month_first)
            if day is not None and not any(each.start < match.end() and match.start() < each.end for each in found):
                found.append(Written(match.start(), match.end(), day, bool(match.groupdict().get("end"))))
    return sorted(found, key=lambda each: each.start)


def weekdays_in(folded: str, *, sent: date) -> Iterator[Written]:
    """Yield the weekdays named in a folded text, each as its next day after `sent`."""
    for match in _WEEKDAY.finditer(folded):
        ahead = (_WEEKDAY_NUMBER[match["weekday"]] - sent.isoweekday() - 1) % 7 + 1
        yield Written(match.start(), match.end(), sent + timedelta(days=ahead))


def _day_of(match: re.Match[str], *, sent: date, month_first: bool) -> date | None:
    told = match.groupdict()
    year = told.get("later_year") or told.get("year")
    if told.get("first") is not None:
        return _numeric(match, sent=sent, month_first=month_first)
    month = _MONTH_NUMBER.get(told["month"]) or _number(told["month"])
    return _on(_number(year), month, _number(told.get("end") or told["day"]), sent=sent)


def _numeric(match: re.Match[str], *, sent: date, month_first: bool) -> date | None:
    """Read `a/b[/y]`; dots put the day first everywhere, and so do hyphens."""
    if match["mark"] == "." and not match["year"] and not match[0].rstrip().endswith("."):
        return None if _number(match["second"]) > 12 or len(match["second"]) == 1 else _plain(match, sent=sent)
    first, second, year = _number(match["first"]), _number(match["second"]), _number(match["year"])
    year += 2000 if 0 < year < 100 else 0
    if match["mark"] == "-" and not year:
        return None  # 10-31 is a range of days, or of anything
    orders = [(second, first), (first, second)]
    if match["mark"] == "/" and month_first:
        orders.reverse()
    return next((day for month, number in orders if (day := _on(year, month, number, sent=sent)) is not None), None)


def _plain(match: re.Match[str], *, sent: date) -> date | None:
    return _on(0, _number(match["second"]), _number(match["first"]), sent=sent)


def _on(year: int, month: int, day: int, *, sent: date) -> date | None:
    """Return the day; without a year, the one nearest to four months after `sent`: absences are short, dates stale."""
    if year:
        return _date(year, month, day)
    candidates = [found for each in (-1, 0, 1) if (found := _date(sent.year + each, month, day)) is not None]
    target = sent + timedelta(days=120)
    return min(candidates, key=lambda each: abs(each - target), default=None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _number(text: str | None) -> int:
    return int(text) if text else 0

"""What stands below the words: signatures, and what programs add.

Owns the delimiters, the lines that phones and apps add in many languages, disclaimers, list footers and the armour of
signed mail; not quotes.  A closing with a name ("Best regards, Anna") is part of what somebody wrote and stays, unless
a delimiter stands above it.  Pure; linear but for bounded looks ahead.
"""

import re
from collections.abc import Sequence

from tierii_mta.correspondence.quote.attribution import is_ruler
from tierii_mta.correspondence.quote.lines import Line, Role, mark, paragraphs
from tierii_mta.correspondence.quote.wording import phrases, speaks_of, stems

_MAX_NAME_BLOCK = 14  # lines below a drawn delimiter
_MAX_NAMES = 5  # of them without address, number or page
_MAX_NAME = 80  # characters of one
_MAX_MOBILE_WORDS = 14
_MAX_MOBILE = 120  # characters
_MAX_LAST = 20  # of them, for a verb that comes last
_DELIMITERS = frozenset({"--", "—", "–", "__", "-- --"})

# "Sent from": what begins such a line, and what ends one in languages that put the verb last.
_SENT = phrases(r"""
    (?:sent|emailed|written|composed) (?:from|via|with|using|by|on|through)\b
    (?:get|download|try) (?:the )?(?:outlook|yahoo|bluemail|spark)\b
    gesendet (?:von|mit|über|aus|via)\b|von (?:mein\w{0,3} )?.{2,40} gesendet
    (?:diese|die) (?:nachricht|e-?mail|mail) wurde (?:von|mit) .{2,60} (?:gesendet|verschickt|geschrieben)
    (?:envoyée?|expédié) (?:depuis|de|à partir|par|avec|via|du)\b
    (?:enviad[oa]|mandado) (?:desde|de|do|da|pelo|pela|a partir|con|com|via|vía|usando|por|através)\b
    enviat (?:des|amb|per|via)\b
    (?:inviat[oa]|spedito) (?:da|dal|dalla|con|tramite|via)\b
    (?:verzonden|verstuurd|gestuurd) (?:vanaf|van|via|met|vanuit|vanop|door)\b
    (?:sendt|skickat|skickades|sänt) (?:fra|från|med|via|av|ved)\b
    (?:lähetetty|lähetin|saadetud)\b
    (?:wysłan[eoy]|napisan[eoy]) (?:z|ze|za|przez|w)\b
    (?:odesláno|odoslané|poslané|posláno|poslano|poslato) (?:z|ze|zo|s|sa|iz|pomocí|pomocou|preko|putem)\b
    (?:trimis|expediat) (?:de|din|prin|via|cu)\b
    (?:отправлено|отослано|послано|написано|надіслано|відправлено|изпратено) (?:с|со|из|через|з|із|от|чрез|при)\b
    (?:στάλθηκε|εστάλη|απεστάλη) (?:από|με|μέσω)\b
    (?:išsiųsta|siųsta) (?:iš|naudojant)\b|(?:sūtīts|nosūtīts) (?:no|ar)\b
    (?:dikirim|terkirim) (?:dari|melalui|dengan|menggunakan)\b|(?:được )?gửi từ\b
    ส่งจาก|נשלח מ|أرسلت من|أُرسلت من|مرسل من|تم الإرسال|ارسال شده از
    发自|發自|来自我的|來自我的|寄自|傳送自|從我的|从我的
""")
_SENT_LAST = re.compile(
    r"(?:gesendet|küldve|gönderildi|gönderilmiştir|から送信(?:しました|されました)?|에서 보냄|에서 보냈습니다|로 보냄|"
    r"发送|發送|傳送)"
    r"[.。!]?$",
    re.IGNORECASE,
)
_DEVICE = phrases(r"""
    i-?phone|i-?pad|i-?pod|apple watch|\bios\b|android|black ?berry|windows (?:phone|mobile|1[01])|\bmobile\b
    mobiltelefon|smart ?phone|\bhandy\b|\btablet
    samsung|galaxy|huawei|xiaomi|redmi|nokia|\bhtc\b|\bsony\b|xperia|motorola
    \bwiko\b|outlook|yahoo|\bgmail\b|hotmail|\bk-9\b|thunderbird|\bproton ?mail\b|tutanota|mail\.ru|яндекс|yandex
    \bspark\b|mailbird|\bnewton\b|typeapp|blue ?mail|aqua ?mail|\bmymail|airmail|mailspring|zimbra|\bgmx\b|web\.de
    телефон|смартфон|手机|手機|携帯|スマート|휴대|fairemail|polymail|superhuman|邮箱|網易|网易
""")
_OUTLOOK = re.compile(r"outlook\b.{0,20}\b(?:ios|android|mobile)\b", re.IGNORECASE)
_OF_MINE = phrases(r"""
    \bmy\b|\bmein|\bmon\b|\bma\b|\bmi\b|\bmeu\b|\bminha\b|\bmi[oa]\b|\bmijn\b|\bmin\b|\bmitt\b|\bmojego
    \bmého|\bmôjho|\bmoj|моего|моєї|мого|μου|benim|저의|나의|我的|私の
""")
# What lists and programs add; of the checks for viruses each speaks of a mail and of one.
_PROGRAM = stems("""
    you received this message because you are subscribed to|to unsubscribe from this group|to unsubscribe from this list
    you are receiving this because you|reply to this email directly|virus-free. www.
    has been checked for viruses|auf viren geprüft|absence de virus|libre de virus|livre de vírus|priva di virus
    op virussen gecontroleerd
""")
_ARMOUR_BEGIN = re.compile(r"-----BEGIN PGP (?P<what>SIGNED MESSAGE|SIGNATURE|PUBLIC KEY BLOCK)-----$")
_ARMOUR_END = re.compile(r"-----END PGP (?:SIGNATURE|PUBLIC KEY BLOCK)-----$")
_CONTACT = re.compile(
    r"https?://|www\.|[^\s@]@[^\s@]{1,250}\.\w|\+?\d[\d ()./-]{6,}\d|\b(?:tel|phone|fax|mob|mobile|cell)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:\d{1,3}[.)]|[-*•]) ")
_SENTENCE = re.compile(r"(?:\S+ ){4,}\S*[^\W\d][.!?。！？]$")

# A disclaimer speaks of confidence, of who should read it, and of errors; two of the three tell one.
_CONFIDENCE = stems("""
    confiden|vertraulich|riservat|vertrouwelijk|poufn|důvěrn|dôvern|bizalmas|gizli|конфиденц|конфіденц|поверителн
    εμπιστευτικ|privileged|sekretess|fortrolig|luottamuksell|povjerljiv|zaupn|rahasia|bảo mật
    機密|机密|保密|기밀|סודי|سري
""")
_READER = stems("""
    intended recipient|intended only|intended solely|intended for|addressee|destinat|empfänger|adressat
    geadresseerde|bestemd|adresat|určen|címzett|alıcı|адресат|отримувач|получател|παραλήπτ
    mottagare|modtager|mottaker|vastaanottaj|penerima|người nhận|primatelj|naslovnik
    受信者|收件人|수신인|הנמען|المرسل إليه
""")
_ERROR = stems("""
    in error|by mistake|irrtümlich|irrtum|par erreur|por error|por engano|por erro|per errore|ten onrechte
    per vergissing|omyłk|omylem|tévedés|yanlışlık|по ошибке|помилков|по погрешка|εκ παραδρομής|κατά λάθος
    av misstag|ved en fejl|ved en feil|erehdyksessä|kesalahan|nhầm lẫn|greškom|pomotoma
    unauthoris|unauthoriz|verboten|prohibited|interdit|prohibid|proibid|vietat|zabronion
    誤って|误收|错误|잘못|בטעות|بالخطأ
""")
_MIN_DISCLAIMER = 80  # characters of its paragraph


def mark_signatures(lines: Sequence[Line], *, has_original: bool) -> None:
    """Mark what is not said by the writer; the first words of the message always stay.

    With `has_original` the comparison has found the quotes, and what follows a phone's line without being one stays.
    """
    first = next((index for index, line in enumerate(lines) if line.role is Role.WORDS), len(lines))
    ends = _ends_of_words(lines)
    _mark_armour(lines)
    _mark_delimited(lines, first, ends)
    _mark_mobile(lines, first, ends, has_original=has_original)
    _mark_footers(lines, first, ends)
    _mark_disclaimers(lines, first)
    _mark_below(lines, first)


def is_mobile(text: str) -> bool:
    """Whether a line is what a phone or an app puts below a message.

    With a known device or app, "sent" in any language; with an unknown one a short line without any comma or full stop,
    so that "Sent from my desk, is much easier" stays.
    """
    text = text.strip("-–—_*~ ")
    bare = text.partition("<")[0].strip() or text
    words = len(bare.split())
    if words > _MAX_MOBILE_WORDS or len(bare) > _MAX_MOBILE:
        return False
    if _OUTLOOK.search(bare) and words <= 8:
        return True
    begins = bool(_SENT.match(text))
    if not begins and not _SENT_LAST.search(bare[-_MAX_LAST:]):
        return False
    if _DEVICE.search(bare):
        return not re.search(r"[,;] ", bare)
    return (
        begins
        and bare[-1] not in ".!?"
        and "," not in bare
        and words <= 9
        and (words > 2 or bool(_OF_MINE.search(bare)))
    )


def _ends_of_words(lines: Sequence[Line]) -> Sequence[int]:
    """Return for each line where the next quote begins, or the end."""
    ends = [len(lines)] * len(lines)
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].role in {Role.QUOTE, Role.HEADER}:
            ends[index] = index
        elif index + 1 < len(lines):
            ends[index] = ends[index + 1]
    return ends


def _mark_words(lines: Sequence[Line], start: int, end: int, role: Role, rule: str) -> None:
    mark((line for line in lines[start:end] if line.role is Role.WORDS), role, rule)


def _mark_armour(lines: Sequence[Line]) -> None:
    """The frame of PGP: its first lines, and all of the signature."""
    is_inside = False
    for index, line in enumerate(lines):
        if line.role is not Role.WORDS:
            is_inside = is_inside and line.role is Role.BLANK
            continue
        if begin := _ARMOUR_BEGIN.match(line.text):
            is_inside = begin["what"] != "SIGNED MESSAGE"
            hash_line = lines[index + 1] if index + 1 < len(lines) else None
            if hash_line is not None and hash_line.text.startswith("Hash: "):
                mark([hash_line], Role.FOOTER, "pgp")
            mark([line], Role.FOOTER, "pgp")
        elif is_inside:
            is_inside = not _ARMOUR_END.match(line.text)
            mark([line], Role.FOOTER, "pgp")


def _mark_delimited(lines: Sequence[Line], first: int, ends: Sequence[int]) -> None:
    """From a delimiter to the next quote or the end; below a drawn one only what looks like names and numbers."""
    for index in range(first + 1, len(lines)):
        line, end = lines[index], ends[index]
        if line.role is not Role.WORDS or line.is_code:
            continue
        if line.text == "--" or (_is_drawn(line.text) and _is_name_block(lines, index + 1, end)):
            _mark_words(lines, index, end, Role.SIGNATURE, "delimiter")


def _is_drawn(text: str) -> bool:
    return text in _DELIMITERS or is_ruler(text)


def _is_name_block(lines: Sequence[Line], start: int, end: int, *, needs_contact: bool = False) -> bool:
    """Whether lines are short, few and no sentences; right below other words, with a way to reach somebody."""
    if end - start > 3 * _MAX_NAME_BLOCK:
        return False
    shown = [line.text for line in lines[start:end] if line.role is Role.WORDS]
    has_contact = any(_CONTACT.search(text) for text in shown)
    return (
        0 < len(shown) <= (_MAX_NAME_BLOCK if has_contact else _MAX_NAMES)
        and (has_contact or (not needs_contact and lines[start - 2].role is Role.BLANK))
        and all(len(text) <= _MAX_NAME or _CONTACT.search(text) for text in shown)
        and not any(_SENTENCE.search(text) or _ITEM.match(text) for text in shown)
        and not any(is_ruler(text) for text in shown[:-1])
    )


def _mark_mobile(lines: Sequence[Line], first: int, ends: Sequence[int], *, has_original: bool) -> None:
    for start, end in list(paragraphs(lines)):
        for index in range(max(start, first + 1), end):
            line = lines[index]
            if line.is_code or line.role is not Role.WORDS or not is_mobile(line.text):
                continue
            if index in (start, end - 1) or _DEVICE.search(line.text):
                _mark_words(lines, index, index + 1, Role.SIGNATURE, "mobile")
                _mark_words(lines, index + 1, end if has_original else ends[index], Role.QUOTE, "after-mobile")
                break


def _mark_footers(lines: Sequence[Line], first: int, ends: Sequence[int]) -> None:
    for index in range(first + 1, len(lines)):
        if lines[index].role is Role.WORDS and speaks_of(_PROGRAM, lines[index].text):
            start = index - 1 if index - 1 > first and _is_drawn(lines[index - 1].text) else index
            _mark_words(lines, start, ends[index], Role.FOOTER, "footer")


def _mark_disclaimers(lines: Sequence[Line], first: int) -> None:
    for start, end in list(paragraphs(lines)):
        text = " ".join(line.text for line in lines[start:end])
        if start > first and len(text) >= _MIN_DISCLAIMER:
            about = [subject for subject in (_CONFIDENCE, _READER, _ERROR) if speaks_of(subject, text)]
            if len(about) >= 2:
                _mark_words(lines, start, end, Role.FOOTER, "disclaimer")


def _mark_below(lines: Sequence[Line], first: int) -> None:
    """What a company's server adds at the very end: names and numbers below an announced quote, words being above."""
    start = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].role in {Role.QUOTE, Role.HEADER}), -1) + 1
    is_announced = any(line.role is Role.HEADER for line in lines[first:start])
    if is_announced and _is_name_block(lines, start, len(lines), needs_contact=True):
        _mark_words(lines, start, len(lines), Role.FOOTER, "below-quote")

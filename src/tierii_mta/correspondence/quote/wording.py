"""What mail clients write around a quote, in the languages they speak.

Owns the words; not where they must stand to count (attribution).  A language that is missing here still works where
the form alone tells: an address, a date and a colon (attribution), or the message we sent (overlap).  Pure.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


def phrases(table: str) -> re.Pattern[str]:
    """Compile a table of regular expressions, separated by `|` and line ends, into one; case does not matter."""
    return re.compile("|".join(each.strip() for each in re.split(r"\|?\n", table) if each.strip()), re.IGNORECASE)


def stems(table: str) -> tuple[str, ...]:
    """Return a table of plain words and phrases in lower case, separated by `|` and line ends."""
    return tuple(each.strip() for each in re.split(r"[|\n]", table) if each.strip())


def speaks_of(words: tuple[str, ...], text: str) -> bool:
    """Whether any of the stems occurs in a text; case does not matter. Much faster than a pattern of as many words."""
    folded = text.lower()
    for word in words:  # noqa: SIM110  `any` takes twice as long
        if word in folded:
            return True
    return False


# "X wrote". Found anywhere in a line, so each is long or rare enough for that.
WROTE = stems("""
    wrote|writes|quoting
    schrieb|geschrieben|zitat von
    a écrit
    escribió|escribio|va escriure|escribiu|idatzi
    ha scritto|scrisse
    escreveu
    schreef|geschreven
    skrev|skreiv|skrifaði
    kirjoitti|kirjutas
    napisał|pisze|napsal|napísal|píše
    napisal|napisao|je pisal|piše
    írta
    a scris|shkroi
    rašė|rakstīja
    yazdı|yazmış
    писал|написав|пишет|пише|написа|напісаў
    έγραψε
    đã viết|menulis|tulis|sumulat
    כתב|كتب|تمت كتابة|نوشت|ने लिखा
    เขียน|写道|寫道|写了|書きました|のメール|님이 작성|작성:
""")

# How an attribution begins, where it does not begin with a date or a name; weekdays where a name could look alike.
OPENERS = frozenset(
    stems("""
        on|am|um|le|el|il|in|em|no|op|den|på|dnia|w|dne|dňa|dana|u|v|pe|la|στις|vào|pada|í|ar|ve|ku
        у|на|в|від|في|در|בתאריך|ב|在|于|於|เมื่อ|ในวันที่
        mon|tue|wed|thu|fri|sat|sun|lun|mar|mer|jeu|ven|sam|dim|dl|dt|dc|dj|dv|ds|dg
    """)
)


class Label(StrEnum):
    """What a line of a quoted header tells."""

    FROM = "from"
    DATE = "date"
    TO = "to"
    COPY = "copy"
    SUBJECT = "subject"
    OTHER = "other"


_LABELS: Mapping[Label, str] = {
    Label.FROM: """
        from|von|absender|de|expéditeur|message de|remitente|remitent|da|remetente|mittente|van|afzender
        från|avsändare|fra|afsender|avsender|frá|lähettäjä|saatja|kellelt
        od|nadawca|odesílatel|odosielateľ|šalje|pošiljatelj|feladó|de la|expeditor|no|nuo
        от|от кого|отправитель|від|від кого|подател|από|αποστολέας|kimden|gönderen|dari|từ|người gửi|จาก
        发件人|寄件人|寄件者|发信人|差出人|送信者|보낸 사람|보낸사람|발신|מאת|من|از
    """,
    Label.DATE: """
        sent|date|date sent|sent at|gesendet|gesendet am|datum|envoyé|envoyé le|date d'envoi|message du
        enviado|enviado el|enviado em|enviada|enviada em|enviat|fecha|fecha de envío|data|data de envio
        inviato|inviato il|verzonden|verzonden op|verstuurd|skickat|skickades|sendt|dato|dagsetning
        lähetetty|päivämäärä|päiväys|saadetud|kuupäev|wysłano|wysłane|wysłany|odesláno|odoslané|odoslaný|dátum
        elküldve|küldve|küldés ideje|trimis|trimis la|poslano|poslato|nosūtīts|datums|išsiųsta
        отправлено|отправлен|дата|надіслано|відправлено|изпратено|στάλθηκε|ημερομηνία|εστάλη
        gönderildi|gönderilme tarihi|gönderim tarihi|tarih|dikirim|terkirim|tanggal|đã gửi|ngày|ngày gửi
        ส่ง|ส่งเมื่อ|วันที่|发送时间|发送日期|日期|时间|寄件日期|傳送時間|送信日時|日時|送信日|送信
        보낸 날짜|보낸날짜|날짜|보냄|נשלח|תאריך|تاريخ الإرسال|التاريخ|تم الإرسال|تاریخ
    """,
    Label.TO: """
        to|an|empfänger|à|a|destinataire|para|per a|destinatario|destinatário|aan|ontvanger|till|mottagare
        til|modtager|vastaanottaja|saaja|do|komu|pro|adresat|címzett|către|destinatari|prima|za|primatelj|kam
        кому|до|до кого|получатель|προς|παραλήπτης|kime|alıcı|kepada|untuk|đến|tới|người nhận|ถึง
        收件人|收件者|宛先|받는 사람|받는사람|수신|אל|إلى|به
    """,
    Label.COPY: """
        cc|bcc|kopie|kopie an|copie|copie à|copia|cópia|kopia|kopi|kopio|kopija|dw|do wiadomości|másolat
        másolatot kap|копия|копія|κοιν|κοινοποίηση|bilgi|tembusan|đồng gửi|สำเนา|抄送|副本|참조|עותק|نسخة
    """,
    Label.SUBJECT: """
        subject|betreff|objet|sujet|asunto|assunto|assumpte|oggetto|onderwerp|ämne|emne|efni|aihe|teema
        temat|temats|tema|předmět|predmet|vec|naslov|tárgy|subiect|тема|относно|предмет|θέμα|konu
        subjek|perihal|chủ đề|tiêu đề|เรื่อง|หัวเรื่อง|主题|主題|主旨|标题|件名|제목|נושא|الموضوع|موضوع
    """,
    Label.OTHER: """
        reply-to|reply to|antwort an|antworten an|bitte antworten an|répondre à|responder a|responder para
        rispondi a|importance|wichtigkeit|priority|priorität|importancia|importância|attachments|anlagen
        pièces jointes|adjuntos|allegati|bijlagen|gesendet von|sent by|envoyé par
    """,
}


def _by_word() -> Mapping[str, frozenset[Label]]:
    labels: dict[str, frozenset[Label]] = {}
    for label, table in _LABELS.items():
        for word in stems(table):
            labels[word] = labels.get(word, frozenset()) | {label}
    return MappingProxyType(labels)


LABELS: Mapping[str, frozenset[Label]] = _by_word()

# Between dashes: "Original Message", "Weitergeleitete Nachricht", …
SEPARATED = stems("""
    original|forwarded|message|ursprüngl|nachricht|weitergeleitet|d'origine|transféré|réexpédié
    messaggio|inoltrato|mensaje|reenviado|mensagem|encaminhada|missatge|bericht|doorgestuurd
    meddelande|besked|melding|oprindelig|viesti|sõnum|wiadomo|przekazan|zpráv|správa|pôvodn|původní
    üzenet|mesaj|poruk|sporočil|laiška|vēstule|сообщени|исходн|пересыл|повідомлен|оригинал|съобщение
    μήνυμα|iletilmiş|orijinal|pesan|thư gốc|tin nhắn gốc|ข้อความ|原始|邮件|郵件|转发|轉寄|転送|メッセージ
    원본|메시지|전달|הודעה|הודעת|الرسالة|رسالة
""")

# Lines of their own above a message, without their colon: Apple Mail's forwards, BlackBerry's originals.
ANNOUNCED = frozenset(
    stems("""
        begin forwarded message|anfang der weitergeleiteten nachricht|anfang der weitergeleiteten e-mail
        début du message réexpédié|début du message transféré|inicio del mensaje reenviado
        inizio messaggio inoltrato|inizio del messaggio inoltrato|início da mensagem reencaminhada
        início da mensagem encaminhada|begin doorgestuurd bericht|vidarebefordrat brev
        vidarebefordrat meddelande|videresendt besked|videresendt melding|välitetty viesti alkaa
        początek przekazywanej wiadomości|začátek přeposlané zprávy|начало переадресованного сообщения
        iletilen mesajın başlangıcı|下面是被转发的邮件|转发的邮件|以下是轉寄的郵件|転送されたメッセージ|전달된 메시지
        original message|ursprüngliche nachricht|originalnachricht|message d'origine|mensaje original
        mensagem original|messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|oprindelig meddelelse
        opprinnelig melding|alkuperäinen viesti|oryginalna wiadomość|původní zpráva|eredeti üzenet
        исходное сообщение|orijinal mesaj|原始邮件|原始郵件|元のメッセージ|원본 메시지
    """)
)

# Ticket systems ask for answers above such a line.
ABOVE = stems("above|oberhalb|über dieser|au-dessus|encima|arriba|acima|sopra|boven|ovanför|over denne|powyżej|nad t")
REPLY_ABOVE = phrases(r"""
    (?:reply|respond|write|answer|response)\b.{0,30}\babove (?:this|the) line\b
    antworten?\b.{0,40}\b(?:oberhalb|über) dieser (?:zeile|linie)
    (?:réponse|répond\w{1,4})\b.{0,40}au-dessus de cette ligne
    (?:respuesta|respond\w{1,3})\b.{0,40}(?:encima|arriba) de esta línea
    (?:resposta|respond\w{1,3})\b.{0,40}acima desta linha
    (?:risposta|rispond\w{1,4})\b.{0,40}sopra (?:questa|la) (?:riga|linea)
    (?:antwoord|reageer)\b.{0,40}boven deze (?:regel|lijn)
    svara?\b.{0,40}(?:ovanför|over) denn[ae] (?:rad|linje)
    odpowied.{0,40}(?:powyżej|nad) t(?:ej|ą) lini
""")

"""How mail clients announce what they quote, by client and language: written by hand, from what they are known to write.

Owns the lines above a quote and below the words; not the words.  People and addresses are invented.  A form that wraps
is given as it wraps.
"""

from typing import NamedTuple


class Form(NamedTuple):
    """What one client puts between the new words and the quote."""

    name: str
    lines: str
    is_prefixed: bool  # whether the quote below has `>`


ATTRIBUTIONS = (
    Form("gmail-en", "On Wed, Jan 1, 2025 at 12:00 PM Ann Bell <ann@shop.example> wrote:", True),
    Form(
        "gmail-en-wrapped", "On Wed, Jan 1, 2025 at 12:00 PM Ann Bell from the Shop <\nann@shop.example> wrote:", True
    ),
    Form(
        "gmail-en-wrapped-bracket",
        "On Wed, Jan 1, 2025 at 12:00 PM Ann Bell from the Shop <ann@shop.example\n> wrote:",
        True,
    ),
    Form("gmail-de", "Am Mi., 1. Jan. 2025 um 12:00 Uhr schrieb Ann Bell <ann@shop.example>:", True),
    Form(
        "gmail-de-wrapped", "Am Mi., 1. Jan. 2025 um 12:00 Uhr schrieb Ann Bell vom Laden <\nann@shop.example>:", True
    ),
    Form("gmail-fr", "Le mer. 1 janv. 2025 à 12:00, Ann Bell <ann@shop.example> a écrit :", True),
    Form("gmail-fr-wrapped", "Le mer. 1 janv. 2025 à 12:00, Ann Bell du magasin <ann@shop.example> a\nécrit :", True),
    Form("gmail-es", "El mié, 1 ene 2025 a las 12:00, Ann Bell (<ann@shop.example>) escribió:", True),
    Form(
        "gmail-es-wrapped",
        "El mié, 1 ene 2025 a las 12:00, Ann Bell de la tienda (<\nann@shop.example>) escribió:",
        True,
    ),
    Form("gmail-ca", "Missatge de Ann Bell <ann@shop.example> del dia dc., 1 de gen. 2025 a les\n12:00:", True),
    Form("gmail-it", "Il giorno mer 1 gen 2025 alle ore 12:00 Ann Bell <ann@shop.example> ha scritto:", True),
    Form("gmail-it-wrapped", "Il giorno mer 1 gen 2025 alle ore 12:00 Ann Bell <ann@shop.example> ha\nscritto:", True),
    Form("gmail-pt-br", "Em qua., 1 de jan. de 2025 às 12:00, Ann Bell <ann@shop.example> escreveu:", True),
    Form("gmail-pt-pt", "Ann Bell <ann@shop.example> escreveu (quarta, 1/01/2025 à(s) 12:00):", True),
    Form("gmail-nl", "Op wo 1 jan 2025 om 12:00 schreef Ann Bell <ann@shop.example>:", True),
    Form("gmail-da", "Den ons. 1. jan. 2025 kl. 12.00 skrev Ann Bell <ann@shop.example>:", True),
    Form("gmail-sv", "Den ons 1 jan. 2025 kl 12:00 skrev Ann Bell <ann@shop.example>:", True),
    Form("gmail-no", "ons. 1. jan. 2025 kl. 12:00 skrev Ann Bell <ann@shop.example>:", True),
    Form("gmail-fi", "ke 1. tammik. 2025 klo 12.00 Ann Bell (ann@shop.example) kirjoitti:", True),
    Form("gmail-pl", "śr., 1 sty 2025 o 12:00 Ann Bell <ann@shop.example> napisał(a):", True),
    Form("gmail-cs", "st 1. 1. 2025 v 12:00 odesílatel Ann Bell <ann@shop.example> napsal:", True),
    Form("gmail-sk", "st 1. 1. 2025 o 12:00 Ann Bell <ann@shop.example> napísal(a):", True),
    Form("gmail-hu", "Ann Bell <ann@shop.example> ezt írta (időpont: 2025. jan. 1., Sze, 12:00):", True),
    Form("gmail-ro", "mie., 1 ian. 2025 la 12:00, Ann Bell <ann@shop.example> a scris:", True),
    Form("gmail-hr", "sri, 1. sij 2025. u 12:00 Ann Bell <ann@shop.example> napisao je:", True),
    Form("gmail-sl", "V V sre., 1. jan. 2025 ob 12:00 je oseba Ann Bell <ann@shop.example>\nnapisala:", True),
    Form("gmail-lt", "2025-01-01, tr, 12:00 Ann Bell <ann@shop.example> rašė:", True),
    Form(
        "gmail-lv", "trešd., 2025. g. 1. janv., plkst. 12:00 — lietotājs Ann Bell (<ann@shop.example>)\nrakstīja:", True
    ),
    Form("gmail-et", "Ann Bell (<ann@shop.example>) kirjutas kuupäeval K, 1. jaanuar 2025 kell\n12:00:", True),
    Form("gmail-ru", "ср, 1 янв. 2025 г. в 12:00, Ann Bell <ann@shop.example>:", True),
    Form("gmail-uk", "ср, 1 січ. 2025 р. о 12:00 Ann Bell <ann@shop.example> пише:", True),
    Form("gmail-bg", "На ср, 1.01.2025 г. в 12:00 Ann Bell <ann@shop.example> написа:", True),
    Form("gmail-el", "Στις Τετ 1 Ιαν 2025 στις 12:00 μ.μ., ο/η Ann Bell <ann@shop.example>\nέγραψε:", True),
    Form("gmail-tr", "Ann Bell <ann@shop.example>, 1 Oca 2025 Çar, 12:00 tarihinde şunu yazdı:", True),
    Form(
        "gmail-he",
        "\u202bבתאריך יום ד׳, 1 בינו׳ 2025 ב-12:00 מאת \u202aAnn Bell\u202c\u200f <\u202aann@shop.example\u202c\u200f>:\u202c",
        True,
    ),
    Form(
        "gmail-ar",
        "في الأربعاء، ١ يناير ٢٠٢٥ في ١٢:٠٠ م تمت كتابة ما يلي بواسطة \u202aAnn Bell\u202c\u200f <\u202aann@shop.example\u202c\u200f>:",
        True,
    ),
    Form("gmail-zh-cn", "Ann Bell <ann@shop.example> 于2025年1月1日周三 下午12:00写道：", True),
    Form("gmail-zh-tw", "Ann Bell <ann@shop.example> 於 2025年1月1日 週三 下午12:00寫道：", True),
    Form("gmail-ja", "2025年1月1日(水) 12:00 Ann Bell <ann@shop.example>:", True),
    Form("gmail-ko", "2025년 1월 1일 (수) 오후 12:00, Ann Bell <ann@shop.example>님이 작성:", True),
    Form("gmail-vi", "Vào Th 4, 1 thg 1, 2025 vào lúc 12:00 Ann Bell <ann@shop.example> đã viết:", True),
    Form("gmail-id", "Pada Rab, 1 Jan 2025 12.00, Ann Bell <ann@shop.example> menulis:", True),
    Form("gmail-th", "ในวันที่ พ. 1 ม.ค. 2025 เวลา 12:00 Ann Bell <ann@shop.example>\nเขียนว่า:", True),
    Form("gmail-old", "2013/10/2 Ann Bell <ann@shop.example>", True),
    Form("apple-en", "On 1 Jan 2025, at 12:00, Ann Bell <ann@shop.example> wrote:", True),
    Form("apple-en-three-lines", "On Jan 1, 2025,\nat 12:00,\nAnn Bell <ann@shop.example> wrote:", True),
    Form("apple-de", "Am 01.01.2025 um 12:00 schrieb Ann Bell <ann@shop.example>:", True),
    Form("apple-fr", "Le 1 janv. 2025 à 12:00, Ann Bell <ann@shop.example> a écrit :", True),
    Form("apple-es", "El 1 ene 2025, a las 12:00, Ann Bell <ann@shop.example> escribió:", True),
    Form("apple-it", "Il giorno 1 gen 2025, alle ore 12:00, Ann Bell <ann@shop.example> ha scritto:", True),
    Form("apple-nl", "Op 1 jan 2025, om 12:00 heeft Ann Bell <ann@shop.example> het volgende geschreven:", True),
    Form("apple-ja", "2025/01/01 12:00、Ann Bell <ann@shop.example>のメール:", True),
    Form("thunderbird-en", "On 1/1/25 12:00 PM, Ann Bell wrote:", True),
    Form("thunderbird-de", "Am 01.01.25 um 12:00 schrieb Ann Bell:", True),
    Form("thunderbird-fr", "Le 01/01/2025 à 12:00, Ann Bell a écrit :", True),
    Form("thunderbird-ru", "01.01.2025 12:00, Ann Bell пишет:", True),
    Form("thunderbird-cs", "Dne 01. 01. 25 v 12:00 Ann Bell napsal(a):", True),
    Form("thunderbird-pl", "W dniu 01.01.2025 o 12:00, Ann Bell pisze:", True),
    Form("thunderbird-hu", "2025. 01. 01. 12:00 keltezéssel, Ann Bell írta:", True),
    Form("usenet", "Ann Bell <ann@shop.example> wrote:", True),
    Form("usenet-message", "In message <87@shop.example> Ann Bell wrote:", True),
    Form("mutt", "* Ann Bell <ann@shop.example> [2025-01-01 12:00]:", True),
    Form("yahoo-en", "On Wednesday, January 1, 2025 at 12:00:00 PM GMT+1, Ann Bell <ann@shop.example> wrote:", False),
    Form(
        "yahoo-de",
        "Am Mittwoch, 1. Januar 2025 um 12:00:00 MEZ hat Ann Bell <ann@shop.example> Folgendes geschrieben:",
        False,
    ),
    Form("yahoo-mobile", "On Wed, 1 Jan 2025 at 12:00, Ann Bell\n<ann@shop.example> wrote:", False),
    Form("yandex-ru", '01.01.2025, 12:00, "Ann Bell" <ann@shop.example>:', False),
    Form("mail.ru", "Среда, 1 января 2025, 12:00 +03:00 от Ann Bell <ann@shop.example>:", False),
    Form("wp.pl", "Dnia 1 stycznia 2025 12:00 Ann Bell <ann@shop.example> napisał(a):", False),
    Form("onet.pl", "W dniu 2025-01-01 12:00:00 użytkownik Ann Bell <ann@shop.example> napisał:", False),
    Form("163-zh", '在 2025-01-01 12:00:00，"Ann Bell" <ann@shop.example> 写道：', False),
    Form("163-en", 'At 2025-01-01 12:00:00, "Ann Bell" <ann@shop.example> wrote:', False),
    Form("zoho", "---- On Wed, 01 Jan 2025 12:00:00 +0100 Ann Bell <ann@shop.example> wrote ----", False),
    Form("proton", "On Wednesday, January 1st, 2025 at 12:00 PM, Ann Bell <ann@shop.example> wrote:", True),
    Form(
        "proton-old",
        "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Wednesday, January 1, 2025 12:00 PM, Ann Bell <ann@shop.example> wrote:",
        True,
    ),
    Form("roundcube-en", "On 2025-01-01 12:00, Ann Bell wrote:", True),
    Form(
        "zimbra",
        '----- Original Message -----\nFrom: "Ann Bell" <ann@shop.example>\nTo: "Me" <me@example.org>\nSent: Wednesday, 1 January, 2025 12:00:00\nSubject: News',
        False,
    ),
    Form("horde-en", "Quoting Ann Bell <ann@shop.example>:", True),
    Form("horde-de", "Zitat von Ann Bell <ann@shop.example>:", True),
    Form(
        "aol-dated", "In a message dated 1/1/2025 12:00:00 P.M. Eastern Standard Time,\nann@shop.example writes:", True
    ),
    Form("no-date", "Ann Bell <ann@shop.example> wrote:", False),
    Form("yahoo-de-old", "Ann Bell <ann@shop.example> schrieb am 12:00 Mittwoch, 1.Januar 2025:", False),
    Form("notes-en", "Ann Bell/Shop/Example wrote on 01/01/2025 12:00:00 PM:", True),
)

BLOCKS = (
    Form(
        "outlook-en",
        "From: Ann Bell <ann@shop.example>\nSent: Wednesday, January 1, 2025 12:00 PM\nTo: Me <me@example.org>\nSubject: News",
        False,
    ),
    Form(
        "outlook-en-bold",
        "*From:* Ann Bell <ann@shop.example>\n*Sent:* Wednesday, January 1, 2025 12:00 PM\n*To:* Me <me@example.org>\n*Subject:* News",
        False,
    ),
    Form(
        "outlook-en-paragraphs",
        "From: Ann Bell <ann@shop.example>\n\nSent: Wednesday, January 1, 2025 12:00 PM\n\nTo: Me <me@example.org>\n\nSubject: News",
        False,
    ),
    Form(
        "outlook-original",
        "-----Original Message-----\nFrom: Ann Bell [mailto:ann@shop.example]\nSent: Wednesday, January 1, 2025 12:00 PM\nTo: Me\nSubject: News",
        False,
    ),
    Form(
        "outlook.com",
        "________________________________\nFrom: Ann Bell <ann@shop.example>\nSent: Wednesday, January 1, 2025 12:00 PM\nTo: Me <me@example.org>\nSubject: News",
        False,
    ),
    Form(
        "outlook-wrapped",
        "From: Ann Bell, who runs the little shop at the corner\n<ann@shop.example>\nSent: Wednesday, January 1, 2025 12:00 PM\nTo: Me <me@example.org>; Somebody Else\n<else@example.org>\nSubject: News of\nMay",
        False,
    ),
    Form(
        "outlook-mac",
        "From: Ann Bell <ann@shop.example>\nDate: Wednesday, 1 January 2025 at 12:00\nTo: Me <me@example.org>\nSubject: News",
        False,
    ),
    Form(
        "outlook-de",
        "Von: Ann Bell <ann@shop.example>\nGesendet: Mittwoch, 1. Januar 2025 12:00\nAn: Me <me@example.org>\nBetreff: News",
        False,
    ),
    Form(
        "outlook-fr",
        "De : Ann Bell <ann@shop.example>\nEnvoyé : mercredi 1 janvier 2025 12:00\nÀ : Me <me@example.org>\nObjet : News",
        False,
    ),
    Form(
        "outlook-es",
        "De: Ann Bell <ann@shop.example>\nEnviado el: miércoles, 1 de enero de 2025 12:00\nPara: Me <me@example.org>\nAsunto: News",
        False,
    ),
    Form(
        "outlook-it",
        "Da: Ann Bell <ann@shop.example>\nInviato: mercoledì 1 gennaio 2025 12:00\nA: Me <me@example.org>\nOggetto: News",
        False,
    ),
    Form(
        "outlook-pt",
        "De: Ann Bell <ann@shop.example>\nEnviada em: quarta-feira, 1 de janeiro de 2025 12:00\nPara: Me <me@example.org>\nAssunto: News",
        False,
    ),
    Form(
        "outlook-nl",
        "Van: Ann Bell <ann@shop.example>\nVerzonden: woensdag 1 januari 2025 12:00\nAan: Me <me@example.org>\nOnderwerp: News",
        False,
    ),
    Form(
        "outlook-sv",
        "Från: Ann Bell <ann@shop.example>\nSkickat: den 1 januari 2025 12:00\nTill: Me <me@example.org>\nÄmne: News",
        False,
    ),
    Form(
        "outlook-da",
        "Fra: Ann Bell <ann@shop.example>\nSendt: 1. januar 2025 12:00\nTil: Me <me@example.org>\nEmne: News",
        False,
    ),
    Form(
        "outlook-fi",
        "Lähettäjä: Ann Bell <ann@shop.example>\nLähetetty: keskiviikko 1. tammikuuta 2025 12.00\nVastaanottaja: Me <me@example.org>\nAihe: News",
        False,
    ),
    Form(
        "outlook-pl",
        "Od: Ann Bell <ann@shop.example>\nWysłano: środa, 1 stycznia 2025 12:00\nDo: Me <me@example.org>\nTemat: News",
        False,
    ),
    Form(
        "outlook-cs",
        "Od: Ann Bell <ann@shop.example>\nOdesláno: středa 1. ledna 2025 12:00\nKomu: Me <me@example.org>\nPředmět: News",
        False,
    ),
    Form(
        "outlook-sk",
        "Od: Ann Bell <ann@shop.example>\nOdoslané: streda 1. januára 2025 12:00\nKomu: Me <me@example.org>\nPredmet: News",
        False,
    ),
    Form(
        "outlook-hu",
        "Feladó: Ann Bell <ann@shop.example>\nElküldve: 2025. január 1., szerda 12:00\nCímzett: Me <me@example.org>\nTárgy: News",
        False,
    ),
    Form(
        "outlook-ro",
        "De la: Ann Bell <ann@shop.example>\nTrimis: miercuri, 1 ianuarie 2025 12:00\nCătre: Me <me@example.org>\nSubiect: News",
        False,
    ),
    Form(
        "outlook-ru",
        "От: Ann Bell <ann@shop.example>\nОтправлено: среда, 1 января 2025 г. 12:00\nКому: Me <me@example.org>\nТема: News",
        False,
    ),
    Form(
        "outlook-uk",
        "Від: Ann Bell <ann@shop.example>\nНадіслано: 1 січня 2025 р. 12:00\nКому: Me <me@example.org>\nТема: News",
        False,
    ),
    Form(
        "outlook-el",
        "Από: Ann Bell <ann@shop.example>\nΣτάλθηκε: Τετάρτη, 1 Ιανουαρίου 2025 12:00\nΠρος: Me <me@example.org>\nΘέμα: News",
        False,
    ),
    Form(
        "outlook-tr",
        "Kimden: Ann Bell <ann@shop.example>\nGönderildi: 1 Ocak 2025 Çarşamba 12:00\nKime: Me <me@example.org>\nKonu: News",
        False,
    ),
    Form(
        "outlook-ja",
        "差出人: Ann Bell <ann@shop.example>\n送信日時: 2025年1月1日 12:00\n宛先: Me <me@example.org>\n件名: News",
        False,
    ),
    Form(
        "outlook-zh",
        "发件人: Ann Bell <ann@shop.example>\n发送时间: 2025年1月1日 12:00\n收件人: Me <me@example.org>\n主题: News",
        False,
    ),
    Form(
        "qq-zh",
        '------------------ 原始邮件 ------------------\n发件人: "Ann Bell" <ann@shop.example>;\n发送时间: 2025年1月1日(星期三) 中午12:00\n收件人: "Me"<me@example.org>;\n主题: News',
        False,
    ),
    Form(
        "outlook-ko",
        "보낸 사람: Ann Bell <ann@shop.example>\n보낸 날짜: 2025년 1월 1일 수요일 오후 12:00\n받는 사람: Me <me@example.org>\n제목: News",
        False,
    ),
    Form(
        "outlook-he",
        "מאת: Ann Bell <ann@shop.example>\nנשלח: יום רביעי 01 ינואר 2025 12:00\nאל: Me <me@example.org>\nנושא: News",
        False,
    ),
    Form(
        "outlook-ar",
        "من: Ann Bell <ann@shop.example>\nتاريخ الإرسال: 01/يناير/2025 12:00\nإلى: Me <me@example.org>\nالموضوع: News",
        False,
    ),
    Form(
        "outlook-unknown-language",
        "________________________________\nSendandi: Ann Bell <ann@shop.example>\nSentur: miðvikudagur 1. janúar 2025 12:00\nViðtakandi: Me <me@example.org>\nVarðar: News",
        False,
    ),
    Form(
        "samsung-en",
        "-------- Original message --------\nFrom: Ann Bell <ann@shop.example>\nDate: 1/1/25 12:00 (GMT+01:00)\nTo: me@example.org\nSubject: News",
        False,
    ),
    Form(
        "samsung-de",
        "-------- Ursprüngliche Nachricht --------\nVon: Ann Bell <ann@shop.example>\nDatum: 01.01.25 12:00 (GMT+01:00)\nAn: me@example.org\nBetreff: News",
        False,
    ),
    Form(
        "samsung-pl",
        "-------- Oryginalna wiadomość --------\nOd: Ann Bell <ann@shop.example>\nData: 01.01.2025 12:00 (GMT+01:00)\nDo: me@example.org\nTemat: News",
        False,
    ),
    Form(
        "orange-fr",
        '> Message du 01/01/25 12:00\n> De : "Ann Bell" <ann@shop.example>\n> A : me@example.org\n> Copie à :\n> Objet : News\n>',
        True,
    ),
    Form(
        "gmx-de",
        'Gesendet: Mittwoch, 01. Januar 2025 um 12:00 Uhr\nVon: "Ann Bell" <ann@shop.example>\nAn: me@example.org\nBetreff: News',
        False,
    ),
    Form(
        "hotmail-date-first",
        "Date: Wed, 1 Jan 2025 12:00:00 +0100\nFrom: ann@shop.example\nTo: me@example.org\nSubject: News",
        False,
    ),
    Form(
        "aol",
        "-----Original Message-----\nFrom: Ann Bell <ann@shop.example>\nTo: me <me@example.org>\nSent: Wed, Jan 1, 2025 12:00 pm\nSubject: News",
        False,
    ),
    Form("notes-de", "Von: Ann Bell/Shop\nAn: me@example.org\nDatum: 01.01.2025 12:00\nBetreff: News", False),
    Form(
        "gmail-forward",
        "---------- Forwarded message ---------\nFrom: Ann Bell <ann@shop.example>\nDate: Wed, Jan 1, 2025 at 12:00 PM\nSubject: News\nTo: <me@example.org>",
        False,
    ),
    Form(
        "apple-forward",
        "Begin forwarded message:\n\nFrom: Ann Bell <ann@shop.example>\nSubject: News\nDate: 1 January 2025 at 12:00:00 CET\nTo: me@example.org",
        False,
    ),
    Form(
        "blackberry-10",
        "Original Message\nFrom: Ann Bell\nSent: Wednesday, January 1, 2025 12:00\nTo: Me\nSubject: News",
        False,
    ),
    Form("desk", "##- Please type your reply above this line -##", False),
)

PHONES = (
    "Sent from my iPhone",
    "Sent from my iPad.",
    "Sent from my BlackBerry® wireless device",
    "Sent from Yahoo Mail on Android",
    "Sent from Yahoo Mail for iPhone <https://mail.onelink.example/107872968>",
    "Sent from Outlook for Android<https://aka.ms.example/AAb9ysg>",
    "Get Outlook for iOS<https://aka.ms.example/o0ukef>",
    "Sent from Mail for Windows 10",
    "Sent via the Samsung Galaxy S7, an AT&T 4G LTE smartphone".replace(",", ""),
    "Sent with ProtonMail Secure Email.",
    "Von meinem iPhone gesendet",
    "Gesendet von Outlook für iOS",
    "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
    "Gesendet mit der GMX Mail App",
    "Envoyé de mon iPhone",
    "Envoyé depuis mon smartphone Samsung Galaxy.",
    "Télécharger Outlook pour Android",
    "Enviado desde mi iPhone",
    "Obtener Outlook para iOS",
    "Enviado do meu iPhone",
    "Enviado a partir do meu smartphone Samsung Galaxy.",
    "Inviato da iPhone",
    "Inviato dal mio Galaxy",
    "Verstuurd vanaf mijn iPhone",
    "Verzonden vanaf mijn Galaxy",
    "Skickat från min iPhone",
    "Sendt fra min iPhone",
    "Lähetetty iPhonesta",
    "Wysłane z iPhone'a",
    "Wysłano z telefonu Samsung",
    "Odesláno z iPhonu",
    "Odoslané z iPhonu",
    "iPhone-ról küldve",
    "Trimis de pe iPhone-ul meu",
    "Отправлено с iPhone",
    "Отправлено из мобильной Почты Mail.ru",
    "Надіслано з iPhone",
    "Στάλθηκε από το iPhone μου",
    "iPhone'umdan gönderildi",
    "נשלח מה-iPhone שלי",
    "أرسلت من الـ iPhone",
    "iPhoneから送信",
    "发自我的iPhone",
    "從我的iPhone傳送",
    "나의 iPhone에서 보냄",
    "Dikirim dari iPhone saya",
    "Được gửi từ iPhone của tôi",
    "Poslano s mojega iPhonea",
)

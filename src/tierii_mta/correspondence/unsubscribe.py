"""Wishes not to be written to: the one word that is an order, and the sentence that is a hint.

Owns the words by language.  A message is an order where its whole subject or its whole own text is such a word; the
same word inside a longer text is told as an intent and nothing is done.  Not who may order (processor: the sender must
be authenticated, or the message came to an address we signed for it), nor the link (web.unsubscribe).  RFC 2369 §3.2,
RFC 8058.  Pure.
"""

from tierii_mta.correspondence.folding import fold
from tierii_mta.correspondence.own_words import OwnWords

_MAX_ORDER = 60  # characters: what is longer is no single word
_MAX_TEXT = 5_000
_MAX_ASKED = 300  # characters of a subject
_MAX_LINES = 100
_AROUND = " \t.,;:!?*_~-\"'()[]<>«»„“”‚。！，、「」『』"

# An order wherever it stands alone, subject or text.
_FIRM = {
    "en": "unsubscribe|unsubscribe me|please unsubscribe|please unsubscribe me|unsubscribe please|unsubscribe all|"
    "unsub|opt out|opt-out|optout|remove me|please remove me|remove me please|take me off|take me off your list|"
    "remove me from your list|remove me from this list|please remove me from your list|"
    "please remove me from this list|please remove me from your mailing list|remove from list|stop emailing me|"
    "stop sending me emails|do not email me|no more emails|no more emails please",
    "de": "abmelden|abmeldung|abbestellen|bitte abmelden|bitte abbestellen|austragen|bitte austragen|"
    "newsletter abmelden|newsletter abbestellen|newsletter abbestellung|keine e-mails mehr|keine mails mehr|"
    "bitte keine mails mehr|bitte aus dem verteiler nehmen|aus dem verteiler nehmen|"
    "bitte aus dem verteiler löschen",
    "fr": "désabonner|désabonnement|me désabonner|se désabonner|désabonnez-moi|désabonnez moi|désinscription|"
    "désinscrire|me désinscrire|se désinscrire|désinscrivez-moi|désinscrivez moi|désinscription svp|"
    "merci de me désinscrire|merci de me désabonner",
    "es": "darme de baja|darse de baja|dar de baja|deme de baja|dame de baja|dadme de baja|desuscribir|desuscribirme|"
    "desuscribirse|cancelar suscripción|cancelar la suscripción|anular suscripción|quiero darme de baja",
    "ca": "donar-me de baixa|donar de baixa|cancel·lar subscripció",
    "pt": "cancelar inscrição|cancelar a inscrição|cancelar assinatura|cancelar subscrição|descadastrar|descadastre-me|"
    "desinscrever|remover da lista|me remova|me remova da lista|retirar da lista",
    "it": "disiscrivimi|disiscrizione|disiscrivi|disiscriviti|annulla iscrizione|annullare iscrizione|cancellami|"
    "cancella iscrizione|cancellazione iscrizione|rimuovimi|cancellatemi|disiscrivetemi",
    "nl": "uitschrijven|afmelden|afmelding|schrijf me uit|graag uitschrijven|graag afmelden|meld me af|uitschrijving",
    "sv": "avregistrera|avregistrera mig|avprenumerera|avsluta prenumeration|avanmäl|avanmälan|avanmäl mig",
    "da": "afmeld|afmelding|afmeld mig|frameld|frameld mig|framelding|afmeld nyhedsbrev",
    "no": "avmeld|avmelding|meld meg av|avslutt abonnement|avmeld meg",
    "fi": "peruuta tilaus|peru tilaus|poista listalta|poistakaa listalta|lopeta tilaus|peruutus",
    "pl": "wypisz|wypisz mnie|proszę mnie wypisać|wypisać|wypisuję się|anuluj subskrypcję|rezygnuję|rezygnacja|"
    "zrezygnuj",
    "cs": "odhlásit|odhlásit se|odhlášení|odhlaste mě|odhlásit odběr|zrušit odběr",  # and Slovak, once folded
    "sl": "odjava|odjavi|odjavi me|odjavite me",
    "hr": "odjavi me|odjavite me|odjava s liste|одјава|одјави ме",
    "hu": "leiratkozás|leiratkozom|leiratkozni|kérem töröljenek|le szeretnék iratkozni",
    "ro": "dezabonare|dezabonează-mă|dezabonează|dezabonați-mă|mă dezabonez",
    "bg": "отписване|отпишете ме|отпиши ме|отказ от абонамент",
    "ru": "отписаться|отписать|отписка|отпишите|отпишите меня|отписать меня|отказаться от рассылки|отказ от рассылки",
    "uk": "відписатися|відписатись|відпишіть мене|відписати|відмова від розсилки",
    "el": "απεγγραφή|διαγραφή από τη λίστα|κατάργηση εγγραφής|διαγράψτε με",
    "tr": "abonelikten çık|abonelikten çıkar|aboneliği iptal et|listeden çık|listeden çıkar|üyelikten çık|"
    "abonelik iptali",
    "he": "הסר|הסירו|הסר אותי|הסירו אותי|הסרה|הסרה מרשימת תפוצה|ביטול מנוי|להסרה",
    "ar": "إلغاء الاشتراك|الغاء الاشتراك|إلغاء اشتراكي",
    "fa": "لغو اشتراک",
    "ja": "配信停止|配信停止希望|配信停止してください|配信解除|購読解除|購読停止|登録解除|メール不要|メルマガ解除",
    "zh": "退订|取消订阅|取消訂閱|退訂|退訂電子報|不再订阅|取消关注邮件",
    "ko": "수신거부|수신 거부|구독취소|구독 취소|구독 해지|구독해지",
    "vi": "hủy đăng ký|huỷ đăng ký|hủy nhận tin|ngừng nhận email",
    "th": "ยกเลิกการสมัคร|ยกเลิกการรับข่าวสาร|ยกเลิกรับอีเมล",
    "id": "berhenti berlangganan|batal berlangganan|hentikan langganan|nyahlanggan",
    "et": "loobun uudiskirjast|eemalda mind|tühista tellimus",
    "lv": "atrakstīties|atteikties no jaunumiem",
    "lt": "atsisakyti prenumeratos|atsisakau|atsisakyti",
}
# An order where nothing else stands, neither in the other of subject and text: words with other uses.
_LOOSE = (
    "stop|stop please|please stop|remove|cancel|end|quit|leave|löschen|stopp|arrêt|arrêter|arrêtez|stop svp|baja|"
    "cancelar|borrar|remover|sair|parar|descadastro|cancella|basta|rimuovi|rimuovere|stoppen|verwijderen|sluta|"
    "poista|stop proszę|usuń|zrušit|törlés|стоп|удалить|удалите|видалити|解除|退会|停止|取消|해지|hủy|batal|berhenti"
)
# Said inside a longer text, it is at least a wish.
_WISHES = (
    "unsubscribe|opt out|opt-out|remove me|take me off|stop emailing|stop sending|stop e-mailing|do not contact me|"
    "don't contact me|no longer wish to receive|abmelden|abbestellen|austragen|aus dem verteiler|aus ihrem verteiler|"
    "keine weiteren mails|keine weiteren e-mails|désabonner|désinscrire|désabonnez|désinscrivez|ne plus recevoir|"
    "darme de baja|dar de baja|deme de baja|no deseo recibir|no quiero recibir|cancelar inscrição|descadastr|"
    "não desejo receber|não quero receber|disiscriv|non desidero ricevere|non voglio ricevere|uitschrijven|afmelden|"
    "avregistrera|avprenumerera|afmeld|frameld|avmeld|peruuta tilaus|wypisz|wypisać|odhlásit odběr|leiratkoz|dezabon|"
    "отписаться|отпишите|отписать|отказаться от рассылки|відписати|відпишіть|απεγγραφη|abonelikten|הסירו|הסר אותי|"
    "إلغاء الاشتراك|配信停止|購読解除|配信解除|退订|取消订阅|取消訂閱|退訂|수신거부|수신 거부|구독 취소|hủy đăng ký|"
    "berhenti berlangganan"
)


def _table(phrases: str) -> frozenset[str]:
    return frozenset(fold(each).strip(_AROUND) for each in phrases.split("|"))


_FIRM_ORDERS = frozenset[str]().union(*map(_table, _FIRM.values()))
_LOOSE_ORDERS = _table(_LOOSE)
_ORDERS = _FIRM_ORDERS | _LOOSE_ORDERS
_WISHED = tuple(fold(each) for each in _WISHES.split("|"))


def order_in(subject: str, own: OwnWords) -> str | None:
    """Return the order that the whole subject or the whole text is, folded, or None."""
    in_subject = _word(subject)
    if in_subject in _FIRM_ORDERS:
        return in_subject
    has_line = any(_word(line) in _ORDERS for line in own.seen.split("\n", _MAX_LINES)[:_MAX_LINES])
    in_text = _word(own.words) if has_line or in_subject in _LOOSE_ORDERS else None
    if in_text in _ORDERS:
        return in_text
    return in_subject if in_subject in _LOOSE_ORDERS and in_text == "" else None


def wish_in(subject: str, own: OwnWords) -> str | None:
    """Return the words inside a text that sound like the wish, or None."""
    seen, asked = fold(own.seen[:_MAX_TEXT]), fold(subject[:_MAX_ASKED])
    if not any(phrase in seen or phrase in asked for phrase in _WISHED):
        return None
    said = f"{asked} {fold(own.words[:_MAX_TEXT])}"
    return next((phrase for phrase in _WISHED if phrase in said), None)


def _word(text: str) -> str | None:
    """Return a text folded if it is short enough to be an order, "" if it is empty, else None."""
    trimmed = text.strip()
    if len(trimmed) > _MAX_ORDER:
        return None
    return fold(trimmed).strip(_AROUND)

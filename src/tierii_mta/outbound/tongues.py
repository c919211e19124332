r"""What replies and reports say in other languages than English: the words of large providers and of Exchange.

Owns the tables; English is in outbound.patterns.  The same text is seen: lower case, single spaces, addresses replaced
by <>.  In most rows a noun comes first and its fault within 60 characters; a row of one string stands as it is.  Every
repetition is bounded.  Pure.
"""

from collections.abc import Sequence

from tierii_mta.outbound.phrasing import TextPattern, phrases
from tierii_mta.outbound.reply_class import ReplyClass

Row = tuple[str, str] | str
"""A noun and its fault, or a phrase."""

_FULL: tuple[Row, ...] = (
    (r"\b(?:postfach|mailbox|konto)\b", r"\b(?:voll|überfüllt)\b"),
    r"speicher(?:volumen|platz|kontingent)|zu ?viele mails auf dem server",
    (r"\b(?:bo[iî]te|messagerie|bal)\b", r"\b(?:pleine?|saturée|remplie)\b"),
    (r"\b(?:buz[oó]n|bandeja|cuenta|casilla)\b", r"\b(?:llen[oa]|sin espacio)\b"),
    (r"\b(?:casella|cassetta|posta|account)\b", r"\bpien[oa]\b"),
    (r"\b(?:caixa|conta)\b", r"\b(?:chei[oa]|lotad[oa])\b"),
    r"quota dépassé|cuota (?:excedida|superada)|cota excedida|spazio esaurito",
    (r"\b(?:postvak|postbus|mailbox|brievenbus)\b", r"\bvol\b"),
    (r"\b(?:skrzynk|konto)\w{0,3}\b", r"\b(?:pełn[ay]|przepełnion)"),
    (r"ящик", r"переполнен|полон|заполнен"),
    r"превышен\w{0,2} (?:квот|лимит|размер ящик)|квот\w{1,2} (?:превышен|исчерпан)",
    (r"kutusu", r"\bdolu\b"),
    (r"schránk\w{1,3}", r"plná|přepln"),
    (r"(?:brevlåda|inkorg|postkasse|indbakke|innboks)\w{0,3}", r"\b(?:full|fuld|fullt)\b"),
    (r"メールボックス", r"いっぱい|満杯|容量|一杯"),
    r"容量(?:が|を|オーバ|超過|不足)",
    (r"邮箱|郵箱|信箱|收件人|收件者", r"已满|已滿|空间不足|空間不足|容量"),
    (r"메일함|편지함|사서함", r"가득|용량|초과"),
)
_LARGE: tuple[Row, ...] = (
    r"zu groß\b|trop (?:volumineux|gros|grand)|demasiado grande|troppo grande|muito grande|te groot|zbyt duż",
    r"слишком (?:большо|велик)|çok büyük|příliš velk|för stort?\b|サイズが(?:大き|制限|上限)|너무 큽",
    (r"邮件|郵件", r"过大|過大|太大"),
)
_LATE: tuple[Row, ...] = (
    (r"innerhalb", r"zeitlimit|frist"),
    (r"zeit(?:limit|raum)", r"überschritten|abgelaufen"),
    (r"délai", r"dépassé|expiré"),
    (r"tiempo|tempo", r"agotado|expirado|scaduto|esgotado"),
    r"истекло? время|время ожидания|süresi (?:doldu|aşıldı)|配信(?:期限|待ち時間)|超时|逾時",
)
_SPAM: tuple[Row, ...] = (
    r"als spam (?:eingestuft|erkannt|abgelehnt)|considéré comme (?:\w+ )?spam|aangemerkt als spam|za spam",
    r"(?:considerado|clasificado|classificado|considerato|classificato) (?:como |come )?spam",
    r"被(?:识别|判定|认定)为垃圾|迷惑メール|스팸|отклонен\w{0,2} как спам|похоже на спам",
)
_BARRED: tuple[Row, ...] = (
    r"(?:keine|nicht über die) berechtigung|no (?:tiene|dispone de) permiso|não tem permissão",
    (r"\b(?:pas|n'avez)\b", r"autoris|permission"),
    r"non dispo\w{1,5} dell.autorizzazione|niet gemachtigd|geen (?:machtiging|toestemming)|nie masz uprawnień",
    r"(?:нет|отсутствуют) (?:разрешени|прав)|izniniz yok|アクセス許可がありません|送信する(?:権限|許可)",
    r"受信拒否|没有(?:权限|许可)|沒有權限|권한이 없",
)
_NO_DOMAIN: tuple[Row, ...] = (
    (r"dom(?:äne|ain)(?:n?name)?\b", r"nicht gefunden|existiert nicht|unbekannt"),
    (r"domaine\b", r"n'existe|inconnu|introuvable"),
    (r"\bdom[ií]nio\b", r"(?:no|não) existe|non esiste|inesistente|inexistente|non? (?:encon|trova)"),
    (r"домен", r"не (?:найден|существует)"),
    (r"ドメイン", r"見つかり|存在し"),
    (r"域名", r"不存在|无法解析"),
)
_NOBODY: tuple[Row, ...] = (
    # German, French
    (
        r"(?:benutzer|empfänger|empfaenger|adressat|adresse|postfach|teilnehmer)\b",
        r"\b(?:unbekannt|existiert nicht|ungültig|nicht (?:gefunden|bekannt|vorhanden))",
    ),
    r"unbekannter? (?:benutzer|empfänger|adressat)|kein (?:solcher )?(?:benutzer|empfänger|postfach)",
    (
        r"\b(?:utilisateur|destinataire|adresse|compte|bo[iî]te)\b",
        r"\b(?:inconnue?|inexistante?|introuvable|n'existe pas|invalide)\b",
    ),
    # Spanish, Italian, Portuguese
    (
        r"\b(?:usuario|destinatario|direcci[oó]n|buz[oó]n|cuenta)\b",
        r"\b(?:desconocid[oa]|inexistente|no (?:existe|encontrad[oa]|es válid[oa])|inválid[oa])",
    ),
    (r"no se (?:ha )?(?:pud|pued|podido|encontr)", r"direcci[oó]n|usuario|destinatario|buz[oó]n"),
    (
        r"\b(?:utente|destinatario|destinat\.|indirizzo|casella)(?= )",
        r"\b(?:sconosciut[oa]|inesistente|errat[oa]|non (?:esiste|trovat[oa]|valid[oa]))",
    ),
    r"impossibile trovare l.(?:indirizzo|utente)",
    (
        r"\b(?:usu[aá]rio|destinat[aá]rio|endere[cç]o|conta)\b",
        r"\b(?:desconhecid[oa]|inexistente|n[aã]o (?:existe|encontrad[oa])|inválid[oa])",
    ),
    r"não foi possível (?:encontrar|localizar) o (?:endereço|usuário|destinatário)",
    # Dutch, Polish, Czech, Hungarian, Romanian
    (
        r"\b(?:gebruiker|geadresseerde|ontvanger|e-?mailadres|adres|postvak)\b",
        r"\b(?:onbekend|bestaat niet|ongeldig|niet gevonden)",
    ),
    r"onbekende (?:gebruiker|ontvanger|geadresseerde)",
    (
        r"\b(?:użytkownik|adres|adresat|odbiorca|konto|skrzynka)\b",
        r"nieznan[ya]|nie istnieje|nie (?:został )?znalezion",
    ),
    r"nie ma takiego|brak (?:takiego )?(?:użytkownika|konta|adresu)|nieznany (?:użytkownik|odbiorca|adresat)",
    (r"nie można odnaleźć", r"adresu|odbiorcy"),
    (r"\b(?:uživatel|adresa|příjemce|schránka)\b", r"neexistuje|nenalezen|neznám|nebyl"),
    r"neznámý (?:uživatel|příjemce)",
    (r"(?:felhasználó|címzett|postafiók)", r"ismeretlen|nem létezik|nem található"),
    (r"\b(?:utilizator|destinatar|adres)", r"necunoscut|inexistent|nu există|nu a fost găsit"),
    # Swedish, Danish, Norwegian, Finnish
    (
        r"\b(?:användare|mottagare|adresse|bruger|modtager|bruker|mottaker)",
        r"finns inte|okänd|kunde inte hittas|findes ikke|ukendt|finnes ikke|ukjent",
    ),
    (r"(?:käyttäjä|vastaanottaja|osoite)", r"tuntematon|ei löydy|ei ole olemassa"),
    # Russian, Ukrainian, Greek, Turkish
    (
        r"(?:пользовател|получател|адрес|ящик|аккаунт|користувач)",
        r"не (?:найден|существует|знайден|існує|зарегистрирован)|неизвест|отсутствует",
    ),
    (r"не удалось найти|неизвестн|несуществующ", r"адрес|получател|пользовател|ящик"),
    r"нет такого",
    (r"χρήστης|παραλήπτης|διεύθυνση", r"άγνωστ|δεν υπάρχει|δεν βρέθηκε"),
    (r"\b(?:kullanıcı|adres|alıcı|hesap)", r"\b(?:bulunamad|geçersiz|bilinmiyor|mevcut değil)"),
    # Japanese, Chinese, Korean
    (r"宛先|ユーザ|アドレス|受信者|メールボックス|ディレクトリ", r"見つか|存在し|不明|存在せ|間違|誤って"),
    r"存在しません|見つかりません",
    (
        r"用户|使用者|收件人|收件者|邮箱|郵箱|信箱|账号|帳號|地址",
        r"不存在|未找到|找不到|无效|無效|未知|未开通",
    ),
    (r"找不到|不存在的", r"地址|用户|使用者|收件人|收件者|信箱"),
    r"查无此人|无此用户|無此(?:用戶|使用者|帳號)",
    (r"사용자|수신자|주소|계정", r"존재하지|없습니다|찾을 수|알 수 없"),
    r"존재하지 않는|없는 (?:사용자|계정|주소)",
)


def _spelled(reply_class: ReplyClass, rows: Sequence[Row], only: int | None = None) -> TextPattern:
    apart = (row if isinstance(row, str) else rf"(?:{row[0]}).{{0,60}}(?:{row[1]})" for row in rows)
    return phrases(reply_class, "\n".join(apart), only)


TONGUES: tuple[TextPattern, ...] = (
    _spelled(ReplyClass.QUOTA_ISSUES, _FULL),
    _spelled(ReplyClass.CONTENT_RELATED, _LARGE),
    _spelled(ReplyClass.MESSAGE_EXPIRED, _LATE),
    _spelled(ReplyClass.SPAM_CONTENT, _SPAM),
    _spelled(ReplyClass.POLICY_RELATED, _BARRED),
    _spelled(ReplyClass.BAD_DOMAIN, _NO_DOMAIN, only=5),
    _spelled(ReplyClass.INVALID_RECIPIENT, _NOBODY, only=5),
)

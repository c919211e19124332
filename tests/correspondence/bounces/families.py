"""Reports of further servers and of Exchange in other languages, made up here after how each is built.

Owns the texts and what each means; more are in samples.
"""

from collections.abc import Mapping

from tests.correspondence.bounces.samples import ANN, Sample

_ADMINISTRATORS = (
    "\n{title}\n\n{server}: mail.example.com\n\nann@example.com\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n"
)


def _exchange(opening: str, reason: str, title: str, server: str, subject: str) -> Sample:
    told = _ADMINISTRATORS.format(title=title, server=server)
    return Sample(
        text=f"{opening}\n\nann@example.com<mailto:ann@example.com>\n{reason}\n{told}",
        means="InvalidRecipient",
        is_hard=True,
        sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>",
        subject=subject,
        fields="Return-Path: <>\n",
    )


FAMILIES: Mapping[str, Sample] = {
    "Exchange in German": _exchange(
        "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:",
        "Die eingegebene E-Mail-Adresse konnte nicht gefunden werden.",
        "Diagnoseinformationen für Administratoren:",
        "Generierender Server",
        "Unzustellbar: News",
    ),
    "Exchange in French": _exchange(
        "Échec de la remise à ces destinataires ou groupes :",
        "L'adresse de messagerie que vous avez entrée est introuvable.",
        "Informations de diagnostic pour les administrateurs :",
        "Serveur de génération ",
        "Non remis : News",
    ),
    "Exchange in Spanish": _exchange(
        "Error al entregar el mensaje a estos destinatarios o grupos:",
        "No se pudo encontrar la dirección de correo electrónico especificada.",
        "Información de diagnóstico para los administradores:",
        "Generando servidor",
        "No se puede entregar: News",
    ),
    "Exchange in Italian": _exchange(
        "Recapito non riuscito per i seguenti destinatari o gruppi:",
        "Impossibile trovare l'indirizzo di posta elettronica immesso.",
        "Informazioni di diagnostica per gli amministratori:",
        "Server di generazione",
        "Non recapitabile: News",
    ),
    "Exchange in Portuguese": _exchange(
        "Falha na entrega a estes destinatários ou grupos:",
        "Não foi possível encontrar o endereço de email inserido.",
        "Informações de diagnóstico para administradores:",
        "Servidor de geração",
        "Não entregue: News",
    ),
    "Exchange in Dutch": _exchange(
        "Bezorging aan deze geadresseerden of groepen is mislukt:",
        "Het opgegeven e-mailadres is niet gevonden.",
        "Diagnostische gegevens voor beheerders:",
        "Server die de fout heeft gegenereerd",
        "Onbestelbaar: News",
    ),
    "Exchange in Polish": _exchange(
        "Dostarczenie do następujących adresatów lub grup nie powiodło się:",
        "Nie można odnaleźć wprowadzonego adresu e-mail.",
        "Informacje diagnostyczne dla administratorów:",
        "Serwer generujący",
        "Niedostarczone: News",
    ),
    "Exchange in Russian": _exchange(
        "Не удалось выполнить доставку следующим получателям или группам:",
        "Не удалось найти указанный адрес электронной почты.",
        "Диагностические сведения для администраторов:",
        "Формирующий сервер",
        "Недоставлено: News",
    ),
    "Exchange in Turkish": _exchange(
        "Bu alıcılara veya gruplara teslim başarısız oldu:",
        "Girdiğiniz e-posta adresi bulunamadı.",
        "Yöneticiler için tanılama bilgileri:",
        "Oluşturan sunucu",
        "Teslim edilemedi: News",
    ),
    "Exchange in Japanese": _exchange(
        "次の受信者またはグループへのメッセージの配信に失敗しました:",
        "入力した電子メール アドレスが見つかりませんでした。",
        "管理者向けの診断情報:",
        "生成サーバー",
        "配信不能: News",
    ),
    "Exchange in Chinese": _exchange(
        "向以下收件人或组传递邮件时失败:",
        "找不到您输入的电子邮件地址。",
        "管理员诊断信息:",
        "正在生成服务器",
        "未传递: News",
    ),
    "Domino in German": Sample(
        text="Ihre Nachricht\n\n  Betreff: News\n\nwurde nicht zugestellt an:\n\n  ann@example.com\n\nda:\n\n  User ann (ann@example.com) not listed in Domino Directory\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Postmaster@example.com",
        subject="ZUSTELLUNGSFEHLER: User ann (ann@example.com) not listed",
    ),
    "GMX in two languages": Sample(
        text="Diese Nachricht wurde automatisch von einer Mailserver-Software erzeugt.\n\nEine von Ihnen verschickte Nachricht konnte an einen oder mehrere Empfänger\nnicht zugestellt werden. Dies ist ein permanenter Fehler. Die folgende(n)\nAdresse(n) konnte(n) nicht erreicht werden:\n\nann@example.com\n    SMTP error from remote mail server after RCPT TO:<ann@example.com>:\n    host mx.example.com [192.0.2.1]: 550 Unknown user\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Mail delivery failed: returning message to sender",
    ),
    "Mail.ru": Sample(
        text="Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n**********************\n\nann@example.com\nSMTP error from remote mail server after RCPT TO:<ann@example.com>:\nhost mx.example.com [192.0.2.1]: 550 5.7.1 No such user!\n\n**********************\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="mailer-daemon@corp.mail.example",
        subject="Mail failure.",
    ),
    "Yandex": Sample(
        text="Это письмо отправлено почтовым сервером yandex.ru.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может быть\nотправлено одному или нескольким адресатам.\n\n<ann@example.com>: host mx.example.com[192.0.2.1] said: 550 5.1.1\n    <ann@example.com>: User unknown (in reply to RCPT TO command)\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="mailer-daemon@yandex.example",
        subject="Недоставленное сообщение",
    ),
    "QQ": Sample(
        text="抱歉，您的邮件被退回来了……\n\n原邮件信息：\n收件人：ann@example.com\n\n退信原因：\nhost mx.example.com[192.0.2.1] said: 550 Mailbox not found (in reply to RCPT TO command)\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="PostMaster@qq.example",
        subject="来自qq.example的退信",
    ),
    "163": Sample(
        text="抱歉，您的邮件被退回来了……\n\n无法发送到 ann@example.com\n退信原因：收件人邮件地址(ann@example.com)不存在，邮件无法送达。\nSMTP error, RCPT TO: 550 User not found: ann@example.com\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Postmaster@163.example",
        subject="系统退信",
    ),
    "CommuniGate": Sample(
        text="Failed to deliver to 'ann@example.com'\nSMTP module(domain example.com) reports:\n host mx.example.com says:\n 550 5.1.1 unknown user account\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Undeliverable mail",
    ),
    "CommuniGate, of its own": Sample(
        text="Failed to deliver to '<ann@example.com>'\nLOCAL module(account ann) reports:\n mail folder is full\n",
        means="QuotaIssues",
        subject="Undeliverable mail",
    ),
    "SmarterMail": Sample(
        text="Could not deliver message to the following recipient(s):\n\nFailed Recipient: ann@example.com\nReason: Remote host said: 550 5.1.1 No such user here\n\n   -- The header and top 20 lines of the message follows --\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="System Administrator <postmaster@example.net>",
        subject="Delivery Failure",
    ),
    "Haraka": Sample(
        text="This is the mail delivery agent at mx.example.net.\n\nI was not able to deliver your message to the following address(es).\n\nIntended Recipients: <ann@example.com>\n   Failure Reason: 550 5.1.1 <ann@example.com> no such user\n\nOriginal Message Follows.\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Email Delivery Failure (1)",
    ),
    "IceWarp": Sample(
        text="The following message could not be delivered to the following recipients:\n\n<ann@example.com>\n   Error: 550 5.1.1 <ann@example.com> User unknown; rejecting\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Delivery failure (ann@example.com)",
    ),
    "Kerio": Sample(
        text="Your message could not be delivered to these recipients:\n\n<ann@example.com>:\n    550 5.1.1 User unknown\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Undeliverable: News",
    ),
    "Amazon SES, the text": Sample(
        text="An error occurred while trying to deliver the mail to the following recipients:\nann@example.com\nben@example.org\n",
        means="Uncategorized",
        recipients=(ANN, "ben@example.org"),
        subject="Delivery Status Notification (Failure)",
    ),
    "GoDaddy": Sample(
        text="Sorry, unable to deliver your message to ann@example.com for the following reason:\n\n550 5.1.1 <ann@example.com> Recipient not found.\n\nA copy of the original message below this line:\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Undeliverable: News",
    ),
    "Mimecast": Sample(
        text="The message you sent to ann@example.com was not delivered.\n\nReason: 550 5.1.1 Invalid Recipient\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="postmaster@example.com",
        subject="[Postmaster] Email Delivery Failure",
    ),
    "FortiMail": Sample(
        text="   ----- The following addresses had permanent fatal errors -----\n<ann@example.com>\n\n   ----- Transcript of session follows -----\n... while talking to mx.example.com.:\n>>> RCPT To:<ann@example.com>\n<<< 550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown\n550 5.1.1 <ann@example.com>... User unknown\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Returned mail: see transcript for details",
    ),
    "Postfix, behind another": Sample(
        text="This is the mail system at host mx.example.net.\n\n<ann@example.com>: host relay.example.com[192.0.2.1] said: 554 5.0.0\n    Service unavailable: host mail.example.com said: 550 5.1.1 no such\n    mailbox (in reply to RCPT TO command)\n",
        means="InvalidRecipient",
        is_hard=True,
    ),
    "Gmail in German": Sample(
        text="** Adresse nicht gefunden **\n\nIhre Nachricht wurde nicht an ann@example.com zugestellt, weil die Adresse nicht gefunden wurde oder keine E-Mails empfangen kann.\n\nDie Antwort war:\n\n550 5.1.1 The email account that you tried to reach does not exist.\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
    ),
    "X.400": Sample(
        text="The following message could not be delivered to one recipient.\n\nThis report relates to your message: News\n\nYour message was not delivered to   ann@example.com\nfor the following reason:\n        Recipient's Mailbox unavailable\n        MTA 'mx.example.com' gives error message <ann@example.com> (USER) Unknown user name in \"ann@example.com\"\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="postmaster@mx.example.net",
        subject="Delivery Report (failure) for ann@example.com",
    ),
}  # fmt: skip

"""Reports without status fields, as the programs that write them are built: one for each form, with our own names.

Owns the texts and what each means; the returned message follows each (`RETURNED`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

ANN = "ann@example.com"
RETURNED = """\
Return-Path: <news@sender.example>
Received: from a.example by b.example; Sat, 21 Nov 2026 17:00:00 +0000
Message-ID: <1@sender.example>
From: news@sender.example
To: ann@example.com
Subject: News
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One report: who writes it, its text, and what it means."""

    text: str
    means: str  # class
    is_hard: bool = False
    action: str = "failed"
    recipients: tuple[str, ...] = (ANN,)
    sender: str = "MAILER-DAEMON@mx.example.net"
    subject: str = "failure notice"
    fields: str = ""


SAMPLES: Mapping[str, Sample] = {
    "qmail, no such user": Sample(
        text="""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ann@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.
""",
        means="InvalidRecipient",
        is_hard=True,
    ),
    "qmail, the remote host refused": Sample(
        text="""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ann@example.com>:
192.0.2.1 does not like recipient.
Remote host said: 550 unknown user
Giving up on 192.0.2.1.

<ben@example.org>:
192.0.2.2 failed after I sent the message.
Remote host said: 550 unknown user

--- Below this line is a copy of the message.
""",
        means="InvalidRecipient",
        is_hard=True,
        recipients=(ANN, "ben@example.org"),
    ),
    "qmail, no such host": Sample(
        text="""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ann@example.com>:
Sorry, I couldn't find any host named example.com. (#5.1.2)

--- Below this line is a copy of the message.
""",
        means="BadDomain",
        is_hard=True,
    ),
    "qmail, too long in the queue": Sample(
        text="""\
Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ann@example.com>:
Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)
I'm not going to try again; this message has been in the queue too long.
""",
        means="MessageExpired",
    ),
    "Exim, after RCPT": Sample(
        text="""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@example.com
    host mx.example.com [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ann@example.com>:
    550 No such user

------ This is a copy of the message, including all the headers. ------
""",
        means="InvalidRecipient",
        is_hard=True,
        fields="X-Failed-Recipients: ann@example.com\n",
        subject="Mail delivery failed: returning message to sender",
    ),
    "Exim, after the data": Sample(
        text="""\
The following address(es) failed:

  ann@example.com
    SMTP error from remote mail server after end of data:
    host mx.example.com [192.0.2.1]: 550 User unknown

------ This is a copy of the message, including all the headers. ------
""",
        means="PolicyRelated",
        fields="X-Failed-Recipients: ann@example.com\n",
    ),
    "Exim, its own routing": Sample(
        text="The following address(es) failed:\n\n  ann@example.com\n    Unrouteable address\n",
        means="InvalidRecipient",
        is_hard=True,
        fields="X-Failed-Recipients: ann@example.com\n",
    ),
    "Exim, behind an alias": Sample(
        text="The following address(es) failed:\n\n  a@inside.example.com\n    (generated from ann@example.com)\n    mailbox is full\n",
        means="QuotaIssues",
    ),
    "Exim, late": Sample(
        text="""\
A message that you sent has not yet been delivered to all its recipients
after more than 24 hours on the queue.

The address to which the message has not yet been delivered is:

  ann@example.com
    Delay reason: connection refused

No action is required on your part. Delivery attempts will continue for some time.
""",
        means="NoAnswerFromHost",
        action="delayed",
        subject="Warning: message 1 delayed 24 hours",
    ),
    "Postfix": Sample(
        text="""\
This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

                   The mail system

<ann@example.com>: host mx.example.com[192.0.2.1] said: 550 5.2.1
    <ann@example.com>... User unknown (in reply to RCPT TO command)
""",
        means="InvalidRecipient",
        is_hard=True,
        subject="Undelivered Mail Returned to Sender",
    ),
    "Postfix, a domain without hosts": Sample(
        text="This is the mail system at host mx.example.net.\n\n<ann@example.com>: Host or domain name not found. Name service error\n    for name=example.com type=A: Host not found\n",
        means="BadDomain",
        is_hard=True,
    ),
    "sendmail 8": Sample(
        text="""\
The original message was received at Sat, 21 Nov 2026 17:00:00 GMT

   ----- The following addresses had permanent fatal errors -----
<ann@example.com>
    (reason: 553 5.3.5 system config error)

   ----- Transcript of session follows -----
553 5.3.5 system config error
""",
        means="BadConfiguration",
        subject="Returned mail: see transcript for details",
    ),
    "sendmail 5": Sample(
        text="""\
   ----- Transcript of session follows -----
While talking to mx.example.com:
>>> RCPT To:<ann@example.com>
<<< 550 Mailbox not found. No such user here.
550 <ann@example.com>... User unknown
554 <ben@example.org>... 550 Host unknown (Authoritative answer from name server)

   ----- Unsent message follows -----
""",
        means="InvalidRecipient",
        is_hard=True,
        recipients=(ANN, "ben@example.org"),
        subject="Returned mail: User unknown",
    ),
    "Exchange 5.5 and 2003": Sample(
        text="""\
Your message

  To:      ann@example.com
  Subject: News
  Sent:    Sat, 21 Nov 2026 17:00:00 +0000

did not reach the following recipient(s):

ann@example.com on Sat, 21 Nov 2026 17:00:01 +0000
    The recipient name is not recognized
	MSEXCH:IMS:X:Y:Z 0 (000C05A6) Unknown Recipient
""",
        means="InvalidRecipient",
        is_hard=True,
        sender="System Administrator <postmaster@example.com>",
        subject="Undeliverable: News",
    ),
    "Exchange over X.400": Sample(
        text="did not reach the following recipient(s):\n\nc=US;a= ;p=Corp;o=Site;dda:SMTP=ann@example.com; on Sat, 21 Nov 2026 17:00:01 +0000\n    The recipient name is not recognized\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="System Administrator <postmaster@example.com>",
    ),
    "Exchange 2007 and later": Sample(
        text="""\
Delivery has failed to these recipients or groups:

ann@example.com<mailto:ann@example.com>
The e-mail address you entered couldn't be found.

Diagnostic information for administrators:

Generating server: example.com

ann@example.com
#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##

Original message headers:
""",
        means="InvalidRecipient",
        is_hard=True,
        sender="postmaster@example.com",
        subject="Undeliverable: News",
    ),
    "Notes": Sample(
        text="------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nann@example.com\n\n------- Returned Message --------\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="postmaster@example.com",
        subject="Undeliverable message",
    ),
    "Domino": Sample(
        text="Your message\n\n  Subject: News\n\nwas not delivered to:\n\n  ann@example.com\n\nbecause:\n\n  User Ann (ann@example.com) not listed in Domino Directory\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Postmaster@example.com",
        subject="DELIVERY FAILURE: User Ann (ann@example.com) not listed",
    ),
    "GroupWise, without a domain": Sample(
        text="The message that you sent was undeliverable to the following:\n\tann (user not found)\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Mailer-Daemon@example.com",
        subject="Message status - undeliverable",
    ),
    "Gmail": Sample(
        text="""\
Delivery to the following recipient failed permanently:

     ann@example.com

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient domain.

The error that the other server returned was:
550 5.1.1 <ann@example.com>: User unknown

----- Original message -----
""",
        means="InvalidRecipient",
        is_hard=True,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
    ),
    "Google Groups": Sample(
        text="Bonjour,\n\nIl se peut que le groupe n'existe pas ou que vous ne soyez pas autorisé.\n\nhttps://groups.google.com/support/\n",
        means="PolicyRelated",
        fields="X-Failed-Recipients: ann@example.com\n",
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
    ),
    "Yahoo": Sample(
        text="Sorry, we were unable to deliver your message to the following address.\n\n<ann@example.com>:\nRemote host said:\n552 5.2.2 Mailbox full\n[RCPT_TO]\n\n--- Below this line is a copy of the message.\n",
        means="QuotaIssues",
        subject="Failure Notice",
    ),
    "Yahoo, no account": Sample(
        text="Message from yahoo.com.\nUnable to deliver message to the following address(es).\n\n<ann@example.com>:\nThis user doesn't have a yahoo.com account (ann@example.com) [0]\n\n--- Original message follows.\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Delivery failure",
    ),
    "AOL, blocked by the person": Sample(
        text="Your mail to the following recipients could not be delivered because they are not accepting mail from news@sender.example:\n\tann\n",
        means="PolicyRelated",
        sender="Mail Delivery Subsystem <MAILER-DAEMON@example.com>",
        subject="Mail Delivery Problem",
    ),
    "Verizon": Sample(
        text="Error: Invalid user address\n\nError message below:\n550 - Requested action not taken: no such user here\n\nMessage details:\n  MAIL FROM: news@sender.example\n  RCPT TO: ann@example.com\n",
        means="InvalidRecipient",
        sender="post_master@example.com",
        subject="Re: News",
    ),
    "1&1 and GMX": Sample(
        text='This message was created automatically by mail delivery software.\n\nThe following address(es)\nfailed:\n\n"ann@example.com":\nSMTP error from remote server after RCPT command:\nhost: mx.example.com\n5.1.1 User unknown\n\n--- The header of the original message is following. ---\n',
        means="InvalidRecipient",
        is_hard=True,
        subject="Mail delivery failed: returning message to sender",
    ),
    "OpenSMTPD": Sample(
        text="    Hi!\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\nann@example.com: 552 5.2.2 Mailbox full\nben@example.org: Domain does not exist\n\n    Below is a copy of the original message:\n",
        means="QuotaIssues",
        recipients=(ANN, "ben@example.org"),
        subject="Delivery status notification: error",
    ),
    "DragonFly Mail Agent": Sample(
        text="This is the DragonFly Mail Agent v0.13 at mx.example.net.\n\nThere was an error delivering your mail to <ann@example.com>.\n\nmx.example.com [192.0.2.1] did not like our RCPT TO:\n550 5.1.1 User unknown\n\nMessage headers follow.\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="MAILER-DAEMON <>",
        subject="Mail delivery failed",
    ),
    "DragonFly, out of time": Sample(
        text="There was an error delivering your mail to <ann@example.com>.\n\nCould not deliver for the last 432000 seconds. Giving up.\n\nMessage headers follow.\n",
        means="MessageExpired",
        sender="MAILER-DAEMON <>",
    ),
    "Courier": Sample(
        text="UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<ann@example.com>:\n    mx.example.com [192.0.2.1]:\n>>> RCPT TO:<ann@example.com>\n<<< 550 User unknown\n\n---------\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="\"Courier mail server at mx.example.net\" <@>",
        subject="NOTICE: mail delivery status.",
    ),
    "IMail": Sample(
        text="Unknown user: ann@example.com\n\nRCPT TO generated following response:\n553 5.3.0 Addressee unknown\n\nOriginal message follows.\n",
        means="InvalidRecipient",
        is_hard=True,
        sender='"Postmaster" <postmaster@mx.example.net>',
        subject="Undeliverable Mail",
    ),
    "IMail, tried in vain": Sample(
        text="Delivery failed 20 attempts: ann@example.com\n\nOriginal message follows.\n",
        means="MessageExpired",
        sender='"Postmaster" <postmaster@mx.example.net>',
        subject="Undeliverable Mail",
    ),
    "KDDI": Sample(
        text="Your mail sent on: Sat, 21 Nov 2026 17:00:00 +0900\n     Could not be delivered to: <ann@example.com>\n     As their mailbox is full.\n",
        means="QuotaIssues",
        sender="no-reply@mx.example.net",
        subject="Mail",
        fields="Return-Path: <>\n",
    ),
    "EZweb": Sample(
        text="次のあて先へのメッセージはエラーのため送信できませんでした。\n\nEach of the following recipients was rejected by a remote\nmail server.\n\n    Recipient: <ann@example.com>\n    >>> RCPT TO:<ann@example.com>\n    <<< 550 <ann@example.com>: User unknown\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="Postmaster@example.com",
        subject="Mail System Error - Returned Mail",
    ),
    "Zoho": Sample(
        text="This message was created automatically by mail delivery software.\nA message that you sent could not be delivered to one or more of its recipients. This is a permanent error.\n\nann@example.com Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 User unknown\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="mailer-daemon@mail.example.net",
        subject="Undelivered Mail Returned to Sender",
    ),
    "McAfee": Sample(
        text="    --- The following addresses had delivery problems ---\n\n<ann@example.com>   (5.1.1 <ann@example.com>... User unknown)\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Delivery Status",
    ),
    "MailMarshal": Sample(
        text="Your message:\n   From:    news@sender.example\n   Subject: News\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected:\n    ann@example.com\n\n",
        means="InvalidRecipient",
        is_hard=True,
        subject='Undeliverable Mail: "News"',
    ),
    "InterScan": Sample(
        text="****** Message from InterScan Messaging Security Suite ******\n\nSent <<< RCPT TO:<ann@example.com>\nReceived >>> 550 unknown user.\n\nUnable to deliver message to <ann@example.com>.\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="imss@example.net",
        subject="Mail could not be delivered",
    ),
    "SurfControl": Sample(
        text="Your message could not be sent.\nThe number of attempts made: 1\nAddressed To: ann@example.com\n\nFailed to send to identified host,\nann@example.com: [192.0.2.1], 550 5.1.1 No such user\n\n--- Message non-deliverable.\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="postmaster@mx.example.net",
        subject="Message: Delivery has failed",
    ),
    "MailFoundry": Sample(
        text="Unable to deliver message to: <ann@example.com>\nDelivery failed for the following reason:\nServer mx.example.com[192.0.2.1] failed with: 550 5.1.1 No such user here\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="MAILER-DAEMON@mx.example.net",
        subject="Message delivery has failed",
    ),
    "MDaemon": Sample(
        text="YOUR MESSAGE WAS NOT DELIVERED!\n\nThe following addresses did NOT receive a copy of your message:\n\n> ann@example.com\n\n--- Session Transcript ---\n RCPT To:<ann@example.com>\n 550 5.1.1 unknown user\n--- End Transcript ---\n",
        means="InvalidRecipient",
        is_hard=True,
        sender="MDaemon@mx.example.net",
        subject="Permanent Delivery Failure",
    ),
    "hMailServer": Sample(
        text="Your message did not reach some or all of the intended recipients.\n\nThe following recipient(s) could not be reached:\n\nann@example.com\n   Error Type: SMTP\n   Remote server (192.0.2.1) issued an error.\n   hMailServer sent: RCPT TO:<ann@example.com>\n   Remote server replied: 550 unknown user\n",
        means="InvalidRecipient",
        is_hard=True,
        subject="Message undeliverable: News",
    ),
    "MailEnable": Sample(
        text="MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n\tRecipient: [SMTP:ann@example.com]\n\tReason: Remote SMTP Server Returned: 552 mailbox full\n\nMessage headers follow:\n",
        means="QuotaIssues",
        sender='"Delivery Subsystem" <POSTMASTER@mx.example.net>',
        subject="Message Delivery Failure",
    ),
    "LISTSERV": Sample(
        text="--> Error description:\nError-for:  ann@example.com\nError-Code: 0\nError-Text: Mailer mx.example.com said:\n            \"554 Message looping (received 6 times)\"\nError-End:  One error reported.\n",
        means="RoutingErrors",
        sender="LISTSERV@mx.example.net",
        subject="Undelivered mail",
    ),
    "status fields in the text": Sample(
        text="This is a MIME-encapsulated message\n\n--X\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\nFinal-Recipient: RFC822; ann@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: SMTP; 550 User unknown\n\n",
        means="InvalidRecipient",
        is_hard=True,
    ),
    "Amazon SES by mail": Sample(
        text='{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"ann@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{}}\n',
        means="InvalidRecipient",
        is_hard=True,
        sender="AWS Notifications <no-reply@sns.amazonaws.com>",
        subject="AWS Notification Message",
    ),
    "fml": Sample(
        text="Duplicated Message-ID in <ann@example.com>.\n\nOriginal mail as follows:\n",
        means="RoutingErrors",
        sender="list-admin@example.com",
        subject="Loop Alert: Duplicated Message-ID (list ML)",
    ),
    "no format, in French": Sample(
        text="L'adresse de messagerie ann@example.com n'existe pas.\n",
        means="InvalidRecipient",
        sender="postmaster@example.com",
        subject="Non remis : News",
    ),
    "no format, and nobody named": Sample(
        text="The mail that you sent could not be delivered: quota exceeded.\n",
        means="QuotaIssues",
        sender="postmaster@example.com",
        subject="Undeliverable: News",
    ),
}  # fmt: skip

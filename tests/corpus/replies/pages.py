"""Replies in HTML by client: written by hand in the structure that each client is known to write.

Owns the pages; their new words are NEW, what they quote says QUOTED.  People and addresses are invented.
"""

from collections.abc import Mapping

NEW = "Yes, I will. At noon."

_OUTLOOK_BLOCK = (
    "<b>From:</b> Ann Bell &lt;ann@shop.example&gt;<br><b>Sent:</b> Wednesday, January 1, 2025 12:00 PM<br>"
    "<b>To:</b> Me &lt;me@example.org&gt;<br><b>Subject:</b> News"
)

PAGES: Mapping[str, str] = {
    "gmail": (
        '<div dir="ltr">Yes, I will.<div>At noon.</div></div><br><div class="gmail_quote gmail_quote_container">'
        '<div dir="ltr" class="gmail_attr">On Wed, Jan 1, 2025 at 12:00 PM Ann Bell &lt;<a href="mailto:ann@shop.example">'
        'ann@shop.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;'
        'border-left:1px solid rgb(204,204,204);padding-left:1ex"><div>Hello, QUOTED <p>more</p></div></blockquote></div>'
    ),
    "gmail-unknown-language": (
        '<div dir="ltr">Yes, I will.<div>At noon.</div></div><br><div class="gmail_quote">'
        '<div dir="ltr" class="gmail_attr">Zzz qqq xxxx Ann Bell yyyy<br></div><blockquote class="gmail_quote">QUOTED'
        "</blockquote></div>"
    ),
    "gmail-old": (
        'Yes, I will.<br>At noon.<br><br><div class="gmail_extra"><br><div class="gmail_quote">On Wed, Jan 1, 2014 at '
        '12:00 PM, Ann Bell <span dir="ltr">&lt;<a href="mailto:ann@shop.example">ann@shop.example</a>&gt;</span> wrote:'
        '<br><blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex">QUOTED'
        "</blockquote></div><br></div>"
    ),
    "gmail-signature": (
        '<div dir="ltr">Yes, I will. At noon.<br clear="all"><div><br></div>-- <br><div dir="ltr" class="gmail_signature" '
        'data-smartmail="gmail_signature">Me Myself<br>Somewhere</div></div><br><div class="gmail_quote"><div class='
        '"gmail_attr">Am Mi., 1. Jan. 2025 um 12:00 Uhr schrieb Ann Bell:<br></div><blockquote class="gmail_quote">'
        "QUOTED</blockquote></div>"
    ),
    "gmail-forward": (
        '<div dir="ltr">Yes, I will. At noon.<br><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- '
        "Forwarded message ---------<br>From: <b>Ann Bell</b> &lt;ann@shop.example&gt;<br>Date: Wed<br>Subject: News<br>"
        "To: me<br></div><br><br><div>QUOTED</div></div></div>"
    ),
    "apple": (
        '<html><body style="word-wrap: break-word;">Yes, I will.<div>At noon.<br id="lineBreakAtBeginningOfMessage"><div>'
        '<br><blockquote type="cite"><div>On 1 Jan 2025, at 12:00, Ann Bell &lt;ann@shop.example&gt; wrote:</div><br class='
        '"Apple-interchange-newline"><div>QUOTED</div></blockquote></div><br></div></body></html>'
    ),
    "iphone": (
        '<html><body dir="auto">Yes, I will.<div>At noon.<br><br><div dir="ltr" id="AppleMailSignature">Von meinem iPhone '
        'gesendet</div><div dir="ltr"><br><blockquote type="cite">Am 01.01.2025 um 12:00 schrieb Ann Bell '
        '&lt;ann@shop.example&gt;:<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">QUOTED</div>'
        "</blockquote></div></body></html>"
    ),
    "thunderbird": (
        '<html><body><p>Yes, I will.</p><p>At noon.<br></p><div class="moz-signature">-- <br>Me</div><div class='
        '"moz-cite-prefix">Am 01.01.25 um 12:00 schrieb Ann Bell:<br></div><blockquote type="cite" cite="mid:1@shop.example">'
        "<p>QUOTED</p></blockquote></body></html>"
    ),
    "outlook-web": (
        '<html><body dir="ltr"><div class="elementToProof">Yes, I will.</div><div class="elementToProof">At noon.</div>'
        '<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" '
        f'dir="ltr"><font face="Calibri">{_OUTLOOK_BLOCK}</font><div>&nbsp;</div></div><div>QUOTED</div></body></html>'
    ),
    "outlook-mobile": (
        '<html><body><div dir="auto">Yes, I will.<br>At noon.</div><div id="ms-outlook-mobile-signature" dir="auto"><div>'
        'Get <a href="https://aka.ms.example/x">Outlook for Android</a></div></div><hr style="display:inline-block">'
        f'<div id="divRplyFwdMsg" dir="ltr">{_OUTLOOK_BLOCK}</div><div>QUOTED</div></body></html>'
    ),
    "outlook-mobile-new": (
        '<html><body><div style="font-size:12pt">Yes, I will. At noon.</div><div id="mail-editor-reference-message-container">'
        f'<div id="divRplyFwdMsg">{_OUTLOOK_BLOCK}</div>QUOTED</div></body></html>'
    ),
    "outlook-desktop": (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style><!-- p.MsoNormal {margin:0} --></style></head>'
        "<body lang=EN-GB><div class=WordSection1><p class=MsoNormal>Yes, I will.<o:p></o:p></p><p class=MsoNormal>At noon."
        "<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><div style='border:none;border-top:solid #E1E1E1 1.0pt;"
        f"padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal>{_OUTLOOK_BLOCK}<o:p></o:p></p></div><p class=MsoNormal>QUOTED</p>"
        "</div></body></html>"
    ),
    "outlook-desktop-unknown-language": (
        "<div class=WordSection1><p class=MsoNormal>Yes, I will.</p><p class=MsoNormal>At noon.</p><div style='border:none;"
        "border-top:solid #B5C4DF 1.0pt'><p class=MsoNormal><b>Frá zz:</b> Ann Bell &lt;ann@shop.example&gt;<br><b>Xent:</b> "
        "1. janúar 2025 12:00<br><b>Vtil:</b> Me<br><b>Vefni:</b> News</p></div><p class=MsoNormal>QUOTED</p></div>"
    ),
    "outlook-2003": (
        "<html><body><p>Yes, I will.</p><p>At noon.</p><div><div class=MsoNormal align=center><hr size=2 width=100% "
        f"align=center tabindex=-1></div><p class=MsoNormal><font face=Tahoma size=2>{_OUTLOOK_BLOCK}</font></p></div>"
        "<p>QUOTED</p></body></html>"
    ),
    "windows-mail": (
        '<html><body><div data-externalstyle="false"><div>Yes, I will.</div><div>At noon.</div><div style="padding-top: 5px;'
        ' border-top-color: rgb(229, 229, 229); border-top-width: 1px; border-top-style: solid;"><div><b>From:</b>&nbsp;'
        "Ann Bell</div><div><b>Sent:</b>&nbsp;Wednesday, 1 January 2025 12:00</div><div><b>To:</b>&nbsp;Me</div></div>"
        "<div><br></div><div>QUOTED</div></div></body></html>"
    ),
    "mail.ru": (
        "<HTML><BODY><p>Yes, I will.<br>At noon.<br><br>Среда, 1 января 2025, 12:00 +03:00 от Ann Bell "
        '&lt;ann@shop.example&gt;:<br></p><blockquote style="border-left:1px solid #0857A6;margin:10px;padding:0 0 0 10px;">'
        '<div id="">QUOTED</div></blockquote></BODY></HTML>'
    ),
    "yandex": (
        '<div>Yes, I will.</div><div>At noon.</div><div> </div><div>01.01.2025, 12:00, "Ann Bell" &lt;ann@shop.example&gt;:'
        '</div><blockquote type="cite"><div>QUOTED</div></blockquote>'
    ),
    "yahoo": (
        '<div class="ydp1 yahoo-style-wrap"><div>Yes, I will.</div><div>At noon.</div><div class="ydp1signature">Me</div>'
        '</div><div id="ydp2yahoo_quoted_1" class="ydp2yahoo_quoted"><div><div>On Wednesday, January 1, 2025 at 12:00:00 PM '
        "GMT+1, Ann Bell wrote:</div><div>QUOTED</div></div></div>"
    ).replace('<div class="ydp1signature">Me</div>', ""),
    "yahoo-android": (
        'Yes, I will.<br>At noon.<br><br><div id="ymail_android_signature"><a href="https://x.example/">Sent from Yahoo Mail '
        'on Android</a></div><br><blockquote style="margin: 0 0 20px 0;"><div><div>On Wed, 1 Jan 2025 at 12:00, Ann Bell'
        "</div><div>&lt;ann@shop.example&gt; wrote:</div></div><div>QUOTED</div></blockquote>"
    ),
    "gmx": (
        '<html><body><div style="font-family: Verdana"><div>Yes, I will.</div><div>At noon.<div name="quote" style="margin:'
        '10px 5px 5px 10px; border-left:2px solid #C3D9E5;"><div><b>Gesendet:</b> Mittwoch<br><b>Von:</b> Ann</div>'
        '<div name="quoted-content">QUOTED</div></div></div></div></body></html>'
    ),
    "proton": (
        '<div>Yes, I will.</div><div>At noon.</div><div class="protonmail_signature_block"><div>Sent with Proton Mail.</div>'
        '</div><div class="protonmail_quote">On Wednesday, Ann Bell wrote:<br><blockquote class="protonmail_quote">QUOTED'
        "</blockquote></div>"
    ),
    "zimbra": (
        '<html><body><div><div>Yes, I will.</div><div>At noon.</div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker='
        '"__HEADERS__"><b>From: </b>Ann<br></div><div data-marker="__QUOTED_TEXT__">QUOTED</div></div></body></html>'
    ),
    "zoho": (
        '<div>Yes, I will.<br></div><div>At noon.<br></div><div class="zmail_extra_hr"></div><div class="zmail_extra">'
        '<div id="Zm-_Id_-Sgn1">---- On Wed Ann &lt;ann@shop.example&gt; wrote ---</div><blockquote id="blockquote_zmail">QUOTED'
        "</blockquote></div>"
    ),
    "spark": (
        '<div name="messageBodySection"><div dir="auto">Yes, I will.<br>At noon.</div></div><div name='
        '"messageSignatureSection"><br>Me</div><div name="messageReplySection">On 1 Jan 2025, Ann wrote:<br><blockquote '
        'type="cite">QUOTED</blockquote></div>'
    ),
    "roundcube": (
        '<p>Yes, I will.</p><p>At noon.</p><p id="reply-intro">Am 2025-01-01 12:00, schrieb Ann Bell:</p><blockquote type='
        '"cite" style="padding: 0 0.4em; border-left: #1010ff 2px solid; margin: 0"><div>QUOTED</div></blockquote>'
    ),
    "netease": (
        '<div style="line-height:1.7">Yes, I will.<div>At noon.</div><p>At 2025-01-01 12:00:00, "Ann Bell" '
        '&lt;ann@shop.example&gt; wrote:</p> <blockquote id="isReplyContent" style="PADDING-LEFT: 1ex">QUOTED</blockquote></div>'
    ),
    "lotus": (
        '<font size=2 face="sans-serif">Yes, I will.</font><br><font size=2>At noon.</font><br><br><br><br><font size=1 '
        "color=#5f5f5f>From: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1>Ann Bell/Shop</font><br><font size=1>To: &nbsp;"
        "</font><font size=1>me@example.org</font><br><font size=1>Date: &nbsp;</font><font size=1>01/01/2025 12:00</font><br>"
        "<font size=1>Subject: &nbsp;</font><font size=1>News</font><br><hr noshade><br><tt>QUOTED</tt>"
    ),
}

INLINE: Mapping[str, str] = {
    "gmail": (
        '<div dir="ltr"><br></div><br><div class="gmail_quote"><div class="gmail_attr">On Wed, Ann wrote:<br></div><blockquote '
        'class="gmail_quote"><div>Will you come? QUOTED</div></blockquote><div>Yes, I will.</div><blockquote '
        'class="gmail_quote"><div>When? QUOTED</div></blockquote><div>At noon.</div><blockquote class="gmail_quote">Ann'
        "</blockquote></div>"
    ),
    "apple": (
        '<blockquote type="cite">Will you come? QUOTED</blockquote><div>Yes, I will.</div><br><blockquote type="cite">When? '
        'QUOTED</blockquote><div>At noon.</div><blockquote type="cite">Ann</blockquote>'
    ),
}

r"""What reply texts say: the table of phrases behind outbound.interpret.

Owns phrases only, in two layers: `PLAIN` mean one thing whatever code they come with (a block list behind a 5.1.1),
`TEXTS` give way to an enhanced code that is used as registered.  A layer is tried from its top, one regular expression
a line.  The text they see is in lower case, with single spaces, addresses replaced by <>, cut at 2,000 characters.
Every repetition is bounded, so that a hostile reply costs no more than its length.  Pure.
"""

from tierii_mta.outbound.phrasing import TextPattern, phrases
from tierii_mta.outbound.reply_class import ReplyClass

PLAIN: tuple[TextPattern, ...] = (
    # answers about two: who is meant stands in words of their own
    phrases(
        ReplyClass.INVALID_SENDER,
        r"""
        sender verif(?:y|ication) failed|the account or domain may not exist, they may be (?:black|block)
        unresolvable rfc.?5321 from|\bbadmailfrom\b|\bsender domain must exist
        """,
    ),
    phrases(ReplyClass.INVALID_RECIPIENT, r"recipient verif(?:y|ication) failed", only=5),
    # the recipient's own choice: words of a block list, but not about us
    phrases(
        ReplyClass.POLICY_RELATED,
        r"""
        refused due to recipient preferences|\bsuppressed sending\b|\bsuppression list\b
        (?:not|n't|only) accept(?:s|ing)? (?:\w+ ){0,2}MESSAGE from (?:\w+ ){0,2}(?:senders|outside|external)
        (?:not|n't) accept(?:s|ing)? (?:\w+ ){0,2}MESSAGE from (?:your address|your domain|<>)
        recipient (?:has )?blocked (?:the|this) sender|you have been blocked by (?:the )?(?:recipient|user)
        \bsender(?: address| domain)? (?:\w+ ){0,2}(?:blocked|blacklisted|blocklisted) by (?:the )?(?:recipient|user)
        """,
    ),
    # what stands in the message, where a block list of links has it
    phrases(
        ReplyClass.SPAM_CONTENT,
        r"\b(?:black|block)list(?:ed)? (?:url|uri|link)s?\b|\b(?:uribl|surbl)\b|\bofr\d{0,3}_50[16]\b|\burl content\b",
    ),
    # a person who is shut out, not we
    phrases(
        ReplyClass.INACTIVE_MAILBOX,
        r"\b(?:user|recipient|account|mail ?box) (?:is|has been|was) blocked\b(?! (?:by|from))",
    ),
    # refusals of us: block lists and reputation
    phrases(
        ReplyClass.SPAM_BLOCK,
        r"""
        \b(?:black|block|deny)[ -]?list(?:s|ed|ing)?\b
        \b(?:dnsbl|dnsrbl|rbl)s?\b
        \b(?:spamhaus|spamcop|uceprotect|barracudacentral|invaluement|spamrats|mailspike|senderscore|senderbase)
        \b(?:talosintelligence|nixspam|abuseat\.org|abusix|sorbs\.net|psbl\.|truncate\.gbudb|ipcheck\.proofpoint)
        barracudanetworks\.com/reputation|barracuda reputation|proofpoint dynamic reputation
        \bblocked using\b
        (?:poor|low|bad|insufficient|suspicious|negative) (?:\w+ ){0,2}reputation
        reputation (?:of|for|is|too|score|filter|block)
        (?:due to|because of|based on|by|to) (?:\w+ ){0,3}reputation
        \[tss?\d\d\]
        permanently deferred|due to (?:unexpected volume or )?user complaints
        banned send(?:ing|er)|\bs(?:3115|3140|3150|775|77719)\b
        part of their network is on our
        unusual rate of (?:\w+ )?(?:mail|e-?mail)|unusual sending activity
        \b(?:e-?)?mail refused - \[?\d|ip (?:address )?(?:is )?(?:black|block)[ -]?listed|\bip blocked\b
        \b(?:dialup|transient ip)\b|\bsuspected bounce attacks?\b|\bes0000[01]0\b|\bsender ?group\b
        suspicious due to the (?:very low|low|nature)
        \bhl:rep\b|\bmi:(?:iil|dmc|ipb)\b
        \bbl00000\d\b
        _is_blocked
        HOST THEN (?:is|are|been|was|were) (?:\w+ ){0,2}(?:blocked|banned|filtered)\b
        ^(?:e-?mail |message )?blocked (?:for|- see)|mass mailer
        (?:not (?:currently )?accept|reject|refus)\w{0,3} (?:mail|e-?mail|messages?|connections?) from (?:your|\[?\d)
        mail from \[?\d{1,3}\.[\d.]{5,11}\]? (?:was )?(?:refused|rejected|blocked|denied)
        \b(?:ip|host|address|client)\b\S{0,60} (?:is )?(?:listed|not allowed) (?:in|on|at|by)\b
        \b(?:ip|host|address|client)\b(?: \S{1,60})? is on (?:the|a|our|their) (?:\w+ ){0,2}list\b
        too (?:many|much) (?:spam|abuse|complaints|bad recipients|invalid recipients|unknown users)
        (?:high|excessive|large) (?:amount|number|volume|rate) of (?:spam|junk|complaints|unwanted|invalid)
        (?:spam|abuse|junk)\b.{0,40}\b(?:from|by) (?:your|this) (?:ip|host|network|server|address)
        your (?:ip|host|network|mail ?server|server) THEN (?:spam|blocked|banned|abus\w+|not (?:welcome|permitted))
        \bofr\d{0,3}_(?:403|5\d\d)\b|service refuse\b|client host rejected: (?!cannot)
        \bip=\S{1,50} - a problem occurred|\(bl\)$
        access (?:to (?:submit|this (?:e-?)?mail system)|from (?:your )?ip)\b.{0,80}(?:denied|rejected|refused)
        traffic not accepted from this ip
        not allowed to (?:talk|connect)|looks suspiciously like spam|open proxy|insecure mail relay
        may not be mail exchanger
        smtp server of your isp
        (?:do not|not) accept\w* (?:mail|e-?mail|connections?) from (?:your|dynamic|hosts? with)
        generic reverse dns|dynamic ip|dynamically assigned|residential ip|dial-?up
        """,
    ),
    # refusals of us: who we say we are is not shown
    phrases(
        ReplyClass.AUTHENTICATION_FAILED,
        r"""
        \bdmarc\b|\bspf\b|\bdkim\b(?!-sig)|\bsender ?id\b
        openspf\.|sender policy framework|purported responsible
        required authentication level
        \bunauthenticated\b
        fails? (?:\w+ ){0,3}authentication|authentication (?:checks?|requirements?|results?|information)
        \bptr\b|\brdns\b|\bfcrdns\b|reverse[ -](?:dns|hostname|lookup|record|name)
        cannot (?:find|resolve) your (?:reverse )?(?:hostname|address)
        unable to (?:resolve|verify) (?:your|client|the) (?:host|ip|client)
        ip name (?:lookup failed|possibly forged)
        does not have a (?:valid )?(?:host ?name|rdns|reverse)
        spoof(?:ed|ing)?\b
        from: header .{0,60}align
        mismatches client ip
        """,
    ),
    # greylisting and rates, whatever the first digit
    phrases(
        ReplyClass.TRANSIENT_FAILURE,
        r"""
        gr[ae]y[ -]?list|\bpostgrey\b|\[gl01\]
        \bfirst (?:time|seen|attempt|contact)\b.{0,60}(?:again|later|retry)
        (?:receiving|sending|sent) (?:mail|e-?mail|messages?) (?:too (?:quickly|fast)|at (?:a|too high a) rate)
        too many (?:concurrent |simultaneous |smtp |open |new )*(?:connections?|sessions?)\b
        too many (?:concurrent |simultaneous |new )*MESSAGE\b(?! on the server)
        too many (?:errors|requests)\b|too much mail|too (?:fast|frequent)
        rate[ -]?limit|\bthrottl|frequency limit|\bflood
        (?:hourly|daily|sending|message|connection|submission) (?:rate|limit|quota)\b.{0,40}(?:exceed|reach)
        reached (?:your |the )?(?:hourly|daily|sending) |\brp:[a-z]{3}\b|max(?:imum)? messages? per |queue full
        out of memory
        policy rejection\W{0,3}quota|temporary (?:domain|system|local|internal) (?:failure|problem|error)
        exceed\w* .{0,40}(?:messages?|connections?|mails?|e-?mails?) (?:per|rate|limit)
        \brl0\d{4,5}\b|\bhl:(?:icc|ifc|mep)\b|\[rl\d\d\]|deferred due to volume
        (?:service|server|system) (?:is )?(?:temporarily |currently )?(?:too )?(?:busy|overloaded)
        (?:service|server|system) (?:is )?(?:temporarily|currently) (?:unavailable|down)
        """,
    ),
    phrases(ReplyClass.TOO_MANY_RECIPIENTS, r"too many (?:recipients|rcpts?)\b"),
    phrases(
        ReplyClass.ROUTING_ERRORS,
        r"""
        too many hops|hop count|mail loop|loops? back to|routing loop|loop ?detect|message is looping
        bounce between two servers
        """,
    ),
    phrases(
        ReplyClass.VIRUS_RELATED,
        r"\b(?:anti-?)?virus|\bmalicious|\binfected\b|\bmalware\b|\btrojan\b|\bclamav\b|\beicar\b|\bphish",
    ),
    phrases(
        ReplyClass.PROHIBITED_ATTACHMENT,
        r"""
        FILEs? THEN (?:prohibited|blocked|banned|denied|rejected|refused|forbidden)
        FILEs? THEN (?:disallowed|not (?:allowed|accepted|permitted))
        (?:prohibited|banned|forbidden|blocked|disallowed|unacceptable|dangerous|illegal) (?:FILE|content type)
        accept\w* (?:e-?)?mail with attachments?
        - banned\b|content presents a potential
        """,
    ),
    phrases(
        ReplyClass.SPAM_CONTENT,
        r"""
        (?:looks like|identified as|classified as|considered|detected as|marked as) (?:\w+ ){0,3}(?:spam|junk)
        (?:suspicion of|suspected|likely|appears to be|scored as|resembles) (?:\w+ ){0,3}(?:spam|junk|bulk|suspicious)
        (?:likely|appears to be) (?:\w+ ){0,3}unsolicited
        spam (?:message|mail|e-?mail|content|score|classification|detected|found)
        score\b.{0,30}\bspam|\bscore (?:\w+ )?too high|\bspam\b.{0,20}\bscore|- spam\b|\bsuspected spam\b
        spamassassin|\bdt:spm\b|mcspamsignature|mail content denied|unsolicited (?:bulk|commercial)
        (?:rejected|refused|blocked|denied) (?:as|because of|due to|for) (?:\w+ ){0,2}(?:spam|unsolicited|junk)
        message content (?:rejected|blocked|denied)|content (?:\w+ ){0,4}unacceptable
        content (?:filter|scanner|rejected)
        (?:bad|suspicious|blocked) (?:url|link|uri)|banned content
        not accepted for policy reasons|\[ph01\]
        """,
    ),
    phrases(
        ReplyClass.QUOTA_ISSUES,
        r"""
        PERSON THEN (?:full|out of (?:space|storage))\b
        \b(?:inbox|mail ?drop|storage|maildir|folder) THEN (?:full|out of space)\b
        \b(?:mail ?box|account|inbox)\b.{0,40}\b(?:no room|too little space|over (?:its |the )?limit|maximum size)
        over ?quota|over (?:the |its |his |her )quota|mail ?box(?:es)? full
        quota (?:is |has been )?(?:exceed|full|exhaust)
        exceed\w* (?:\w+ ){0,3}(?:quota|storage|mailbox size)
        (?:not enough|insufficient|out of|exceeded \S{2,10}) (?:system |disk )?(?:space|storage)
        disk quota|disk full|no space left|space has been used up|too many messages on the server
        PERSON THEN exceed\w* (?:\w+ ){0,3}(?:limit|storage|space)|mail ?box size limit
        """,
    ),
    phrases(
        ReplyClass.CHALLENGE_RESPONSE,
        r"""
        challenge[ -/]response|\bboxbe\b|\bspamarrest\b
        (?:click|visit|follow)\b.{0,80}\b(?:confirm|verify) (?:that )?you
        """,
    ),
    phrases(ReplyClass.INVALID_RECIPIENT, r"resolver\.adr\.\w{0,20}notfound|recipient not found by smtp address"),
    phrases(
        ReplyClass.CONTENT_RELATED,
        r"""
        \b(?:recip)?sizelimit\b|message too large for this recipient
        (?:invalid|bad|missing|multiple|malformed) (?:\w+ ){0,4}(?:in|of) (?:the )?(?:header|from:)
        """,
    ),
    phrases(ReplyClass.POLICY_RELATED, r"resolver\.rst\.|sendasdenied"),
)

TEXTS: tuple[TextPattern, ...] = (
    phrases(
        ReplyClass.INVALID_SENDER,
        r"""
        \bsender THEN (?:rejected|refused|invalid|unknown|malformed|unrouteable)|\bunknown sender(?!s)
        \bsender THEN (?:doesn't|not) (?:exist|found|valid)|\bsender (?:not found|not valid)
        \bsender THEN (?:could not be verified|verify failed|verification failed)
        sender verif\w+|callout (?:verification )?(?:failed|response)|verification failed for
        domain of (?:the )?sender|mail from domain|(?:invalid|bad|null) sender
        (?:return|reverse)[ -]path\b.{0,40}\b(?:invalid|rejected|not)
        """,
    ),
    phrases(
        ReplyClass.RELAY_DENIED,
        r"""
        relay(?:ing)? (?:access )?(?:is )?(?:denied|refused|prohibited|rejected|not (?:permitted|allowed))
        unable to relay|(?:not|cannot|can't|won't) (?:\w+ ){0,3}relay|open relay
        no relay(?:ing)?\b|as a relay|not a gateway|non-local e-?mail
        (?:do not|don't|doesn't) handle mail for (?!that user)
        \brcpthosts\b|non-?accepted domain|not (?:an? )?(?:accepted|hosted) domain
        domain (?:[\w.-]{1,255} )?(?:is )?not (?:hosted|handled|served|local)
        not in (?:my|our|the) (?:list of )?(?:domains?|relay)|relay\w* (?:is )?disallowed|\bfor relay\b
        cannot deliver mail for <>|delivery is not allowed to this address
        auth(?:entication)? (?:is )?required|requires? authentication|must (?:be )?authenticate|was not authenticated
        """,
    ),
    phrases(
        ReplyClass.INACTIVE_MAILBOX,
        r"""
        PERSON THEN (?:disabled|inactive|deactivated|suspended|expired|closed)
        PERSON THEN (?:locked|terminated|discontinued|not active)
        PERSON THEN no longer (?:active|available|in use|valid|accept|with us)
        \(554\.30\)|(?:disabled|deactivated|inactive|archived|suspended) (?:account|mail ?box|recipient|user)
        recipient suspend|(?:user|account|mail ?box) (?:is )?on hold|(?:account|user|mailbox)disabled|disableduser
        inactive e-?mail
        (?:user|account|mail ?box|recipient|address)(?: <>)? (?:\w+ ){0,3}(?:deleted|removed|retired)\b
        PERSON THEN (?:frozen|terminated)|has left (?:the|our|this)
        (?:user|recipient|person|employee) (?:is )?no longer (?:at|works|here)
        """,
    ),
    # before "no such user", which a missing domain resembles
    phrases(
        ReplyClass.BAD_DOMAIN,
        r"""
        \b(?:domain|domain name)\b.{0,40}\b(?:not found|does not exist|doesn't exist|nxdomain|not be found)
        domain\b.{0,40}\b(?:not reachable|does not accept|no longer)
        recipient domain must exist|\binvalid (?:recipient )?domain\b|nonexistent ?domain|infodomainnonexistent|nxdomain
        (?:weren't|not) able to find the recipient domain|no such (?:domain|host)|unknown (?:domain|host)
        (?<!client )(?<!your )\bhost unknown|\bnull mx\b
        bad destination (?:system|domain)
        """,
        only=5,
    ),
    phrases(
        ReplyClass.INVALID_RECIPIENT,
        r"""
        PERSON THEN (?:unknown|invalid|incorrect|undeliverable|not be found)\b|don't know (?:any|this|that)
        unknown local[ -]?part|no such mail ?drop
        \bno ?(?:one|body) (?:here )?(?:with|by|at|of) (?:that|this)|handle mail for (?:that|this) user
        recipient (?:cannot|can't|could not) be verified|user has no mailbox|unrouteable address
        PERSON THEN (?:does not|doesn'?t|don't|not) exist
        PERSON THEN not (?:found|known|listed|local|valid|here|present)|PERSON THEN no longer exists?
        not known at this (?:site|host|address)
        <>\S{0,2} (?:is )?(?:invalid|unknown|not known|does not exist|doesn't exist)
        bad-recipient|\bbadrcptto\b|(?:can't|cannot) accept user|not have an account
        PERSON THEN non-?exist
        NONE (?:such )?(?:\w+ )?(?:e-?mail )?PERSON
        does(?:n't| not) have an? \S{1,80} account|nosuchuser|not our customer|no such customer
        not an? (?:local )?(?:user|recipient|mail ?box)\b|not in (?:the|our|my) (?:\w+ )?(?:address book|directory)
        not an? (?:known|valid|existing) (?:[\w-]+ )?(?:user|recipient|mail ?box|address)
        (?:e-?mail )?address (?:\w+ ){0,2}(?:couldn't|could not|wasn't|was not|cannot) (?:be )?found
        (?:user|account) unavailable|address rejected: (?:user|undeliverable|unverified)|recipient verify failed
        (?:cannot|can't|could not|couldn't) (?:find|locate) (?:\w+ ){0,3}(?:user|mail ?box|recipient|account|address)
        \b(?:usuario|utilisateur|adresse|destinataire) THEN (?:inconnue?|inexistente?|desconocido)
        \b(?:benutzer|empf(?:ae|ä)nger|adresse) THEN unbekannt
        \butente THEN (?:sconosciuto|inesistente)
        """,
        only=5,
    ),
    phrases(
        ReplyClass.INVALID_RECIPIENT, r"user unknown|unknown user|no such user|unverified (?:address|recipient)", only=4
    ),
    phrases(
        ReplyClass.CONTENT_RELATED,
        r"""
        MESSAGE THEN too (?:big|large|long)|size of (?:the|your) MESSAGE exceeds|MESSAGE THEN (?:bigger|larger) than
        MESSAGE THEN exceed\w* (?:\w+ ){0,4}(?:size|limit|maximum)
        max(?:imum)? (?:message |e-?mail )?size|max(?:imum)? message|size limit|line length|MESSAGE (?:is )?malformed
        (?<!=)\b8 ?bit|smtputf8|utf-?8|non-ascii|internationali[sz]ed|charset
        nul (?:byte|character)|bare (?:lf|cr|newline)
        (?:missing|invalid|multiple|malformed|duplicate|no|bad) (?:\w+[ -]){0,3}(?:header|from:|date:|message-id|mime)
        (?:not|isn't) (?:\w+ )?(?:rfc ?\d{3,4}|rfc-?compliant|compliant)|rfc ?(?:2822|5322)
        """,
    ),
    phrases(
        ReplyClass.ROUTING_ERRORS,
        r"""
        unrouteable|unable to route|no route to (?:host|domain)|host unreachable|loops? back
        """,
    ),
    phrases(ReplyClass.TOO_MANY_RECIPIENTS, r"recipients? (?:count )?limit"),
    phrases(
        ReplyClass.BAD_CONFIGURATION,
        r"""
        \bmisconfigur|config(?:uration)? (?:error|problem)|configured incorrectly
        (?:helo|ehlo) THEN (?:invalid|fqdn|not (?:valid|found|resolve)|rejected|refused|forged|fake)
        (?:invalid|bad) (?:helo|ehlo)
        """,
    ),
    phrases(
        ReplyClass.DNS_FAILURE,
        r"dns (?:query|lookup|error|failure|server|timeout)|name ?server|lookup (?:failure|failed)",
    ),
    phrases(
        ReplyClass.BAD_CONNECTION,
        r"""
        timed? ?-?out|connection (?:was )?(?:lost|reset|closed|dropped|aborted)|lost connection|closed the connection
        broken pipe
        tls (?:handshake|negotiation|session)|handshake fail|certificate validation
        """,
    ),
    phrases(ReplyClass.NO_ANSWER_FROM_HOST, r"connection refused|no answer|did not respond|could not connect"),
    phrases(
        ReplyClass.PROTOCOL_ERRORS,
        r"""
        (?:command|parameter|argument)s? THEN (?:unrecogni[sz]ed|invalid)
        (?:command|parameter|argument)s? THEN not (?:implemented|recogni[sz]ed|supported)
        syntax error|bad sequence|out of sequence|unrecogni[sz]ed command|nested mail|pipelining
        protocol violation|must (?:issue|use) (?:a )?starttls|starttls first|encryption required
        need (?:mail|rcpt|helo|ehlo)|no valid recipients
        """,
    ),
    phrases(ReplyClass.SPAM_RELATED, r"\bspam|unsolicited|\bjunk\b|\bube\b|\bbulk (?:mail|e-?mail)|\banti-?spam"),
    phrases(
        ReplyClass.POLICY_RELATED,
        r"""
        polic(?:y|ies)|administrative|prohibit|not (?:allowed|permitted|authori[sz]ed|accepted)
        access denied|denied by|refused by|restrict|(?:security|local) (?:reason|rule)|custom rule
        rejected by (?:\w+ ){0,3}(?:rule|admin|filter)
        closed mailing list|only (?:members|subscribers)|organi[sz]ational settings|low priority
        only accepts? (?:mail|messages)|allowed senders|message (?:rejected|refused|blocked|denied|filtered)
        (?<!temporarily )(?:rejected|refused) (?:the |your |this )?message|blocked senders?\b|sender (?:is )?blocked
        \bdenied [(\[]
        """,
    ),
    phrases(ReplyClass.MESSAGE_EXPIRED, r"message expired|delivery time expired|retry timeout exceeded"),
    phrases(
        ReplyClass.RELAYING_ISSUES,
        r"(?:next|downstream|internal|backend|upstream) (?:hop|server|relay|mail ?server|host)|\bstoredrv\.",
    ),
    phrases(ReplyClass.TRANSIENT_FAILURE, r"\btry (?:again|later)|come back later|temporar(?:y|ily)", only=4),
)

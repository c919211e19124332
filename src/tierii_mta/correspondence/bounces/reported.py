r"""What reporters write in their own words: phrases that no SMTP server says, in several languages.

Owns the table; the words of SMTP replies are in outbound.patterns, which sees the same text.  The text is in lower
case, with single spaces, addresses replaced by <>.  Every repetition is bounded.  Pure.
"""

from tierii_mta.outbound.phrasing import TextPattern, phrases
from tierii_mta.outbound.reply_class import ReplyClass

REPORTED: tuple[TextPattern, ...] = (
    # before "does not exist", which it offers among the reasons
    phrases(ReplyClass.POLICY_RELATED, r"groups\.google\.com/support|permission to post"),
    phrases(
        ReplyClass.QUOTA_ISSUES,
        r"""
        mail(?:box|folder|drop| ?box) (?:is |was )?full|full mailbox|as their mailbox is full|over ?quota
        quota exceeded
        exceed\w{0,4} (?:\w+ ){0,3}quota|disk ?quota|quota violation|space not enough|not enough disk space
        has too much mail stored|reached (?:his |her |its |the )?(?:disk )?quota|exceeds allowed size|no space left
        mailbox exceeded the local limit|account is temporarily limited|mailbox space
        storage (?:limit|space) (?:exceeded|full)|mailbox is over its|over (?:its|the) (?:storage |size )?limit
        """,
    ),
    phrases(
        ReplyClass.MESSAGE_EXPIRED,
        r"""
        (?:message|envelope|delivery time|queue time|mail|e-?mail) (?:has |was )?(?:expired|timed out)
        retry time(?:out)? (?:not reached|exceeded)|in the queue too long|queue too long|retention (?:time|period)
        (?:could not|cannot|unable to) (?:be )?(?:deliver(?:ed)?|send)(?: \w+)? for (?:the last |more than )?[\d.]{1,8}
        (?:delivered|delivery|g[ai]v\w{1,3} up|tried)\b.{0,60}\b(?:within|after|for|in) .{0,20}\d (?:minute|hour|day)
        retries exhausted|delivery time exceeded
        delivery failed \d{1,4} attempts|failed after \d{1,4} (?:attempts|tries)|maximum delivery attempts
        has not been collected after|still undelivered after|not delivered within|within the allowed queue period
        have been failing for a long time|unreachable for too long|aborted after [\d.]{1,8} hour
        no longer be retried|exceeded maximum delivery
        delivery (?:attempts? )?(?:has )?timed out|occurred after \d{1,4} attempt
        too many (?:failed )?(?:delivery )?attempts|has stopped trying|in the queue for|attempted for \d
        undeliverable after|in the time limit specified|maximum time expired
        no longer retrying|unable to deliver in \d{1,6}
        """,
    ),
    phrases(
        ReplyClass.BAD_DOMAIN,
        r"""
        unrouteable mail domain|illegal host/domain name|null mx|no smtp service|domain does not exist
        does(?:n't| not) receive e?mail according to
        domain name not found|host/domain does not accept mail|does not accept mail\b
        malformed or unexpected name server reply
        host \S{1,255} not found|\bhost not found(?!,? try)|(?:mx|domain) does not exist
        (?:unknown|no such) (?:host|domain)|host unknown
        (?:host|host ?name|domain)(?: \S{1,255})? (?:is )?unknown|host ?name\b.{0,60}\bnot (?:be )?found
        couldn't find (?:any host|a mail exchanger)|host or domain name not found|name or service not known
        all relevant mx records point to non-?existent|domain\b.{0,60}\b(?:could not|couldn't) be found
        \bno (?:mx|a)(?: or (?:mx|a))? records?\b
        dns type '?\w{1,4}'? lookup .{0,200}nxdomain
        remote domain does(?:n'?t| not) exist|no mx found for domain|invalid domain name|has no valid mail exchanger
        could not find a gateway for
        non-existent (?:host|domain)|\bnxdomain\b|not a valid (?:domain|host)
        """,
    ),
    phrases(
        ReplyClass.NO_ANSWER_FROM_HOST,
        r"""
        did not accept our requests to connect|being unable to connect successfully
        wasn't able to establish an smtp connection
        connection (?:to mail exchanger )?(?:failed|refused)|can(?:'t|not) connect|unable to connect|no route to
        network error|not reachable|not responding|did not respond|socket error|server unavailable or busy
        recipient server unavailable|failed to connect|no longer responding|cannot contact|(?:unable|failed) to reach
        connect to \S{1,255}: |destination mxs
        """,
    ),
    phrases(
        ReplyClass.DNS_FAILURE,
        r"host ?name lookup failure|name server:? |name service error|dns error|dns lookup|cname lookup failed"
        r"|temporary dns|dns query failed|host lookup did not",
    ),
    phrases(
        ReplyClass.INVALID_RECIPIENT,
        r"""
        recipient name is not recogni[sz]ed|unknown recipient
        not (?:listed )?in (?:\w+ ){0,2}(?:name & address book|address book|directory|domino)
        (?:user|recipient|address|mailbox|account) (?:is )?(?:not known|unknown|not found|not exist\b)
        (?:user|recipient|address|mailbox|account) (?:does not|doesn't) exist
        address (?:is )?(?:wrong|not found)|address couldn't be found|wasn't found at
        no such (?:user|mailbox|account|address)
        no mailbox here by that name|invalid (?:user|address|recipient|mailbox)
        unknown (?:user|local-part|address|mailbox)
        bad destination mailbox|does not (?:match|have a final email delivery point)|no matches to nameserver
        unrouteable address
        this user doesn't have an? |not a valid (?:user|address|mailbox)|not our customer|addressee unknown
        no account by that name|mailbox not found|is not (?:an? )?\S{0,30} ?e-?mail users?
        (?:e-?mail )?address you entered (?:couldn't|could not) be found|unrecogni[sz]ed[- ]o/?r[- ]name
        utilisateur non recensé
        """,
    ),
    phrases(
        ReplyClass.INACTIVE_MAILBOX,
        r"""
        (?:account|mailbox|user|recipient|address) (?:has been |is |was )?(?:disabled|locked|suspended|deactivated)
        (?:account|mailbox|user|recipient|address) (?:has been |is |was )?(?:closed|inactive|frozen)
        account\(?s?\)? (?:is |are )?disabled|no longer (?:active|valid|available|in use|on server|with)
        has (?:been )?moved
        disabled or discontinued|a quitté|ist nicht mehr|ya no (?:existe|trabaja)
        """,
    ),
    phrases(
        ReplyClass.CONTENT_RELATED,
        r"""
        size limit exceeded|maximum (?:incoming )?message size|message (?:is )?too (?:large|big)
        exceed\w{0,4} .{0,40}\bsize
        larger than the .{0,30}limit|too large to send
        """,
    ),
    phrases(ReplyClass.VIRUS_RELATED, r"\bvirus\b|infected with"),
    phrases(
        ReplyClass.SPAM_CONTENT,
        r"spam classification|(?:unsolicited|junk) (?:bulk )?e?mail|was (?:considered|classified) (?:as )?spam",
    ),
    phrases(
        ReplyClass.ROUTING_ERRORS,
        r"lowest numbered mx record points to local|bounce between two servers"
        r"|best-preference mx|already has my delivered-to"
        r"|too many hops|mail loop|message loop|loop(?:ing)?\b|forwarded more than|duplicated message-id|hop count",
    ),
    phrases(
        ReplyClass.POLICY_RELATED,
        r"""
        (?:don't|do not) have permission|suppression list|recipient preferences|e-?mail preferences of the person
        not accepting mail from|may not have permission
        restricted|not (?:allowed|permitted|authori[sz]ed)
        rejected by (?:the )?(?:recipient|filter|administrator|policy)
        domain.?filter|was rejected|automatically rejected|policy
        """,
    ),
    phrases(
        ReplyClass.RELAYING_ISSUES,
        r"""
        command (?:died|failed|output)|child (?:status|process)|smtp communication problem|transfer failure
        pipe to \||temporary failure|mailer error|operating system error
        unknown mailer error|filter program|internal (?:software )?error|exit status|cannot execute|mailer crashed
        local delivery failed|(?:couldn't|could not|cannot|can't|unable to) (?:create|open|write|lock)|system error
        configuration error
        procmail|permission denied|ldap server|transmission failure
        """,
    ),
)

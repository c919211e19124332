"""The 29 classes of a refusal, and what each means for the delivery.

Owns the vocabulary operators see in `why`, events and metrics, and the outcome table of the contract; not how a reply
is recognised (outbound.patterns, outbound.interpret).  The names are those of KumoMTA's classifier, so that rules and
dashboards carry over; docs/reference/reply-classes.md explains each.  Pure.
"""

from collections.abc import Mapping
from enum import StrEnum


class ReplyClass(StrEnum):
    """What a refusal is about. Kept in `Attempt.reply_class`; a delivery that was accepted has the class ""."""

    INVALID_RECIPIENT = "InvalidRecipient"  # no such person
    INACTIVE_MAILBOX = "InactiveMailbox"  # there was such a person
    BAD_DOMAIN = "BadDomain"  # no such domain, or it takes no mail
    DNS_FAILURE = "DNSFailure"  # the DNS gave no answer
    ROUTING_ERRORS = "RoutingErrors"  # no way to the domain, or a loop
    NO_ANSWER_FROM_HOST = "NoAnswerFromHost"  # nobody listens
    BAD_CONNECTION = "BadConnection"  # time-out, lost connection, failed TLS
    TRANSIENT_FAILURE = "TransientFailure"  # greylisting, rates, a busy or broken server
    MESSAGE_EXPIRED = "MessageExpired"  # a relay behind the MX gave up
    QUOTA_ISSUES = "QuotaIssues"  # the mailbox or the disk is full
    TOO_MANY_RECIPIENTS = "TooManyRecipients"
    SPAM_BLOCK = "SpamBlock"  # block list or reputation: a refusal of us
    SPAM_CONTENT = "SpamContent"  # this message looks like spam
    SPAM_RELATED = "SpamRelated"  # spam, and the reply does not say whether we or the message
    CONTENT_RELATED = "ContentRelated"  # size, format, 8bit or SMTPUTF8 that the host cannot take
    VIRUS_RELATED = "VirusRelated"
    PROHIBITED_ATTACHMENT = "ProhibitedAttachment"
    POLICY_RELATED = "PolicyRelated"  # a rule of the receiving site
    AUTHENTICATION_FAILED = "AuthenticationFailed"  # SPF, DKIM, DMARC, reverse DNS: a refusal of us
    RELAY_DENIED = "RelayDenied"  # the MX does not serve the domain
    RELAYING_ISSUES = "RelayingIssues"  # the MX cannot hand the mail on
    INVALID_SENDER = "InvalidSender"  # our return path is not accepted
    BAD_CONFIGURATION = "BadConfiguration"  # ours or theirs
    PROTOCOL_ERRORS = "ProtocolErrors"  # a command in the wrong place or form
    AUTO_REPLY = "AutoReply"
    SUBSCRIBE = "Subscribe"
    UNSUBSCRIBE = "Unsubscribe"
    CHALLENGE_RESPONSE = "ChallengeResponse"  # the sender shall click a link first
    UNCATEGORIZED = "Uncategorized"


class Verdict(StrEnum):
    """What a refusal does to the delivery."""

    RETRY = "retry"
    BLOCK = "block"  # a refusal of us: the lane is suspended, nobody is blamed, retried until the lifetime ends
    SUPPRESS = "suppress"  # failed(bounced), and the person goes on the suppression list
    BOUNCE = "bounce"  # failed(bounced); neither the person nor the message is to blame
    REJECT = "reject"  # failed(rejected): content or policy of this message
    ERROR = "error"  # failed(error): our fault, the operator is told


OUTCOMES: Mapping[ReplyClass, tuple[Verdict, Verdict]] = {
    # class: (after a 4xx, after a 5xx)
    ReplyClass.INVALID_RECIPIENT: (Verdict.RETRY, Verdict.SUPPRESS),
    ReplyClass.INACTIVE_MAILBOX: (Verdict.RETRY, Verdict.SUPPRESS),
    ReplyClass.BAD_DOMAIN: (Verdict.RETRY, Verdict.SUPPRESS),
    ReplyClass.DNS_FAILURE: (Verdict.RETRY, Verdict.BOUNCE),
    ReplyClass.ROUTING_ERRORS: (Verdict.RETRY, Verdict.BOUNCE),
    ReplyClass.NO_ANSWER_FROM_HOST: (Verdict.RETRY, Verdict.RETRY),
    ReplyClass.BAD_CONNECTION: (Verdict.RETRY, Verdict.RETRY),
    ReplyClass.TRANSIENT_FAILURE: (Verdict.RETRY, Verdict.RETRY),
    ReplyClass.MESSAGE_EXPIRED: (Verdict.RETRY, Verdict.BOUNCE),
    ReplyClass.QUOTA_ISSUES: (Verdict.RETRY, Verdict.RETRY),
    ReplyClass.TOO_MANY_RECIPIENTS: (Verdict.RETRY, Verdict.RETRY),
    ReplyClass.SPAM_BLOCK: (Verdict.BLOCK, Verdict.BLOCK),
    ReplyClass.SPAM_CONTENT: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.SPAM_RELATED: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.CONTENT_RELATED: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.VIRUS_RELATED: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.PROHIBITED_ATTACHMENT: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.POLICY_RELATED: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.AUTHENTICATION_FAILED: (Verdict.BLOCK, Verdict.BLOCK),
    ReplyClass.RELAY_DENIED: (Verdict.RETRY, Verdict.BOUNCE),
    ReplyClass.RELAYING_ISSUES: (Verdict.RETRY, Verdict.BOUNCE),
    ReplyClass.INVALID_SENDER: (Verdict.RETRY, Verdict.ERROR),
    ReplyClass.BAD_CONFIGURATION: (Verdict.RETRY, Verdict.ERROR),
    ReplyClass.PROTOCOL_ERRORS: (Verdict.RETRY, Verdict.ERROR),
    ReplyClass.AUTO_REPLY: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.SUBSCRIBE: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.UNSUBSCRIBE: (Verdict.RETRY, Verdict.REJECT),
    ReplyClass.CHALLENGE_RESPONSE: (Verdict.RETRY, Verdict.REJECT),
    # 550 alone does not say "no such person": the message is given up, nobody is suppressed
    ReplyClass.UNCATEGORIZED: (Verdict.RETRY, Verdict.REJECT),
}


def verdict_of(reply_class: ReplyClass, *, is_permanent: bool) -> Verdict:
    """Return what a refusal of this class does; anything but a 5xx counts as transient."""
    return OUTCOMES[reply_class][is_permanent]

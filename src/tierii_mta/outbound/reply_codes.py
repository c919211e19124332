"""What reply codes say by themselves.

Owns three tables: enhanced codes that are used as registered (`CODES`), enhanced codes that say little and give way to
the text (`VAGUE`), three-digit codes for replies in which nothing else speaks (`BASIC`).  RFC 5321 §4.2.3, RFC 3463,
the registry of RFC 5248, RFC 7372 (authentication), RFC 7504 (521, 556), RFC 7505 (5.1.10).  Pure.
"""

from collections.abc import Mapping

from tierii_mta.outbound.reply_class import ReplyClass

Place = tuple[int, int]
"""Subject and detail of an enhanced code: (1, 1) of 5.1.1."""

_MICROSOFT_ABOUT_THE_ADDRESS = (501, 502, 503, 505, 508, 511, *range(606, 700), 705, 708, 750)
_MICROSOFT_ABOUT_PROOF = (509, 512, 515)
_AUTHENTICATION = (20, 21, 22, 23, 24, 25, 26, 29)

CODES: Mapping[Place, ReplyClass] = {
    (1, 1): ReplyClass.INVALID_RECIPIENT,
    (1, 2): ReplyClass.BAD_DOMAIN,
    (1, 3): ReplyClass.INVALID_RECIPIENT,
    (1, 6): ReplyClass.INVALID_RECIPIENT,
    (1, 7): ReplyClass.INVALID_SENDER,
    (1, 8): ReplyClass.INVALID_SENDER,
    (1, 10): ReplyClass.BAD_DOMAIN,
    (2, 1): ReplyClass.INACTIVE_MAILBOX,
    (2, 2): ReplyClass.QUOTA_ISSUES,
    (2, 3): ReplyClass.CONTENT_RELATED,
    (2, 4): ReplyClass.RELAYING_ISSUES,
    (3, 1): ReplyClass.QUOTA_ISSUES,
    (3, 2): ReplyClass.TRANSIENT_FAILURE,
    (3, 4): ReplyClass.CONTENT_RELATED,
    (3, 5): ReplyClass.BAD_CONFIGURATION,
    (4, 2): ReplyClass.BAD_CONNECTION,
    (4, 3): ReplyClass.DNS_FAILURE,
    (4, 5): ReplyClass.TRANSIENT_FAILURE,
    (4, 6): ReplyClass.ROUTING_ERRORS,
    (4, 7): ReplyClass.MESSAGE_EXPIRED,
    (5, 3): ReplyClass.TOO_MANY_RECIPIENTS,
    (6, 3): ReplyClass.CONTENT_RELATED,
    (6, 7): ReplyClass.CONTENT_RELATED,
    (6, 8): ReplyClass.CONTENT_RELATED,
    (6, 9): ReplyClass.CONTENT_RELATED,
    (7, 8): ReplyClass.BAD_CONFIGURATION,
    (7, 17): ReplyClass.INACTIVE_MAILBOX,
    (7, 18): ReplyClass.BAD_DOMAIN,
    (7, 27): ReplyClass.INVALID_SENDER,
    (7, 28): ReplyClass.TRANSIENT_FAILURE,
    (7, 500): ReplyClass.TRANSIENT_FAILURE,
    **dict.fromkeys(((7, detail) for detail in _AUTHENTICATION), ReplyClass.AUTHENTICATION_FAILED),
    **dict.fromkeys(((7, detail) for detail in _MICROSOFT_ABOUT_PROOF), ReplyClass.AUTHENTICATION_FAILED),
    **dict.fromkeys(((7, detail) for detail in _MICROSOFT_ABOUT_THE_ADDRESS), ReplyClass.SPAM_BLOCK),
}

VAGUE: Mapping[tuple[int, int | None], ReplyClass] = {
    # None: any detail that stands in neither table
    (1, 4): ReplyClass.INVALID_RECIPIENT,
    (3, None): ReplyClass.TRANSIENT_FAILURE,
    (4, 1): ReplyClass.NO_ANSWER_FROM_HOST,
    (4, 4): ReplyClass.ROUTING_ERRORS,
    (4, None): ReplyClass.BAD_CONNECTION,
    (5, None): ReplyClass.PROTOCOL_ERRORS,
    (6, None): ReplyClass.CONTENT_RELATED,
    (7, None): ReplyClass.POLICY_RELATED,
}

BASIC: Mapping[int, ReplyClass] = {
    421: ReplyClass.TRANSIENT_FAILURE,
    450: ReplyClass.TRANSIENT_FAILURE,
    451: ReplyClass.TRANSIENT_FAILURE,
    452: ReplyClass.QUOTA_ISSUES,
    454: ReplyClass.TRANSIENT_FAILURE,
    455: ReplyClass.PROTOCOL_ERRORS,
    500: ReplyClass.PROTOCOL_ERRORS,
    501: ReplyClass.PROTOCOL_ERRORS,
    502: ReplyClass.PROTOCOL_ERRORS,
    503: ReplyClass.PROTOCOL_ERRORS,
    504: ReplyClass.PROTOCOL_ERRORS,
    521: ReplyClass.ROUTING_ERRORS,
    522: ReplyClass.QUOTA_ISSUES,
    530: ReplyClass.PROTOCOL_ERRORS,
    535: ReplyClass.BAD_CONFIGURATION,
    551: ReplyClass.INVALID_RECIPIENT,
    552: ReplyClass.QUOTA_ISSUES,
    555: ReplyClass.PROTOCOL_ERRORS,
    556: ReplyClass.BAD_DOMAIN,
}

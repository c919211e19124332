"""Which SMTP command a refusal answered, as reporters tell it.

Owns the ways in which Postfix, Exim, sendmail, qmail and others name the command; not what follows from it (diagnosis).
It decides whether "user unknown" can be believed: behind DATA it is often a filter that speaks.  Pure.
"""

import re

from tierii_mta.queue.delivery import Stage

_STAGES: tuple[tuple[Stage, re.Pattern[str]], ...] = tuple(
    (stage, re.compile(pattern, re.IGNORECASE))
    for stage, pattern in (
        (
            Stage.DOT,
            (
                r"in\s{1,8}reply\s{1,8}to\s{1,8}(?:the\s{1,8})?end\s{1,8}of\s{1,8}data"
                r"|after (?:end of data|sending data block)"
                r"|(?:for|after) (?:text|sending the message) command|did not like our (?:final data|data|eom)"
                r"|failed after i sent the message|\(state 1[5-8]\)|\[(?:bodytext|eom|eod)\]"
            ),
        ),
        (
            Stage.DATA,
            r"in\s{1,8}reply\s{1,8}to\s{1,8}data|after (?:pipelined )?data\b|for data command|failed on data command",
        ),
        (
            Stage.RCPT,
            (
                r"in\s{1,8}reply\s{1,8}to\s{1,8}rcpt|(?:after (?:pipelined )?|for |following )rcpt\b"
                r"|did not like our rcpt|does not like recipient|\[rcpt_to\]|smtp:rcpt|sent(?: <<<)?:? rcpt to"
                r"|rcpt to generated"
                r"|rejected recipient|rejected address|>>> rcpt to|\(state 14\)"
            ),
        ),
        (
            Stage.MAIL,
            (
                r"in\s{1,8}reply\s{1,8}to\s{1,8}mail|(?:after (?:pipelined )?|for |following )mail from\b"
                r"|did not like our mail from|>>> mail from|sender was rejected|does not like sender|\[mail_from\]"
                r"|server rejected mail from|\(state 1[23]\)"
            ),
        ),
        (
            Stage.EHLO,
            (
                r"in\s{1,8}reply\s{1,8}to\s{1,8}(?:ehlo|helo)|after (?:ehlo|helo)|(?:for|after) (?:ehlo|helo) command"
                r"|\[(?:helo|ehlo)\]"
            ),
        ),
        (
            Stage.GREETING,
            r"refused to talk to me|after initial connection|connected to \S{1,80} but greeting failed|\[connect\]",
        ),
    )
)
_COMMAND = re.compile(r"^[ \t>]{0,8}>>> (?P<verb>[A-Za-z]{4})", re.MULTILINE)
_VERBS = {"ehlo": Stage.EHLO, "helo": Stage.EHLO, "mail": Stage.MAIL, "rcpt": Stage.RCPT, "data": Stage.DATA}


def stage_in(text: str) -> Stage | None:
    """Return the command that a text says was answered, or None."""
    return next((stage for stage, pattern in _STAGES if pattern.search(text)), None)


def transcribed_stage(transcript: str, reply: str) -> Stage | None:
    """Return the command after which a reply stands in a transcript (`>>> DATA`, `<<< 550 ...`), or None.

    sendmail pipelines: `>>> DATA` may stand before what answered RCPT.
    """
    at = transcript.find(f"<<< {reply[:60]}") if reply else -1
    commands = list(_COMMAND.finditer(transcript, 0, at)) if at > 0 else []
    return _VERBS.get(commands[-1]["verb"].lower()) if commands else None

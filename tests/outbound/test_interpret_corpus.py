"""The interpreter on diagnostic texts of real bounces that nobody here wrote."""

import email
import json
import os
from email.message import Message
from pathlib import Path

import pytest

from tests.outbound.replies import reply_of
from tierii_mta.outbound.interpret import classify
from tierii_mta.outbound.reply_class import Verdict, verdict_of
from tierii_mta.queue.delivery import Stage

ROOT = Path(os.environ.get("TIERII_CORPORA", Path(__file__).parents[3] / "shared/corpora")) / "bounces"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not ROOT.is_dir(), reason=f"no bounce corpus at {ROOT}; set TIERII_CORPORA"),
]


def diagnostics(message: Message) -> dict[str, list[str]]:
    """Return recipient → SMTP diagnostics of a DSN's machine-readable part."""
    found: dict[str, list[str]] = {}
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.get_payload():
            assert isinstance(block, Message)
            kind, _, text = " ".join(str(block.get("Diagnostic-Code", "")).split()).partition(";")
            who = str(block.get("Final-Recipient", "")).partition(";")[2].strip().strip("<>").lower()
            code = text.strip().replace("-", " ", 1)[:4]
            if kind.strip().lower() == "smtp" and code[:3].isdigit() and code[:1] in "45":
                found.setdefault(who, []).append(code[:3] + " " + text.strip()[4:])
    return found


def test_most_real_bounces_are_judged_as_a_classifier_of_bounces_does_and_no_block_suppresses() -> None:
    expected = json.loads((ROOT / "expected.json").read_text())
    judged = agreed = 0
    wrong = []
    for name, recipients in expected.items():
        texts = diagnostics(email.message_from_bytes((ROOT / name).read_bytes()))
        for want in recipients:
            lines = texts.get(want["recipient"].lower(), [])
            if len(lines) != 1 or want["reason"] == "feedback" or want["status"] not in lines[0]:
                continue  # reported twice, or the expectation is about another part of the bounce
            reply = reply_of(lines[0])
            found = verdict_of(classify(reply, Stage.RCPT), is_permanent=reply.is_permanent)
            judged += 1
            agreed += (found is Verdict.SUPPRESS) == bool(want["hard"])
            if found is Verdict.SUPPRESS and want["reason"] in _NOT_ABOUT_A_PERSON:
                wrong.append(f"{name}: {want['reason']}: {reply}")
    assert judged > 50
    assert not wrong
    assert agreed / judged > 0.8


_NOT_ABOUT_A_PERSON = {"blocked", "badreputation", "authfailure", "requireptr", "spamdetected", "toomanyconn"}

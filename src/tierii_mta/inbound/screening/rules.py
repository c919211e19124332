"""Every rule of the checks: its name, what it adds to the score unless the settings say otherwise, and what it means.

Owns the vocabulary of findings; not how they are found nor how they add up (verdict).  docs/operate/checks.md has the
same as a table.  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tierii_mta.inbound.checks import Decision

Weight = float | Decision  # added to the score, or decides by itself


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    name: str
    weight: Weight
    meaning: str
    is_note: bool = False  # tells something and never weighs anything: the settings cannot change that
    is_trust: bool = False  # whoever this is found of does not wait on the greylist
    is_ours: bool = False  # about mail that we sent, or for those who must be reachable, or taken by a server of ours
    is_proof: bool = False  # only we can have made that possible: what decides by itself does not, the score does
    is_ignorance: bool = False  # something could not be looked up, which might have spoken for the message


def _note(name: str, meaning: str) -> Rule:
    return Rule(name, 0.0, meaning, is_note=True)


def _unknown(name: str, meaning: str) -> Rule:
    return Rule(name, 0.0, meaning, is_note=True, is_ignorance=True)


RULES: tuple[Rule, ...] = (
    # --- origin
    _note("iprev_pass", "the client's address has a name that leads back to it"),
    Rule("iprev_fail", 1.0, "the client's address has a name that does not lead back to it"),
    Rule("iprev_missing", 1.5, "the client's address has no name"),
    _unknown("iprev_temperror", "the name of the client's address could not be looked up"),
    Rule("helo_ours", 4.0, "the client says our own name or address in EHLO"),
    Rule("helo_literal", 2.0, "the client says an address in EHLO that is not its own"),
    Rule("helo_malformed", 1.5, "what the client says in EHLO is no domain name"),
    Rule("helo_short", 1.0, "the client says a name without a dot in EHLO"),
    Rule("helo_unknown", 1.0, "the name in EHLO does not exist"),
    _unknown("helo_temperror", "the name in EHLO could not be looked up"),
    # --- sender
    Rule("null_mx", Decision.REJECT, "the sender's domain says that it takes no mail (RFC 7505): nobody can answer"),
    Rule("sender_unknown", 3.0, "the sender's domain does not exist, or has neither MX nor address"),
    _unknown("sender_temperror", "the sender's domain could not be looked up"),
    # --- credentials
    Rule("spf_pass", 0.0, "the sender's domain names the client as one of its servers"),
    Rule("spf_fail", 4.0, "the sender's domain says that this client is none of its servers"),
    Rule("spf_softfail", 1.5, "the same, less surely"),
    Rule("spf_neutral", 0.0, "the sender's domain says nothing about this client"),
    Rule("spf_none", 0.5, "the sender's domain has no SPF record"),
    Rule("spf_permerror", 1.0, "the SPF record of the sender's domain cannot be used"),
    _unknown("spf_temperror", "the SPF record could not be looked up"),
    Rule("dkim_pass", 0.0, "a signature is good"),
    Rule("dkim_fail", 0.0, "a signature is not good, which is worth as much as none (RFC 6376 section 6.1)"),
    Rule("dkim_none", 0.0, "no signature"),
    _unknown("dkim_temperror", "the key of a signature could not be looked up"),
    Rule("dmarc_pass", -1.0, "the author's domain vouches for the message"),
    Rule("dmarc_none", 0.0, "the author's domain has no DMARC record"),
    Rule("dmarc_fail", 1.0, "the author's domain does not vouch for the message, and asks for nothing"),
    Rule("dmarc_quarantine", Decision.QUARANTINE, "the same, and the domain asks to keep such mail apart"),
    Rule("dmarc_reject", Decision.REJECT, "the same, and the domain asks to refuse such mail"),
    Rule("dmarc_list", Decision.QUARANTINE, "the same, but a list or a forwarder may have changed it on the way"),
    Rule("dmarc_vouched", 0.0, "DMARC fails, and a sealer that the settings trust saw it pass (ARC)"),
    Rule("dmarc_permerror", 0.5, "DMARC cannot be evaluated: the From field or the record is broken"),
    _unknown("dmarc_temperror", "the DMARC record could not be looked up"),
    _note("arc", "what the ARC chain is worth"),
    Rule("correspondent", -3.0, "we wrote to the author before, and the author is proven", is_trust=True),
    # --- lists; each list has its own weight
    _note("list_unusable", "a list answers with errors or fails its test points, and is not asked"),
    _unknown("list_temperror", "a list could not be asked"),
    # --- answers
    Rule("signed", -6.0, "all its recipients are addresses that we signed", is_trust=True, is_ours=True, is_proof=True),
    Rule("answer", -4.0, "it names a Message-ID that only mail of ours has", is_trust=True, is_ours=True),
    Rule("role", 0.0, "all its recipients are postmaster or abuse", is_note=True, is_trust=True, is_ours=True),
    _note("null_sender", "from the null sender, to a mailbox"),
    Rule("backscatter", 3.0, "a report of failure about mail that is not ours"),
    # --- content
    Rule("executable", 5.0, "an attachment is a program"),
    Rule("disguised", 4.0, "the name of an attachment hides its end: text direction is reversed"),
    Rule("name_address", 2.0, "the author's name is an address of another domain"),
    Rule("many_recipients", 1.0, "To and Cc name more than fifty"),
    Rule("bare_link", 1.5, "no subject, and hardly more than a link"),
    Rule("from_missing", 2.0, "no From field, or no address in it"),
    Rule("from_several", 2.0, "several From fields"),
    Rule("header_malformed", 1.5, "a line of the header is no field"),
    Rule("date_missing", 0.5, "no Date field"),
    # --- rspamd
    Rule("rspamd", 1.0, "for each point that rspamd gives, from 5 points for the message to 15 against it"),
    _note("rspamd_unusable", "rspamd did not answer"),
    # --- the checks themselves
    Rule(
        "trusted_client",
        0.0,
        "from a network that the settings trust: nothing is looked up",
        is_note=True,
        is_trust=True,
        is_ours=True,
    ),
    _unknown("late", "a check was not done in time"),
    _unknown("failed", "a check failed through a fault of ours"),
    Rule("waited", 0.0, "it was greylisted and came again", is_note=True, is_trust=True),
    _note("waits", "greylisted: it may come again later"),
)

BY_NAME: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in RULES})
EVERYTHING: Mapping[str, Weight] = MappingProxyType({rule.name: rule.weight for rule in RULES})

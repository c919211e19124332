"""The table of rules: what is asked of a campaign, by whom, how much it weighs, and what to do.

Owns the table and how a severity comes about.  Pure; each check stands in the module of its subject.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tierii_mta.campaigns.preflight import authenticity, header, hosts, links, oneclick, persons, volume, wording
from tierii_mta.campaigns.preflight.case import Case, Network
from tierii_mta.campaigns.preflight.findings import Fault, Finding, Severity, severest
from tierii_mta.campaigns.preflight.profiles import Profile

Check = Callable[[Case], Iterable[Fault]]
Live = Callable[[Case, Network], Coroutine[Any, Any, Sequence[Fault]]]
E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741


class Group(StrEnum):
    """What a rule is about."""

    SENDER = "sender"
    HEADER = "header"
    CONTENT = "content"
    PEOPLE = "people"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. What is checked without the network and what with it are two checks of it."""

    id: str
    group: Group
    severity: Severity
    title: str  # what must hold
    source: str  # who asks for it
    remedy: str
    check: Check | None = None
    live: Live | None = None
    mass_mail_only: bool = False

    @property
    def is_enforced(self) -> bool:
        """Whether `enqueue` refuses for it: what it says is known without the network."""
        return self.live is None

    def severity_under(self, profiles: Iterable[Profile]) -> Severity:
        """Return how much it weighs under some profiles."""
        return severest([self.severity, *(each.severities[self.id] for each in profiles if self.id in each.severities)])

    def finding(self, fault: Fault, profiles: Sequence[Profile], *, is_strict: bool = False) -> Finding:
        """Return what a fault means. A fault may weigh less than its rule, and a profile may raise the rule."""
        severity = fault.severity or self.severity_under(profiles)
        if is_strict and severity is W:
            severity = E
        return Finding(
            rule=self.id,
            group=str(self.group),
            severity=severity,
            what=fault.what,
            where=fault.where,
            remedy=fault.remedy or self.remedy,
        )


_ALL = "Google, Yahoo, Microsoft"
RULES: tuple[Rule, ...] = (
    Rule(
        id="A1", group=Group.SENDER, severity=E, source=f"{_ALL}; RFC 7208",
        title="SPF passes for the return path, from every address we send from",
        remedy="list every address in the one `v=spf1` record of the return path",
        live=authenticity.check_spf_of_every_address,
    ),
    Rule(
        id="A2", group=Group.SENDER, severity=E, source=f"{_ALL}; RFC 6376, RFC 8301",
        title="a DKIM key of 2048 bits is published, and the mail verifies with it",
        remedy="make a key with `tierii-mta dkim new` and publish what it prints",
        check=authenticity.check_keys, live=authenticity.verify_signatures,
    ),
    Rule(
        id="A3", group=Group.SENDER, severity=E, source=f"{_ALL}; RFC 9989",
        title="the From domain has a DMARC record, with somebody to report to",
        remedy='publish at least `v=DMARC1; p=none; rua=mailto:…` at _dmarc of the domain',
        live=authenticity.check_dmarc_record,
    ),
    Rule(
        id="A4", group=Group.SENDER, severity=E, source=f"{_ALL}; RFC 9989",
        title="SPF or DKIM is aligned with From (an error), better both (a warning)",
        remedy="sign with a key of the From domain, and take a return path below it",
        live=authenticity.check_alignment,
    ),
    Rule(
        id="A5", group=Group.SENDER, severity=E, source="Google, Yahoo",
        title="each address has a PTR name that leads back to it and is its EHLO name",
        remedy="let whoever routes the address set its PTR record",
        live=hosts.check_names,
    ),
    Rule(
        id="A6", group=Group.SENDER, severity=E, source="Google",
        title="TLS is used wherever it is offered", remedy="set tls to opportunistic or better in shaping.yaml",
        check=hosts.check_tls,
    ),
    Rule(
        id="A7", group=Group.SENDER, severity=E, source=f"{_ALL}; DMARC policies of freemail providers",
        title="From is of a domain of yours, not of a freemail provider; From and Reply-To can receive",
        remedy="send as a domain of your own", check=hosts.check_author, live=hosts.check_author_receives,
    ),
    Rule(
        id="A8", group=Group.SENDER, severity=W, source="Yahoo, Microsoft",
        title="links of ours are https on a name of the From organisation, which answers with a good certificate",
        remedy="give web.public_url a name below the From domain", check=hosts.check_link_host,
        live=hosts.ask_link_host,
    ),
    Rule(
        id="A9", group=Group.SENDER, severity=W, source="receivers that ask block lists; RFC 5782",
        title="no address is on a block list of smtp.inbound.checks.lists",
        remedy="find out why, mend it, then ask the list to remove it", live=hosts.ask_blocklists,
    ),
    Rule(
        id="A10", group=Group.SENDER, severity=I, source=_ALL,
        title="you take part in the providers' programmes (compliance.enrolled), and the mail has a Feedback-ID",
        remedy="sign up, then name it in compliance.enrolled", check=hosts.check_programmes,
    ),
    Rule(
        id="H1", group=Group.HEADER, severity=E, source=f"{_ALL}; RFC 5322",
        title="the mail has the form of RFC 5322, and nothing of a contact becomes a header field",
        remedy="report it: the program writes the header", check=header.check_form,
    ),
    Rule(
        id="H2", group=Group.HEADER, severity=E, source="Google, Yahoo; RFC 8058",
        title="List-Unsubscribe names one https address, with List-Unsubscribe-Post, both signed",
        remedy="set unsubscribe.one_click to true and web.public_url to an https address",
        check=header.check_ways_out, mass_mail_only=True,
    ),
    Rule(
        id="H3", group=Group.HEADER, severity=E, source="Google, Yahoo; RFC 8058",
        title="POST to the one-click address unsubscribes without redirect or cookie; GET and HEAD change nothing",
        remedy="lead web.public_url to the web process without a login or a redirect before it",
        live=oneclick.try_one_click, mass_mail_only=True,
    ),
    Rule(
        id="H4", group=Group.HEADER, severity=E, source="RFC 8058 section 6",
        title="unsubscribe links are signed, one for each person, and hold no address",
        remedy="report it: the program makes the links", check=header.check_tokens, mass_mail_only=True,
    ),
    Rule(
        id="H5", group=Group.HEADER, severity=E, source=f"{_ALL}; CAN-SPAM, CASL, GDPR art. 21",
        title="every part shows a link to unsubscribe",
        remedy="use {{ unsubscribe_url }} in the templates, or set unsubscribe.footer to auto",
        check=wording.check_visible_way_out, mass_mail_only=True,
    ),
    Rule(
        id="H6", group=Group.HEADER, severity=W, source="Google; RFC 2919",
        title="mass mail names its list, transactional mail does not", remedy="add list: {id: …, name: …}",
        check=header.check_list,
    ),
    Rule(
        id="H7", group=Group.HEADER, severity=E,
        source="Google (48 h), Yahoo (2 days), CAN-SPAM (30 days), CASL (60 days)",
        title="each link leads its person out of this list, and never expires",
        remedy="report it: the program makes the links", check=header.check_opt_out, mass_mail_only=True,
    ),
    Rule(
        id="C1", group=Group.CONTENT, severity=W, source="CAN-SPAM 15 U.S.C. 7704(a)(2); filters",
        title="the subject is there, is true and does not shout",
        remedy="write what the mail is about, in 78 characters",
        check=wording.check_subject,
    ),
    Rule(
        id="C2", group=Group.CONTENT, severity=E, source="the reader",
        title="every contact gives a mail (enqueue asks one of each kind); shown fields are hardly ever blank",
        remedy="mend the template, or the contacts", check=wording.check_rendering,
    ),
    Rule(
        id="C3", group=Group.CONTENT, severity=W, source="filters; Gmail clips at 102 KiB",
        title="a text part says what the HTML says; HTML up to 102 KiB, mail up to 10 MB",
        remedy="set template.text to auto, or keep both in step", check=wording.check_parts,
    ),
    Rule(
        id="C4", group=Group.CONTENT, severity=W, source="filters; Yahoo",
        title="links are absolute, https, to names, shown as they are, and lead somewhere; no forms or scripts",
        remedy="write the address itself, with https", check=links.check_links, live=links.follow_links,
    ),
    Rule(
        id="C5", group=Group.CONTENT, severity=W, source="CAN-SPAM 15 U.S.C. 7704(a)(5), CASL s. 6(2)",
        title="the sender's postal address stands in every part",
        remedy="set compliance.postal_address; the footer shows it", check=wording.check_postal_address,
        mass_mail_only=True,
    ),
    Rule(
        id="C6", group=Group.CONTENT, severity=W, source="CAN-SPAM 15 U.S.C. 7704(a)(5); filters",
        title="nothing that can be run is attached (an error), mass mail has no attachments, advertising says so",
        remedy="link instead of attaching", check=wording.check_attachments,
    ),
    Rule(
        id="L1", group=Group.PEOPLE, severity=I, source="GDPR art. 7(1), CASL s. 13",
        title="for every contact it is kept on what ground, from where and since when",
        remedy="add the columns consent_basis, consent_source and consent_at, or say compliance.assume_consent",
        check=persons.check_consent, mass_mail_only=True,
    ),
    Rule(
        id="L2", group=Group.PEOPLE, severity=E, source=f"{_ALL}; every law on mail",
        title="nobody who bounced, complained or unsubscribed is a recipient",
        remedy="drop exclude.suppression: false", check=persons.check_suppression,
    ),
    Rule(
        id="L3", group=Group.PEOPLE, severity=W, source="bounce limits of providers",
        title="few addresses are of roles, disposable or misspelt; less than 2 % at dead domains (5 %: an error)",
        remedy="clean the list", check=persons.check_addresses, live=persons.check_destinations,
    ),
    Rule(
        id="L4", group=Group.PEOPLE, severity=I, source="Google; German and Austrian courts",
        title="people have confirmed that they are on the list (list.opt_in: double)",
        remedy="confirm new addresses by mail, then say list: {opt_in: double}", check=persons.check_double_opt_in,
        mass_mail_only=True,
    ),
    Rule(
        id="L5", group=Group.PEOPLE, severity=E, source="profiles; cannabis-us-ca: BPC 26151, 4 CCR 15040",
        title="age is affirmed, the region is served, the licence number is shown",
        remedy="see the profile", check=persons.check_licensee, mass_mail_only=True,
    ),
    Rule(
        id="L6", group=Group.PEOPLE, severity=W, source="profiles; gdpr: art. 13, art. 21, ePrivacy art. 5(3)",
        title="the controller and the privacy notice are named; nobody is tracked who did not agree",
        remedy="set compliance.controller and compliance.privacy_url, and show both", check=persons.check_privacy,
        mass_mail_only=True,
    ),
    Rule(
        id="V1", group=Group.VOLUME, severity=W, source="warm-up advice of providers",
        title="no provider gets more than twice the best of the last 7 days, or 1,000",
        remedy="send in steps", live=volume.check_growth, mass_mail_only=True,
    ),
    Rule(
        id="V2", group=Group.VOLUME, severity=E, source="Google, Yahoo",
        title="less than 0.10 % of the mail of 7 days was called spam (a warning), less than 0.30 % (an error)",
        remedy="write to fewer, and to those who read you; 7 clean days are asked for", check=volume.check_complaints,
        mass_mail_only=True,
    ),
)  # fmt: skip


def rules_for(*, is_marketing: bool) -> tuple[Rule, ...]:
    """Return the rules that concern a kind of campaign, in the order of the table."""
    return tuple(rule for rule in RULES if is_marketing or not rule.mass_mail_only)

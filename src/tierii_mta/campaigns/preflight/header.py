"""Rules about the header that goes out: its form, the ways out of the list, what a contact cannot do to it.

Owns H1, H2, H4, H6 and H7.  RFC 5322 §3.6, RFC 2369, RFC 2919, RFC 8058.  Pure.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from tierii_mta.authentication.tags import MalformedTags, parse_tags
from tierii_mta.campaigns.plate import ONE_CLICK
from tierii_mta.campaigns.preflight.case import Case, Specimen
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.mail.header import MAX_LINE_OCTETS, MalformedHeader, parse_header_block
from tierii_mta.mail.mime import parse, parse_fields
from tierii_mta.mail.tokens import Unsubscribe, open_unsubscribe

_ONCE = ("from", "date", "message-id", "subject", "to")
_AT_MOST_ONCE = ("reply-to", "mime-version", "content-type", "list-unsubscribe", "list-unsubscribe-post", "list-id")
_LINK = re.compile(r"<(https?://[^<>\s]{1,2000})>")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
INTRUDER = "X-Intruder"
MARKUP = "<script>intruder()</script>"


def one_click_urls(specimen: Specimen) -> list[str]:
    """Return the web addresses of List-Unsubscribe."""
    return _LINK.findall(specimen.field("List-Unsubscribe"))


def open_link(case: Case, url: str) -> Unsubscribe | None:
    """Return what the token of an unsubscribe link says; None: it is none of ours."""
    return open_unsubscribe(case.codec, urlsplit(url).path.rpartition("/")[2])


def check_form(case: Case) -> Iterator[Fault]:
    """H1: the header is one that RFC 5322 allows, and nothing of a contact becomes a field of it."""
    for specimen in case.specimens:
        yield from _faults_of_form(specimen, case.specification.from_address.domain)
    if case.hostile is not None:
        names = {field.name.lower() for field in parse_fields(case.hostile)}
        if INTRUDER.lower() in names:
            yield Fault(what="a line break in a contact's field becomes a header field", where=case.file)
        if MARKUP in parse(case.hostile).body_html():
            yield Fault(
                what="markup in a contact's field reaches the HTML part unescaped",
                where=case.where("template", "html"),
                severity=Severity.WARNING,
                remedy="drop `| safe` and `autoescape false` from what contacts fill in",
            )


def _faults_of_form(specimen: Specimen, domain: str) -> Iterator[Fault]:
    data = specimen.data
    try:
        fields, body = parse_header_block(data)
    except MalformedHeader as cause:
        yield Fault(what=str(cause), where=specimen.place)
        return
    names = [field.name.lower() for field in fields]
    for name in _ONCE:
        if names.count(name) != 1:
            yield Fault(what=f"the header has {names.count(name)} {name} fields instead of one", where=specimen.place)
    for name in _AT_MOST_ONCE:
        if names.count(name) > 1:
            yield Fault(what=f"the header has {names.count(name)} {name} fields", where=specimen.place)
    identity = specimen.field("Message-ID")
    if not identity.startswith("<") or not identity.endswith(f"@{domain}>"):
        yield Fault(what=f"Message-ID {identity} is not of {domain}", where=specimen.place)
    if b"\n" in data.replace(b"\r\n", b"") or b"\r" in data.replace(b"\r\n", b""):
        yield Fault(what="a line does not end in CR LF", where=specimen.place)
    longest = max(map(len, data.split(b"\r\n")))
    if longest > MAX_LINE_OCTETS:
        yield Fault(what=f"a line has {longest} octets, more than {MAX_LINE_OCTETS}", where=specimen.place)
    if not data[:body].isascii() and specimen.recipient.local.isascii():
        yield Fault(what="the header is not ASCII", where=specimen.place, severity=Severity.WARNING)


def check_ways_out(case: Case) -> Iterator[Fault]:
    """H2: List-Unsubscribe with one https address, List-Unsubscribe-Post, both under every signature."""
    if not case.specification.unsubscribe.one_click:
        yield Fault(what="one-click unsubscribing is switched off", where=case.where("unsubscribe", "one_click"))
        return
    for specimen in case.specimens[:1]:  # the fields are written by the program: one mail speaks for all
        urls = one_click_urls(specimen)
        if len(urls) != 1:
            yield Fault(what=f"List-Unsubscribe names {len(urls)} web addresses instead of one", where=specimen.place)
        for url in urls:
            host = urlsplit(url).hostname or ""
            if not url.startswith("https://"):
                severity = Severity.WARNING if host in _LOOPBACK else None
                yield Fault(what=f"{url[:60]} is not https", where="web.public_url", severity=severity)
        if specimen.field("List-Unsubscribe-Post") != ONE_CLICK:
            yield Fault(what=f"List-Unsubscribe-Post does not say {ONE_CLICK}", where=specimen.place)
        yield from _uncovered(specimen)


def _uncovered(specimen: Specimen) -> Iterator[Fault]:
    for field in specimen.mail.root.fields:
        if field.name.lower() != "dkim-signature":
            continue
        try:
            covered = {name.strip().lower() for name in parse_tags(field.octets).get("h", "").split(":")}
        except MalformedTags as cause:
            yield Fault(what=f"a DKIM-Signature cannot be read: {cause}", where=specimen.place)
            continue
        for name in ("List-Unsubscribe", "List-Unsubscribe-Post"):
            if name.lower() not in covered:
                yield Fault(what=f"a DKIM-Signature does not cover {name}", where=specimen.place)


def check_tokens(case: Case) -> Iterator[Fault]:
    """H4: the link is the recipient's own, holds no address, and cannot be made by others."""
    seen: dict[str, str] = {}
    for specimen in case.specimens:
        for url in one_click_urls(specimen):
            token = urlsplit(url).path.rpartition("/")[2]
            if str(specimen.recipient).lower() in url.lower() or "%40" in url:
                yield Fault(what="the link holds the recipient's address", where=specimen.place)
            if seen.setdefault(token, specimen.place) != specimen.place:
                yield Fault(what=f"the link is the same as that of {seen[token]}", where=specimen.place)
            forged = ("A" if token[:1] != "A" else "B") + token[1:]
            if open_unsubscribe(case.codec, forged) is not None:
                yield Fault(what="a link with another token opens as well", where=specimen.place)


def check_list(case: Case) -> Iterator[Fault]:
    """H6: mail of a list says which, and other mail is not taken for it."""
    specification = case.specification
    if specification.is_marketing and specification.mailing_list is None:
        yield Fault(what="the campaign names no list, so who unsubscribes leaves all lists", where=case.file)
    if not specification.is_marketing and specification.mailing_list is not None:
        yield Fault(
            what="transactional mail names a list",
            where=case.where("list"),
            remedy="drop `list`, and send transactional mail from an address of its own",
        )


def check_opt_out(case: Case) -> Iterator[Fault]:
    """H7: every link opens as this person's way out of this list, now and after the campaign is purged."""
    wanted = case.specification.list_id or ""
    for specimen in case.specimens:
        for url in one_click_urls(specimen):
            link = open_link(case, url)
            if link is None or link.key != specimen.person or link.list_id != wanted:
                yield Fault(
                    what="the unsubscribe link does not lead this person out of this list", where=specimen.place
                )

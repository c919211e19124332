"""DMARC policy records: which of a name's TXT records is one, and what it asks for.

Owns the syntax and the defaults of RFC 9989 §4.7 and §4.8: a tag that cannot be read counts as absent, except where
§4.10.1 says otherwise; not where records are looked for (authentication.dmarc_walk).  Pure and linear.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_TAG = re.compile(r"[A-Za-z]+")
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([A-Za-z0-9._~:/?#\[\]@$&'()*+;=%-]+)")


class Policy(StrEnum):
    """What a domain asks for, where a message of its name fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """0 for none, 2 for reject."""
        return list(Policy).index(self)

    @property
    def softened(self) -> "Policy":
        """What is applied in test mode: one step less."""
        return list(Policy)[max(self.severity - 1, 0)]


class SuffixFlag(StrEnum):
    """The `psd` tag."""

    IS_SUFFIX = "y"
    IS_ORGANISATION = "n"
    UNSAID = "u"


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """A record as it counts."""

    text: str
    policy: Policy | None  # None: none that is valid and nobody to tell, so DMARC does not apply
    subdomains: Policy | None = None  # sp
    missing: Policy | None = None  # np, for subdomains that do not exist
    suffix: SuffixFlag = SuffixFlag.UNSAID
    is_testing: bool = False  # t
    is_dkim_strict: bool = False  # adkim
    is_spf_strict: bool = False  # aspf
    reports_to: tuple[str, ...] = ()  # rua

    def policy_for(self, *, is_subdomain: bool, exists: bool) -> tuple[Policy, str]:
        """Return the policy as published, and the tag it comes from; ValueError where there is none."""
        if self.policy is None:
            raise ValueError("the record has no policy")
        if is_subdomain and not exists and self.missing is not None:
            return self.missing, "np"
        if is_subdomain and self.subdomains is not None:
            return self.subdomains, "sp"
        return self.policy, "p"


def choose_records(records: Iterable[bytes]) -> list[DmarcRecord]:
    """Return those TXT records that are DMARC records: several count as none (§4.10)."""
    return [_parse(each.decode("latin-1")) for each in records if _VERSION.match(each)]


def _parse(text: str) -> DmarcRecord:
    tags: dict[str, str] = {}
    for piece in text.split(";")[1:]:
        name, equals, value = (part.strip(" \t") for part in piece.partition("="))
        if equals and _TAG.fullmatch(name) and value.isascii() and value.isprintable():
            tags.setdefault(name.lower(), value)
    policy, subdomains, missing = _policy(tags, "p"), _policy(tags, "sp"), _policy(tags, "np")
    reports_to = tuple(_uris(tags.get("rua", "")))
    is_sound = policy is not None and ("sp" not in tags or subdomains) and ("np" not in tags or missing)
    if not is_sound:  # §4.10.1: whoever reads the reports will see it
        policy, subdomains, missing = (Policy.NONE if reports_to else None), None, None
    suffix = tags.get("psd", "").lower()
    return DmarcRecord(
        text=text,
        policy=policy,
        subdomains=subdomains,
        missing=missing,
        suffix=SuffixFlag(suffix) if suffix in set(SuffixFlag) else SuffixFlag.UNSAID,
        is_testing=tags.get("t", "").lower() == "y",
        is_dkim_strict=tags.get("adkim", "").lower() == "s",
        is_spf_strict=tags.get("aspf", "").lower() == "s",
        reports_to=reports_to,
    )


def _policy(tags: Mapping[str, str], name: str) -> Policy | None:
    value = tags.get(name, "").lower()
    return Policy(value) if value in set(Policy) else None


def _uris(text: str) -> Iterable[str]:
    """Yield the URIs that are well formed, without the obsolete size behind them."""
    for each in text.split(","):
        uri = _SIZE.sub("", each.strip(" \t"))
        found = _URI.fullmatch(uri)
        if found is None:
            continue
        local, at, domain = found[2].partition("?")[0].rpartition("@")
        if found[1].lower() != "mailto" or (local and at and domain):
            yield uri

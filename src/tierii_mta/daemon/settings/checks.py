"""Checks that need more than one key, and remarks on what is allowed but rarely meant.

Pure over a `Settings`, but for asking whether a file stands where a key says.  Keys and certificates are opened by
those who use them (daemon.assembly).
"""

from collections import Counter
from collections.abc import Iterator

from tierii_mta.daemon.settings.mailboxes import LOG
from tierii_mta.daemon.settings.model import DIRECT_MX, DomainSettings, Settings
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.tokens import is_signed_form
from tierii_mta.yaml12 import KeyPath

Problem = tuple[KeyPath, str]


def problems(settings: Settings) -> Iterator[Problem]:
    """Yield every contradiction: the key to blame and a sentence."""
    yield from _sources(settings)
    yield from _ways_out(settings)
    yield from _domains(settings)
    yield from _webhooks(settings)
    retry, web = settings.outbound.retry, settings.web
    if not retry.intervals:
        yield ("outbound", "retry", "intervals"), "needs at least one wait"
    elif retry.lifetime < retry.intervals[0]:
        yield ("outbound", "retry", "lifetime"), "ends before the first retry; lengthen it or shorten intervals"
    if web.public_listen == web.listen and web.listen.port:
        yield ("web", "public_listen"), "is web.listen as well; give one of them another port, or set it to null"
    if settings.outbound.shaping is not None and not settings.outbound.shaping.is_file():
        yield ("outbound", "shaping"), f"{settings.outbound.shaping} does not exist; write it, or remove the key"


def remarks(settings: Settings) -> Iterator[Problem]:
    """Yield what an operator should know, though it is no error."""
    web = settings.web
    if settings.domains and web.public_url is None and not settings.outbound.allow_loopback:
        yield (
            ("web", "public_url"),
            "is not set: marketing mail is refused, for its unsubscribe links would lead nowhere",
        )
    if not web.listen.is_loopback:
        yield ("web", "listen"), "is reachable from other machines: dashboard and metrics are served there too"
    if "." not in settings.hostname:
        yield ("hostname",), f"{settings.hostname} is no fully qualified name; many servers refuse such an EHLO"


def _sources(settings: Settings) -> Iterator[Problem]:
    sources = settings.outbound.sources
    counted = Counter(source.name for source in sources)
    for number, source in enumerate(sources):
        at: KeyPath = ("outbound", "sources", number)
        if counted[source.name] > 1:
            yield (*at, "name"), f"two sources are named {source.name}; names tell them apart"
        if source.address and ":" in source.address:
            yield (*at, "address"), "is an IPv6 address; it belongs in address6"
        if source.address6 and ":" not in source.address6:
            yield (*at, "address6"), "is an IPv4 address; it belongs in address"
    pools = {source.pool for source in sources}
    for name, domain in settings.domains.items():
        if sources and domain.pool not in pools:
            yield ("domains", name, "pool"), f"no source belongs to the pool {domain.pool}; see outbound.sources"


def _ways_out(settings: Settings) -> Iterator[Problem]:
    choice = settings.outbound.transport
    known = {DIRECT_MX, *settings.transports}
    if choice.use not in known:
        yield ("outbound", "transport", "use"), f"{choice.use} is none of transports; known: {', '.join(sorted(known))}"
    for number, name in enumerate(choice.fallback):
        if name not in known:
            at: KeyPath = ("outbound", "transport", "fallback", number)
            yield at, f"{name} is none of transports; known: {', '.join(sorted(known))}"
    for name, transport in settings.transports.items():
        if (transport.user is None) != (transport.password is None):
            yield ("transports", name), "user and password go together"
        if transport.password is not None and transport.tls in ("none", "opportunistic"):
            yield ("transports", name, "tls"), "would send the password in the clear; use required or verified"


def _domains(settings: Settings) -> Iterator[Problem]:
    for name, domain in settings.domains.items():
        counted = Counter(one.selector for one in domain.dkim)
        for number, one in enumerate(domain.dkim):
            if counted[one.selector] > 1:
                at: KeyPath = ("domains", name, "dkim", number, "selector")
                yield at, f"two keys have the selector {one.selector}; a selector names one key"
        yield from _mailboxes(name, domain)


def _webhooks(settings: Settings) -> Iterator[Problem]:
    known = ", ".join(sorted(settings.webhooks)) or "none yet"
    for domain, of_domain in settings.domains.items():
        for local, mailbox in of_domain.mailboxes.items():
            if mailbox.webhook is not None and mailbox.webhook not in settings.webhooks:
                at: KeyPath = ("domains", domain, "mailboxes", local, "webhook")
                yield at, f"{mailbox.webhook} is none of webhooks; known: {known}"
    for number, rule in enumerate(settings.notify):
        for target in rule.to:
            if "@" not in target and target != LOG and target not in settings.webhooks:
                at = ("notify", number, "to")
                yield at, f"{target} is neither an address, nor log, nor one of webhooks; known: {known}"


def _mailboxes(name: str, domain: DomainSettings) -> Iterator[Problem]:
    folded: dict[str, str] = {}
    for local in domain.mailboxes:
        at: KeyPath = ("domains", name, "mailboxes", local)
        if local == "*":
            continue
        try:
            key = Address.parse(f"{local}@{name}").key
        except InvalidAddress as problem:
            yield at, f"is no local part, nor *: {local}@{name} {problem}"
            continue
        if key in folded:
            yield at, f"is the same mailbox as {folded[key]}: upper and lower case are one"
        folded[key] = local
        if is_signed_form(local):
            yield at, "is written like a signed address (b+, r+, u+); name it otherwise"

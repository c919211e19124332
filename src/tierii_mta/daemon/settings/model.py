"""Every setting: its name, its default, what it means.

Owns the shape of `tierii-mta.yaml` and the checks one key can answer alone; not where values come from
(daemon.settings.sources) nor checks across keys (daemon.settings.checks).  The sample file and the reference page are
generated from here (daemon.settings.describe).  Names are a contract: add freely, never rename.
"""

import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from tierii_mta.daemon.settings.front_door import SmtpSettings, TlsSettings
from tierii_mta.daemon.settings.mailboxes import MailboxesSettings, MailboxSettings, NotifySettings, WebhookSettings
from tierii_mta.daemon.settings.section import Section, key, required
from tierii_mta.daemon.settings.values import (
    Count,
    Domain,
    Duration,
    Endpoint,
    File,
    IpAddress,
    Listen,
    Nameserver,
    Port,
    Size,
    Switch,
    Wait,
    is_loopback,
)

MIN_SECRET_CHARACTERS = 16
DIRECT_MX = "direct-mx"
Programme = Literal["google-postmaster-tools", "yahoo-cfl", "microsoft-jmrp", "microsoft-snds"]


class DnsSettings(Section):
    nameservers: tuple[Nameserver, ...] = key((), 'servers to ask, "address" or "address:port"; [] = the system\'s')
    timeout: Wait = key(timedelta(seconds=5), "how long one look-up may take")


class DkimSettings(Section):
    selector: Domain = required("the selector; the public key stands at SELECTOR._domainkey.DOMAIN")
    key: File = required("private key file, PEM; RSA or Ed25519")


class DomainSettings(Section):
    dkim: tuple[DkimSettings, ...] = key((), "keys that sign mail of this domain; every key listed signs")
    return_path: Domain | None = key(None, "domain of return paths (VERP); null = the domain itself")
    reply_domain: Domain | None = key(None, "domain of tracked reply addresses; null = return_path")
    pool: str = key("default", "the pool of sources that sends for this domain")
    mailboxes: Mapping[str, MailboxSettings] = key(
        {}, "local part (or * for all others) that mail is taken for; postmaster and abuse always are"
    )


class SourceSettings(Section):
    name: str = required("name of the source, for shaping and `why`")
    address: IpAddress | None = key(None, "IPv4 address to send from; null = the kernel's choice")
    address6: IpAddress | None = key(None, "IPv6 address to send from; null = the kernel's choice")
    ehlo: Domain | None = key(None, "EHLO name; null = hostname. Should resolve to the address and back")
    pool: str = key("default", "the pool it belongs to")
    weight: Count = key(1, "its share within the pool")


class RetrySettings(Section):
    intervals: tuple[Wait, ...] = key(
        tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240, 480)),
        "wait after attempt 1, 2, ...; the last one repeats",
    )
    lifetime: Wait = key(timedelta(days=5), "from acceptance; past it the delivery has expired")
    delay_warning: Duration = key(
        timedelta(hours=4), "when the sender of submitted mail learns that it is late; 0 = never"
    )


class DsnSettings(Section):
    intervals: tuple[Wait, ...] = key(
        tuple(timedelta(minutes=minutes) for minutes in (15, 60, 240, 480)),
        "wait after attempt 1, 2, ... of mail from the null sender; the last one repeats",
    )
    lifetime: Wait = key(timedelta(days=1), "from making a notification; past it the sender is not told")


class InDoubtSettings(Section):
    submission: Literal["resend", "complete"] = key("resend", "submitted mail whose final reply never came")
    campaign: Literal["resend", "complete"] = key("complete", "campaign mail whose final reply never came")
    wait: Duration = key(timedelta(minutes=30), "how long before it is resent")


class TimeoutSettings(Section):
    connect: Wait = key(timedelta(seconds=30), "to reach an address; 10 s at most while the host has others")
    greeting: Wait = key(timedelta(seconds=60), "for the greeting")
    ehlo: Wait = key(timedelta(minutes=5), "for the answer to EHLO or HELO")
    starttls: Wait = key(timedelta(seconds=60), "for the answer to STARTTLS and, again, for the handshake")
    mail: Wait = key(timedelta(minutes=5), "for the answer to MAIL")
    rcpt: Wait = key(timedelta(minutes=5), "for the answer to RCPT")
    data: Wait = key(timedelta(minutes=2), "for the answer to DATA")
    body: Wait = key(timedelta(minutes=3), "without a piece of the message going out")
    dot: Wait = key(timedelta(minutes=10), "for the answer to the final dot; past it the message is in doubt")


class TransportChoice(Section):
    use: str = key(DIRECT_MX, "direct-mx, or the name of one of `transports`")
    fallback: tuple[str, ...] = key((), "transports to try when `use` cannot be used", later=True)


class OutboundSettings(Section):
    port: Port = key(25, "the port dialled at MX hosts (tests use another)")
    allow_loopback: Switch = key(
        False, "unless true, a loopback or own address as MX is a permanent failure 5.4.6 (tests, demo: true)"
    )
    sources: tuple[SourceSettings, ...] = key(
        (),
        "addresses we send from; [] = the kernel's, with hostname as EHLO name",
        example="sources: [{name: main, address: 203.0.113.5, ehlo: mta.example.com, pool: default, weight: 1}]",
    )
    retry: RetrySettings = key(RetrySettings(), "when deferred mail is tried again")
    dsn: DsnSettings = key(DsnSettings(), "when notifications of senders (DSN) are tried again")
    in_doubt: InDoubtSettings = key(
        InDoubtSettings(), "the final dot was written and no final reply came (RFC 1047): resend or complete"
    )
    timeouts: TimeoutSettings = key(
        TimeoutSettings(), "how long a host may take for each step of a session (RFC 5321 section 4.5.3.2)"
    )
    transport: TransportChoice = key(TransportChoice(), "the way out")
    shaping: File | None = key(
        None, "file merged over the shipped shaping; null = shaping.yaml beside this file, if any"
    )
    drain: Duration = key(timedelta(seconds=30), "how long a stop waits for deliveries that are on the wire")


class TransportSettings(Section):
    host: str = required("the relay's name or address")
    port: Port = key(587, "its port")
    tls: Literal["none", "opportunistic", "required", "verified"] = key(
        "required", "none, opportunistic, required, verified"
    )
    user: str | None = key(None, "user name for AUTH; null = none")
    password: SecretStr | None = key(None, "its password")


class WebSettings(Section):
    listen: Listen = key(Endpoint("127.0.0.1", 8025), "dashboard, API, health and metrics")
    public_listen: Listen | None = key(
        None, "only /c /o /u /p /v /healthz; null = they stay on web.listen", example="public_listen: 0.0.0.0:8026"
    )
    public_url: str | None = key(
        None,
        "what links in mails begin with, https; null = no marketing mail (with outbound.allow_loopback: web.listen)",
        example="public_url: https://mail.example.com",
    )
    hosts: tuple[str, ...] = key(
        (), "further Host names web.listen answers to; hostname, public_url's, localhost and IP addresses always are"
    )

    @field_validator("public_url")
    @classmethod
    def _is_https_or_loopback(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.query or parts.fragment or parts.username or not parts.hostname:
            raise ValueError("must be https://HOST, without user, query or fragment")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("must begin with https:// (http:// only to loopback): mailbox providers refuse plain http")
        return url.rstrip("/")

    @property
    def base_url(self) -> str:
        """What links begin with, without a final slash."""
        return self.public_url or f"http://{self.public_listen or self.listen}"


class StorageSettings(Section):
    reserve: Size = key(
        500_000_000,
        "with less free space below data_dir nothing is accepted (452 4.3.1, exit 75) and delivery goes on; "
        "0 = accept until the disk is full. PostgreSQL looks after its own disk",
        example="reserve: 500MB",
    )


class RetentionSettings(Section):
    events: Wait = key(timedelta(days=90), "how long events are kept")
    deliveries: Wait = key(timedelta(days=400), "how long final deliveries are kept")
    bodies: Wait = key(timedelta(days=7), "how long bodies of finished submitted mail are kept", later=True)
    inbox: Wait = key(timedelta(days=365), "how long received mail is kept")


class FeedsSettings(Section):
    allow: tuple[str, ...] = key(
        (),
        "hosts and networks that http feeds of campaigns may reach besides the public Internet",
        example="allow: [crm.internal, 10.1.0.0/16]",
    )


class ComplianceSettings(Section):
    postal_address: str | None = key(None, "the sender's postal address, for footers")
    preflight: Literal["offline", "enforce"] = key(
        "offline", "offline: enqueue refuses for rules that need no network; enforce: for all of `check`"
    )
    enrolled: tuple[Programme, ...] = key(
        (),
        "programmes of providers that you take part in, for `check`",
        example="enrolled: [google-postmaster-tools, yahoo-cfl, microsoft-jmrp, microsoft-snds]",
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = key("info", "debug, info, warning, error")
    format: Literal["json", "console"] = key("json", "json, console")
    recipients: Literal["masked", "full"] = key("masked", "whether logs show recipients; level debug always does")


def _machine_name() -> str:
    return socket.gethostname()


class Settings(Section):
    """All of it. Values are final: paths are absolute, references resolved."""

    hostname: Domain = Field(
        default_factory=_machine_name,
        description="EHLO name, Received, Message-ID fallback; default: the machine's name",
        json_schema_extra={"example": "hostname: mta.example.com", "later": False},
    )
    data_dir: File = key("/var/lib/tierii-mta", "database, secret, spool, control.sock, daemon.lock")
    database: str = key("sqlite", "sqlite (in data_dir) or postgresql://user@host/db")
    secret: SecretStr | None = key(
        None,
        "every token key derives from it; null = created once as data_dir/secret, 0600",
        example='secret: "${file:/etc/tierii-mta/secret}"',
    )
    dns: DnsSettings = key(DnsSettings(), "how names are looked up")
    domains: Mapping[Domain, DomainSettings] = key(
        {},
        "what we send as and receive for",
        example="""\
domains:
  example.com:
    dkim: [{selector: s1, key: keys/example.com.s1.pem}]
    return_path: bounce.example.com
    pool: default
    mailboxes:
      sales: {maildir: /var/mail/sales}
      "*": {maildir: /var/mail/catchall}""",
    )
    smtp: SmtpSettings = key(SmtpSettings(), "mail we take in")
    mailboxes: MailboxesSettings = key(MailboxesSettings(), "how received mail gets into its mailboxes")
    webhooks: Mapping[str, WebhookSettings] = key(
        {},
        "addresses that documents are posted to, by name",
        example="""\
webhooks:
  crm: {url: "https://crm.example.com/mail", secret: "${env:CRM_SECRET}"}""",
    )
    tls: TlsSettings | None = key(
        None,
        "our certificate; without it submission needs loopback",
        example="tls: {certificate: cert.pem, key: key.pem}",
    )
    outbound: OutboundSettings = key(OutboundSettings(), "mail we send")
    transports: Mapping[str, TransportSettings] = key(
        {},
        "ways out other than direct-mx",
        example="""\
transports:
  smarthost: {host: smtp.example.net, port: 587, tls: required, user: u, password: "${env:RELAY_PASSWORD}"}""",
        later=True,
    )
    web: WebSettings = key(WebSettings(), "the web child process")
    storage: StorageSettings = key(StorageSettings(), "where it is kept")
    retention: RetentionSettings = key(RetentionSettings(), "how long rows are kept")
    feeds: FeedsSettings = key(FeedsSettings(), "where contacts come from")
    compliance: ComplianceSettings = key(ComplianceSettings(), "rules of mass mail")
    notify: tuple[NotifySettings, ...] = key(
        (),
        "who is told of what",
        example="notify: [{when: [guard, lane, disk], to: ops@example.com, at_least: high}]",
    )
    log: LogSettings = key(LogSettings(), "logs go to stderr")

    @field_validator("database")
    @classmethod
    def _is_sqlite_or_postgresql(cls, value: str) -> str:
        if value != "sqlite" and not value.startswith("postgresql://"):
            raise ValueError("must be sqlite, or begin with postgresql://")
        return value

    @field_validator("secret")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_CHARACTERS:
            raise ValueError(
                f"is shorter than {MIN_SECRET_CHARACTERS} characters; make one with `openssl rand -hex 32`"
            )
        return value

    def return_path(self, domain: str) -> str:
        """Return the domain of return paths for mail of `domain`, which must be one of `domains`."""
        return self.domains[domain].return_path or domain

    def reply_domain(self, domain: str) -> str:
        """Return the domain of tracked reply addresses for mail of `domain`, which must be one of `domains`."""
        return self.domains[domain].reply_domain or self.return_path(domain)

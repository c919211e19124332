"""The settings of mail we take in: listeners, what they bear, and our certificate.

Owns the sections `smtp` and `tls`; the rest of the file is daemon.settings.model.
"""

from datetime import timedelta
from ipaddress import ip_network
from typing import Literal

from tierii_mta.daemon.settings.screening import ChecksSettings
from tierii_mta.daemon.settings.section import Section, key, required
from tierii_mta.daemon.settings.values import Count, Duration, Endpoint, File, Listen, Network, Size, Wait


class InboundSettings(Section):
    listen: tuple[Listen, ...] = key((Endpoint("0.0.0.0", 25),), "where other servers hand in mail; [] = nowhere")  # noqa: S104
    eol: Literal["reject", "normalize"] = key(
        "reject", "bare CR or LF in a message: reject (550 5.6.11), or normalize to CR LF; NUL is always refused"
    )
    greeting_delay: Duration = key(
        timedelta(0), "wait before the greeting; who talks first is no mail server and is refused"
    )
    unknown_recipients: Count = key(
        20, "unknown recipients an address may name in an hour; from then on its sessions end (harvesting)"
    )
    check_timeout: Wait = key(
        timedelta(seconds=30), "for the checks of a message; those not done by then are left out, with a note"
    )
    checks: ChecksSettings = key(ChecksSettings(), "what is found out about a message and its sender")


class SubmissionSettings(Section):
    listen: tuple[Listen, ...] = key((Endpoint("0.0.0.0", 587),), "submission with STARTTLS; [] = nowhere")  # noqa: S104
    tls_listen: tuple[Listen, ...] = key((Endpoint("0.0.0.0", 465),), "submission over TLS; [] = nowhere")  # noqa: S104
    eol: Literal["reject", "normalize"] = key("normalize", "as smtp.inbound.eol")
    plaintext_auth: Literal["never", "loopback"] = key(
        "never", "AUTH without TLS: never, or loopback: on listeners of loopback addresses"
    )


class LimitSettings(Section):
    message_size: Size = key(25_000_000, "largest message taken in", example="message_size: 25MB")
    recipients: Count = key(1000, "recipients of one message")
    messages: Count = key(100, "messages of one session on port 25; ten times as many once authenticated")
    line: Count = key(2000, "octets of a line of a message, without its end; a longer one is refused")
    header: Size = key(100_000, "octets of a message's header", example="header: 100KB")
    errors: Count = key(20, "refused commands of one session before it ends")
    connections: Count = key(10_000, "open sessions in all")
    connections_per_ip: Count = key(50, "open sessions of one address (IPv6: /64)")
    connections_per_network: Count = key(150, "open sessions of one network (IPv4: /24, IPv6: /48)")
    connection_rate: Count = key(300, "new sessions of one address in a minute; three times as many of its network")
    messages_rate: Count = key(500, "messages of one address in a minute on port 25")
    auth_failures: Count = key(10, "failed logins of one address in a minute, or five times as many a day: a ban")
    ban: Wait = key(timedelta(hours=1), "how long an address stays out after too many failed logins or harvesting")
    command_timeout: Wait = key(timedelta(minutes=5), "silence in place of a command; 10 s while sessions are short")
    session_timeout: Wait = key(timedelta(hours=2), "a whole session")
    message_timeout: Wait = key(timedelta(minutes=30), "from DATA to the final dot")
    data_rate: Count = key(500, "octets a second that a message must bring, after a minute's grace")
    exempt: tuple[Network, ...] = key(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        "networks of which only `connections` is counted: no other count of addresses, no ban, no greeting_delay",
    )


class SmtpSettings(Section):
    inbound: InboundSettings = key(InboundSettings(), "port 25")
    submission: SubmissionSettings = key(SubmissionSettings(), "ports 587 and 465")
    limits: LimitSettings = key(LimitSettings(), "bounds of what is taken in")


class TlsSettings(Section):
    certificate: File = required("certificate chain, PEM")
    key: File = required("private key, PEM")

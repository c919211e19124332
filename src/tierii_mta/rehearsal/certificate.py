"""A self-made certificate, so that STARTTLS can be rehearsed without an authority.

Owns making one key and certificate for some names and addresses, and the server's TLS context; nobody is meant to
trust it beyond this run.  The key touches a temporary file, 0600, only as long as OpenSSL needs to read it.
"""

import ssl
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tierii_mta.clock import Instant, to_datetime

_LIFETIME = timedelta(days=30)


def make_certificate(names: Sequence[str], *, now: Instant) -> tuple[bytes, bytes]:
    """Return a self-signed P-256 certificate and its key, both PEM, for these host names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    today = to_datetime(now)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))  # clocks of peers differ
        .not_valid_after(today + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def server_context(files: tuple[Path, Path] | None, *, names: Sequence[str], now: Instant) -> ssl.SSLContext:
    """Return a server context from PEM files, or from a certificate made now where there are none.

    Raises OSError (ssl.SSLError included) for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a client that hangs up at once would see a reset while tickets are written
    if files:
        context.load_cert_chain(*files)
        return context
    with tempfile.NamedTemporaryFile(prefix="sink-", suffix=".pem") as file:
        file.write(b"".join(make_certificate(names, now=now)))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)

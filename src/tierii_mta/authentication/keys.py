"""DKIM key pairs: making them, and the DNS record that publishes one.

Owns the PEM form of private keys and the text of the key record; signing with them is authentication.dkim.
RFC 6376 §3.6.1, RFC 8463 §4 (an Ed25519 record holds the bare 32 octets), RFC 8301 (RSA of 2048 bits).
"""

import base64
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tierii_mta.errors import ConfigurationError

RSA_BITS = 2048  # longer ones do not fit into one TXT string of many DNS panels, and not all receivers check them


class KeyKind(StrEnum):
    """What a key signs with."""

    RSA = "rsa"
    ED25519 = "ed25519"


def generate_key(kind: KeyKind) -> bytes:
    """Return a new private key, PEM, PKCS #8, not encrypted."""
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        if kind is KeyKind.RSA
        else ed25519.Ed25519PrivateKey.generate()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def dns_record(key: bytes, *, where: str | None = None) -> str:
    """Return the TXT record that publishes a private key's public half.

    Raises `ConfigurationError` for what is no RSA or Ed25519 key in PEM; `where` names its file.
    """
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise ConfigurationError("is no private key in PEM", where=where, remedy="make one with `dkim new`") from cause
    if isinstance(private, rsa.RSAPrivateKey):
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
    raise ConfigurationError("is neither an RSA nor an Ed25519 key", where=where, remedy="make one with `dkim new`")

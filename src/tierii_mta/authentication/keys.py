"""DKIM keys: made, loaded, published and read back from the DNS.

Owns private keys in PEM and the key record of RFC 6376 §3.6.1 for RSA and Ed25519 (RFC 8463); not which domain uses
which key (the settings).  RSA below 1024 bits neither signs nor verifies (RFC 8301 §3.2).  Touches: the key file.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from tierii_mta.authentication.tags import MalformedTags, names, need_octets, parse_tags
from tierii_mta.errors import ConfigurationError

MIN_RSA_BITS = 1024
MAX_RSA_BITS = 8192  # what a stranger's key may cost us
NEW_RSA_BITS = 2048
_DIGEST = Prehashed(hashes.SHA256())
_PADDING = padding.PKCS1v15()


class KeyKind(StrEnum):
    """The `k=` of a key record."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key and where its public half is published."""

    domain: str  # d=, in A-labels
    selector: str  # s=
    private_key: rsa.RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, domain: str, selector: str, path: Path) -> Self:
        """Read an unencrypted PEM file; raises `ConfigurationError` that says what to do."""
        try:
            pem = path.read_bytes()
        except FileNotFoundError as cause:
            raise ConfigurationError(
                "the DKIM key does not exist",
                where=str(path),
                remedy=f"make one with `tierii-mta dkim new {domain} --selector {selector}`",
            ) from cause
        except OSError as cause:
            raise ConfigurationError(
                f"the DKIM key cannot be read: {cause.strerror}",
                where=str(path),
                remedy="let the owner of data_dir read it",
            ) from cause
        return cls(domain, selector, load_private_key(pem, where=str(path)))

    @property
    def kind(self) -> KeyKind:
        """RSA or Ed25519."""
        return KeyKind.RSA if isinstance(self.private_key, rsa.RSAPrivateKey) else KeyKind.ED25519

    @property
    def algorithm(self) -> str:
        """The `a=` of its signatures."""
        return f"{self.kind}-sha256"

    @property
    def dns_name(self) -> str:
        """Where its record is published."""
        return f"{self.selector}._domainkey.{self.domain}"

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature over a SHA-256 digest. RSA takes its time without the interpreter lock."""
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(digest, _PADDING, _DIGEST)
        return self.private_key.sign(digest)  # RFC 8463 §3: PureEdDSA over the digest


def load_private_key(pem: bytes, *, where: str | None = None) -> rsa.RSAPrivateKey | Ed25519PrivateKey:
    """Return the key in a PEM text; raises `ConfigurationError` for anything but RSA ≥ 1024 bits and Ed25519."""
    remedy = "make one with `tierii-mta dkim new DOMAIN`"
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as cause:
        raise ConfigurationError(
            "the DKIM key is encrypted", where=where, remedy="store it without a passphrase, mode 0600"
        ) from cause
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise ConfigurationError("is not a private key in PEM format", where=where, remedy=remedy) from cause
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise ConfigurationError(
                f"the RSA key has {key.key_size} bits, and receivers refuse less than {MIN_RSA_BITS} (RFC 8301)",
                where=where,
                remedy=remedy,
            )
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ConfigurationError("the DKIM key is neither RSA nor Ed25519", where=where, remedy=remedy)


def generate_key(kind: KeyKind, *, rsa_bits: int = NEW_RSA_BITS) -> bytes:
    """Return a new private key as unencrypted PKCS #8 in PEM."""
    key: rsa.RSAPrivateKey | Ed25519PrivateKey
    if kind is KeyKind.RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    else:
        key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dns_record(pem: bytes) -> str:
    """Return the text of the TXT record to publish for a private key in PEM; raises `ConfigurationError`."""
    key = load_private_key(pem)
    if isinstance(key, Ed25519PrivateKey):
        octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode('ascii')}"
    octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode('ascii')}"


class KeyRevoked(ValueError):
    """The record's `p=` is empty."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a key record says."""

    key: rsa.RSAPublicKey | Ed25519PublicKey
    hashes: tuple[str, ...]  # empty: any
    services: tuple[str, ...]
    flags: frozenset[str]

    @property
    def kind(self) -> KeyKind:
        """RSA or Ed25519."""
        return KeyKind.RSA if isinstance(self.key, rsa.RSAPublicKey) else KeyKind.ED25519

    @property
    def bits(self) -> int:
        """The size people speak of: of the modulus, or 256."""
        return self.key.key_size if isinstance(self.key, rsa.RSAPublicKey) else 256

    @property
    def is_testing(self) -> bool:
        """The domain only tries DKIM (`t=y`)."""
        return "y" in self.flags

    @property
    def is_strict(self) -> bool:
        """`i=` must be of this very domain (`t=s`)."""
        return "s" in self.flags

    def verify_digest(self, signature: bytes, digest: bytes) -> None:
        """Raise cryptography's `InvalidSignature` unless the signature over a SHA-256 digest is good."""
        if isinstance(self.key, rsa.RSAPublicKey):
            self.key.verify(signature, digest, _PADDING, _DIGEST)
        else:
            self.key.verify(signature, digest)


@lru_cache(maxsize=256)  # most mail is signed by few
def parse_record(record: bytes) -> PublicKey:
    """Read a key record; raises `MalformedTags`, or `KeyRevoked`."""
    tags = parse_tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise MalformedTags("is not of version DKIM1")
    if tags.get("p") == "":
        raise KeyRevoked("the key is revoked")
    kind = tags.get("k", "rsa").lower()
    if kind not in set(KeyKind):
        raise MalformedTags(f"has a key of the unknown kind {kind[:20]!r}")
    return PublicKey(
        _read_public_key(tags, KeyKind(kind)),
        tuple(names(tags["h"])) if "h" in tags else (),
        tuple(names(tags.get("s", "*"))),
        frozenset(names(tags.get("t", ""))),
    )


def _read_public_key(tags: Mapping[str, str], kind: KeyKind) -> rsa.RSAPublicKey | Ed25519PublicKey:
    octets = need_octets(tags, "p")
    try:
        if kind is KeyKind.ED25519:
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise MalformedTags("holds no readable public key") from cause
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedTags("holds a key that is not RSA")
    return key

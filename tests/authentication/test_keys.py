"""Keys: what is made can be loaded and published; what is wrong is said with its remedy."""

from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tierii_mta.authentication.keys import (
    DkimKey,
    KeyKind,
    KeyRevoked,
    dns_record,
    generate_key,
    load_private_key,
    parse_record,
)
from tierii_mta.authentication.tags import MalformedTags
from tierii_mta.errors import ConfigurationError

WEAK_RSA = b"""-----BEGIN RSA PRIVATE KEY-----
MIIBygIBAAJhAMssNQ2hrkbx5hE5uz9Oh8Jy/4kdaQo+3J/kkifiByD4LspJWrWA
KfiJlmNSRaJPTTTzYHQKqbJpAUHfDOAwvs3QxDd7NosiomA8yEp76nwDQ/h7p2YT
pbvc4MWCc/ChMQIDAQABAmBh1Wm+pKpNE1Kb3NbjxybsZX/TQMxB2L9YZzJR7i9M
mvW9BtGdMJgFTAuUzBsn61L/NpCyvOo5lg4kGiw2QL9GzGngzsKKBDCcCBoMJsgH
xgFXZZgDV7anZZFeoN/gEdkCMQD/C4UQ62+bk876rM4aEUmwqLPxbi0ThNnlTFAA
b7geEE4q0HLnLGfWXhoRphj2GgcCMQDL7va/Je+VhkS1GILhFF0v4bG1rwo1Dybr
PJviAxPL2c3EZbCJnQhliLL49Qtb/QcCMDqIqUx9zEqXfLxZZp/i8deikFHLqHq/
VcbjYcUH3ui/c0EuQADAV0CCrlb4mOf6hwIxAMRqXwsRraS1El3dwsioRWyFkxSr
B0i9VD3DPVw8nId9OpsLWjHgpiKsu7vev9cUZwIwZTeVWWlBIAljXMOr4GSFnohW
tagatj9El+hlSSDPrbVag5QVHCgt2tjaqF2AtbaE
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(("kind", "bits"), [(KeyKind.RSA, 2048), (KeyKind.ED25519, 256)])
def test_a_new_key_loads_and_its_record_holds_its_public_half(tmp_path: Path, kind: KeyKind, bits: int) -> None:
    pem = generate_key(kind)
    path = tmp_path / "s1.pem"
    path.write_bytes(pem)
    key = DkimKey.load("example.com", "s1", path)
    assert key.dns_name == "s1._domainkey.example.com"
    assert key.algorithm == f"{kind}-sha256"
    public = parse_record(dns_record(pem).encode())
    assert (public.kind, public.bits) == (kind, bits)
    public.verify_digest(key.sign_digest(b"d" * 32), b"d" * 32)
    assert dkim.evaluate_pk("s1", dns_record(pem))[1] == bits


def test_a_key_keeps_its_secret_out_of_its_repr() -> None:
    key = DkimKey("example.com", "s1", Ed25519PrivateKey.generate())
    assert repr(key) == "DkimKey(domain='example.com', selector='s1')"


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"s1\.pem: .*not exist; .*`tierii-mta dkim new example\.com"
    ) as caught:
        DkimKey.load("example.com", "s1", tmp_path / "s1.pem")
    assert caught.value.exit_code == 78


def test_a_folder_in_place_of_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        DkimKey.load("example.com", "s1", tmp_path)


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("pem", "what"),
    [
        (b"", "not a private key in PEM format; make one"),
        (b"-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n", "not a private key in PEM format"),
        (WEAK_RSA, "the RSA key has 768 bits, and receivers refuse less than 1024"),
        (private_pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
        (private_pem(ec.generate_private_key(ec.SECP256R1()), b"word"), "encrypted; store it without a passphrase"),
    ],
)
def test_a_key_that_cannot_sign_is_a_configuration_error(pem: bytes, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        load_private_key(pem, where="s1.pem")


ED25519 = b"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_a_record_says_what_the_key_is_for() -> None:
    public = parse_record(b"v=DKIM1; k=ed25519; h=sha1 : SHA256; s=email; t=y:s; n=a note; " + ED25519)
    assert public.hashes == ("sha1", "sha256")
    assert public.services == ("email",)
    assert public.is_testing
    assert public.is_strict


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"v=DKIM2; k=ed25519; " + ED25519,
        b"k=ed25519; v=DKIM1; " + ED25519,
        b"k=dsa; " + ED25519,
        b"k=rsa; " + ED25519,
        b"k=ed25519; p=AAAA",
        b"k=ed25519; p=not base64!",
        b"k=ed25519; " + ED25519 + b"; " + ED25519,
        b"k=ed25519",
        b"\xff\xfe",
        b"no tags at all",
    ],
)
def test_a_malformed_record_is_refused(record: bytes) -> None:
    with pytest.raises(MalformedTags):
        parse_record(record)


def test_an_empty_key_is_revoked() -> None:
    with pytest.raises(KeyRevoked):
        parse_record(b"v=DKIM1; p=")

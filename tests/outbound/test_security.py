"""TLS policy: what may follow a TLS failure, and what the contexts insist on."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.support.clock import ManualClock
from tierii_mta.outbound.security import BrokenTls, TlsContexts, TlsPolicy, fallback


@pytest.mark.parametrize(
    ("policy", "after_a_failure"),
    [
        (TlsPolicy.OPPORTUNISTIC, TlsPolicy.NONE),
        (TlsPolicy.REQUIRED, None),
        (TlsPolicy.VERIFIED, None),
        (TlsPolicy.NONE, None),
    ],
)
def test_plaintext_follows_a_tls_failure_only_when_opportunistic(
    policy: TlsPolicy, after_a_failure: TlsPolicy | None
) -> None:
    assert fallback(policy) is after_a_failure


def test_only_the_verified_policy_checks_certificate_and_name() -> None:
    contexts = TlsContexts()
    for policy in (TlsPolicy.OPPORTUNISTIC, TlsPolicy.REQUIRED):
        assert contexts.context(policy).verify_mode is ssl.CERT_NONE
        assert not contexts.context(policy).check_hostname
    assert contexts.context(TlsPolicy.VERIFIED).verify_mode is ssl.CERT_REQUIRED
    assert contexts.context(TlsPolicy.VERIFIED).check_hostname


def test_no_policy_speaks_less_than_tls_1_2() -> None:
    contexts = TlsContexts()
    for policy in TlsPolicy:
        assert contexts.context(policy).minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_file_of_authorities_replaces_the_systems(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    assert len(TlsContexts(ca_file=ca_file).context(TlsPolicy.VERIFIED).get_ca_certs()) == 1


def test_only_required_and_verified_need_a_host_with_starttls() -> None:
    assert [policy for policy in TlsPolicy if policy.requires_tls] == [TlsPolicy.REQUIRED, TlsPolicy.VERIFIED]
    assert [policy for policy in TlsPolicy if not policy.wants_tls] == [TlsPolicy.NONE]


def test_broken_tls_is_remembered_for_so_many_addresses_and_weakens_no_stricter_policy() -> None:
    broken = BrokenTls(ManualClock(), entries=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        broken.note(address)
    wanted = TlsPolicy.OPPORTUNISTIC
    policies = [broken.policy(f"192.0.2.{number}", wanted) for number in (1, 2, 3)]
    assert policies == [wanted, TlsPolicy.NONE, TlsPolicy.NONE]
    assert broken.policy("192.0.2.3", TlsPolicy.REQUIRED) is TlsPolicy.REQUIRED
    assert broken.policy("192.0.2.3", TlsPolicy.VERIFIED) is TlsPolicy.VERIFIED

"""What the settings mean: checks, errors with line and key, what `config show` prints, what a child receives."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tierii_mta import shipped, yaml12
from tierii_mta.daemon.settings import LoadedSettings, Settings, SettingsError, describe, load_settings, settings_from
from tierii_mta.inbound.checks import Decision

TREE = Path(__file__).parents[2]
MINIMAL: dict[str, Any] = {"hostname": "mta.example.com"}
HOOK = {"url": "https://crm.example/mail", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

OPENSSL = "`openssl rand -base64 32`"


def problems(**keys: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_from(MINIMAL | keys, Path("/etc/tierii-mta"))
    return [problem.removeprefix("given: ") for problem in caught.value.problems]


def test_an_unknown_key_names_file_line_and_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "tierii-mta.yaml"
    file.write_text("hostname: mta.example.com\nweb:\n  lisen: 127.0.0.1:1\ndomains:\n  example.com: {dkm: []}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, (), {})
    assert caught.value.problems == (
        f"{file}:5: domains.example.com.dkm is no setting; did you mean domains.example.com.dkim?",
        f"{file}:3: web.lisen is no setting; did you mean web.listen?",
    )


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"hostname": 5}, "hostname: must be a domain name"),
        ({"hostname": "a_b"}, "hostname: has a malformed domain: a_b"),
        ({"data_dir": 5}, "data_dir: must be a path"),
        ({"database": "mysql://x"}, "database: must be sqlite, or begin with postgresql://"),
        ({"secret": "short"}, "secret: is shorter than 16 characters; make one with `openssl rand -hex 32`"),
        (
            {"retention": {"events": "5x"}},
            "retention.events: '5x' is not a duration; write for instance 30s, 5m, 2h or 5d",
        ),
        ({"retention": {"events": "0s"}}, "retention.events: must be longer than nothing"),
        ({"outbound": {"port": "smtp"}}, "outbound.port: must be a whole number"),
        ({"outbound": {"port": True}}, "outbound.port: must be a whole number"),
        ({"outbound": {"allow_loopback": "yes"}}, "outbound.allow_loopback: must be true or false"),
        ({"outbound": []}, "outbound: must hold keys and values"),
        ({"outbound": {"retry": {"intervals": []}}}, "outbound.retry.intervals: needs at least one wait"),
        ({"dns": {"nameservers": "x"}}, "dns.nameservers: must be a list"),
        ({"log": {"level": "loud"}}, "log.level: must be one of 'debug', 'info', 'warning', 'error'"),
        (
            {"smtp": {"inbound": {"checks": {"weights": {"spf_failed": 1}}}}},
            "smtp.inbound.checks.weights: spf_failed is no rule; see docs/operate/checks.md",
        ),
        (
            {"smtp": {"inbound": {"checks": {"weights": {"spf_temperror": 1}}}}},
            "smtp.inbound.checks.weights: spf_temperror is a note, which weighs nothing",
        ),
        (
            {"smtp": {"inbound": {"checks": {"weights": {"spf_fail": "accept"}}}}},
            "smtp.inbound.checks.weights.spf_fail: must be a number from -100 to 100, or quarantine, or reject",
        ),
        (
            {"smtp": {"inbound": {"checks": {"thresholds": {"greylist": 7}}}}},
            "smtp.inbound.checks.thresholds: must rise: greylist, quarantine, reject",
        ),
        (
            {
                "smtp": {
                    "inbound": {"checks": {"lists": [{"zone": "a.example", "weight": 1, "answers": ["10.0.0.0/8"]}]}}
                }
            },
            "smtp.inbound.checks.lists[0].answers: must lie in 127.0.0.0/8",
        ),
        (
            {"smtp": {"inbound": {"checks": {"lists": [{"zone": "a.example", "weight": 1}] * 2}}}},
            "smtp.inbound.checks.lists: names a zone twice",
        ),
        (
            {"smtp": {"inbound": {"checks": {"rspamd": {"url": "127.0.0.1:11333"}}}}},
            "smtp.inbound.checks.rspamd.url: must begin with http:// or https://",
        ),
        ({"domains": {"a b": {}}}, "domains.a b: has a malformed domain: a b"),
        ({"domains": {"a.example": {"dkim": [{"selector": "s"}]}}}, "domains.a.example.dkim[0].key: is missing"),
        (
            {"transports": {"a": {"host": "h", "user": 1, "password": "p"}}},
            "transports.a.user: must be text; put it in quotes",
        ),
        ({"transports": {"a": {"host": "h", "user": "u"}}}, "transports.a: user and password go together"),
        (
            {"transports": {"a": {"host": "h", "user": "u", "password": "p", "tls": "opportunistic"}}},
            "transports.a.tls: would send the password in the clear; use required or verified",
        ),
        (
            {"outbound": {"transport": {"use": "smarthost"}}},
            "outbound.transport.use: smarthost is none of transports; known: direct-mx",
        ),
        (
            {"outbound": {"sources": [{"name": "a", "address": "::1"}]}},
            "outbound.sources[0].address: is an IPv6 address; it belongs in address6",
        ),
        (
            {"outbound": {"sources": [{"name": "a"}]}, "domains": {"a.example": {"pool": "bulk"}}},
            "domains.a.example.pool: no source belongs to the pool bulk; see outbound.sources",
        ),
        (
            {"domains": {"a.example": {"mailboxes": {"x": {"maildir": "a", "webhook": "b"}}}}},
            "domains.a.example.mailboxes.x: needs exactly one of maildir, lmtp, forward, webhook",
        ),
        (
            {"domains": {"a.example": {"mailboxes": {"x": {"webhook": "crm"}}}}},
            "domains.a.example.mailboxes.x.webhook: crm is none of webhooks; known: none yet",
        ),
        (
            {"notify": [{"when": ["lane"], "to": "chat"}], "webhooks": {"crm": HOOK}},
            "notify[0].to: chat is neither an address, nor log, nor one of webhooks; known: crm",
        ),
        (
            {"webhooks": {"crm": HOOK | {"secret": "whsec_c2hvcnQ="}}},
            f"webhooks.crm.secret: must be whsec_ and 24 to 64 octets in base64; {OPENSSL} makes the octets",
        ),
        (
            {"webhooks": {"crm": HOOK | {"url": "ftp://crm.example/"}}},
            "webhooks.crm.url: must be https://HOST/… or http://HOST/…, without user and fragment",
        ),
        (
            {"domains": {"a.example": {"mailboxes": {"x": {"maildir": "a"}, "X": {"maildir": "b"}}}}},
            "domains.a.example.mailboxes.X: is the same mailbox as x: upper and lower case are one",
        ),
        (
            {"domains": {"a.example": {"mailboxes": {"b+x": {"maildir": "a"}}}}},
            "domains.a.example.mailboxes.b+x: is written like a signed address (b+, r+, u+); name it otherwise",
        ),
        (
            {"domains": {"a.example": {"mailboxes": {"a b": {"maildir": "a"}}}}},
            "domains.a.example.mailboxes.a b: is no local part, nor *: a b@a.example has a malformed local part: a b",
        ),
        (
            {"web": {"listen": "127.0.0.1:1", "public_listen": "127.0.0.1:1"}},
            "web.public_listen: is web.listen as well; give one of them another port, or set it to null",
        ),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_remedy(keys: dict[str, Any], sentence: str) -> None:
    assert problems(**keys) == [sentence]


@pytest.mark.parametrize(
    "url", ["http://mail.example.com", "mail.example.com", "https://u@h", "https://h/?q", "ftp://h"]
)
def test_links_must_lead_to_https_or_to_this_machine(url: str) -> None:
    assert problems(web={"public_url": url})[0].startswith("web.public_url: must be")


@pytest.mark.parametrize(
    "url", ["https://mail.example.com/", "http://127.0.0.1:8025", "http://localhost:1", "http://[::1]:8025"]
)
def test_https_and_loopback_links_are_taken(url: str) -> None:
    loaded = settings_from(MINIMAL | {"web": {"public_url": url}}, Path("/"))
    assert loaded.settings.web.base_url == url.rstrip("/")


def test_without_a_public_url_links_lead_to_the_listener_and_that_is_remarked() -> None:
    loaded = settings_from(MINIMAL | {"domains": {"example.com": {}}, "web": {"listen": "[::1]:80"}}, Path("/"))
    assert loaded.settings.web.base_url == "http://[::1]:80"
    assert any("web.public_url: is not set" in remark for remark in loaded.remarks)


@pytest.mark.parametrize(
    "text", ["8025", "127.0.0.1", "::1:8025", "127.0.0.1:99999", "127.0.0.1:-1", "999.1.1.1:1", "[x]:1", ":1", 8025]
)
def test_a_listening_address_needs_host_and_port(text: Any) -> None:
    assert problems(web={"listen": text})[0].startswith("web.listen: ")


def test_domains_are_taken_in_any_spelling() -> None:
    settings = settings_from({"domains": {"BÜCHER.example": {}}}, Path("/")).settings
    assert list(settings.domains) == ["xn--bcher-kva.example"]


def test_secrets_are_masked_whole_wherever_settings_are_shown() -> None:
    loaded = settings_from(
        {
            "hostname": "mta.example.com",
            "secret": "a-secret-of-some-length",
            "database": "postgresql://user:hunter2@db/mta",
            "transports": {"relay": {"host": "h", "user": "u", "password": "hunter3"}},
        },
        Path("/"),
    )
    shown = "\n".join(loaded.lines()) + repr(loaded.settings)
    for secret in ("a-secret", "hunter3"):
        assert secret not in shown
    assert "hunter2" not in "\n".join(loaded.lines())
    lines = loaded.lines(show_origin=False)
    assert "secret: ********" in lines
    assert "database: ********" in lines
    assert "transports.relay.password: ********" in lines


def test_every_key_is_shown_with_its_origin() -> None:
    lines = settings_from(MINIMAL | {"outbound": {"retry": {"intervals": ["90s", "1h30m"]}}}, Path("/")).lines()
    assert any(re.fullmatch(r"hostname: mta\.example\.com +# given", line) for line in lines)
    assert any(re.fullmatch(r'outbound\.retry\.intervals: \["1m30s", "1h30m"\] +# given', line) for line in lines)
    assert any(re.fullmatch(r"outbound\.port: 25 +# default", line) for line in lines)
    assert any(re.fullmatch(r"dns\.nameservers: \[\] +# default", line) for line in lines)


def test_a_child_receives_the_very_same_settings(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("0123456789abcdef")
    keys = MINIMAL | {
        "secret": "${file:s}",
        "data_dir": "d",
        "domains": {"example.com": {"dkim": [{"selector": "a", "key": "k"}]}},
    }
    loaded = settings_from(keys, tmp_path)
    (tmp_path / "s").unlink()  # what changes in between is not seen
    received = LoadedSettings.receive(loaded.hand_over())
    assert received.settings == loaded.settings
    assert received.origins == loaded.origins


def test_the_sample_is_what_the_model_says_and_changes_nothing() -> None:
    file = shipped.folder("config") / "tierii-mta.yaml"
    assert file.read_text() == describe.sample(), (
        "python -m tierii_mta.daemon.settings.describe sample > config/tierii-mta.yaml"
    )
    loaded = load_settings(file, (), {})
    assert loaded.settings == Settings()


def test_each_line_of_the_sample_may_be_uncommented() -> None:
    text = re.sub(r"^( *)#(?=[^ \n])", r"\1", describe.sample(), flags=re.MULTILINE)
    tree = yaml12.parse(text, file="sample").value
    tree["secret"] = "0123456789abcdef"
    loaded = settings_from(tree, Path("/etc/tierii-mta"), {"RELAY_PASSWORD": "x", "CRM_SECRET": HOOK["secret"]})
    assert loaded.settings.domains["example.com"].dkim[0].key == Path("/etc/tierii-mta/keys/example.com.s1.pem")
    assert loaded.settings.outbound.sources[0].name == "main"
    assert loaded.settings.outbound.retry.intervals[0] == timedelta(minutes=5)
    smtp, default = loaded.settings.smtp, Settings().smtp
    assert (smtp.submission, smtp.limits) == (default.submission, default.limits)
    assert smtp.inbound.checks.thresholds == default.inbound.checks.thresholds
    assert smtp.inbound.checks.weights == {"spf_fail": 6.0, "dmarc_reject": Decision.QUARANTINE}


def test_the_reference_page_is_what_the_model_says() -> None:
    page = TREE / "docs" / "reference" / "settings.md"
    assert page.read_text() == describe.reference(), (
        "python -m tierii_mta.daemon.settings.describe reference > docs/reference/settings.md"
    )

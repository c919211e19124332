"""The first day: init, keys, settings, database."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import CommandLine
from tierii_mta.authentication.keys import load_private_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_settings_that_hold_a_private_folder_and_keys(cli: CommandLine, tmp_path: Path) -> None:
    file, home = tmp_path / "new" / "tierii-mta.yaml", tmp_path / "home"

    outcome = cli(
        "init", "--data-dir", home, "--domain", "Example.COM", "--dkim", "--hostname", "mta.example.com", config=file
    )

    assert outcome.code == 0, outcome.err
    assert mode(home) == 0o700
    assert 's1._domainkey.example.com. IN TXT "v=DKIM1; k=rsa; p=' in outcome.out
    assert mode(file.parent / "keys" / "example.com.e1.pem") == 0o600
    assert cli("config", "validate", config=file).code == 0
    shown = cli("config", "show", config=file).out
    assert "hostname: mta.example.com\n" in shown
    assert f"data_dir: {home}\n" in shown
    assert "smtp.inbound.listen: []\n" in shown
    assert 'smtp.submission.listen: ["127.0.0.1:2587"]\n' in shown
    assert "smtp.submission.plaintext_auth: loopback\n" in shown
    assert len(cli("dkim", "show", config=file).out.splitlines()) == 2


def test_init_leaves_what_is_there(cli: CommandLine, settings_file: Path) -> None:
    before = settings_file.read_text()

    outcome = cli("init", "--json")

    assert outcome.code == 0
    assert outcome.summary["is_new"] is False
    assert settings_file.read_text() == before


def test_init_needs_a_domain_to_make_keys_for(cli: CommandLine) -> None:
    assert cli("init", "--dkim").code == 2


def test_init_where_nothing_may_be_written_says_so(cli: CommandLine) -> None:
    outcome = cli("init", config=Path("/proc/tierii-mta.yaml"))

    assert outcome.code == 78
    assert "/proc/tierii-mta.yaml: cannot be written" in outcome.err


def test_a_new_key_signs_and_its_record_is_told(cli: CommandLine, tmp_path: Path) -> None:
    outcome = cli("dkim", "new", "shop.example", "--selector", "k2", "--type", "ed25519", "--json")

    file = tmp_path / "keys" / "shop.example.k2.pem"
    assert outcome.code == 0
    assert outcome.summary["file"] == str(file)
    assert outcome.summary["name"] == "k2._domainkey.shop.example"
    assert mode(file) == 0o600
    load_private_key(file.read_bytes())


def test_a_key_is_never_overwritten(cli: CommandLine) -> None:
    cli("dkim", "new", "shop.example", "--type", "ed25519")

    outcome = cli("dkim", "new", "shop.example", "--type", "ed25519")

    assert outcome.code == 7
    assert "exists already" in outcome.err


def test_dkim_show_without_keys_is_exit_6(cli: CommandLine) -> None:
    assert cli("dkim", "show").code == 6


def test_validate_names_files_that_are_missing(cli: CommandLine, settings_file: Path) -> None:
    settings_file.write_text(
        settings_file.read_text().replace("{return_path:", "{dkim: [{selector: s1, key: nokey.pem}], return_path:")
    )

    outcome = cli("config", "validate")

    assert outcome.code == 78
    assert "domains.lantern.example.dkim[0].key" in outcome.err
    assert "nokey.pem cannot be read" in outcome.err


def test_secrets_are_masked(cli: CommandLine) -> None:
    shown = cli("--set", "secret=0123456789abcdef0123", "config", "show").out

    assert "0123456789abcdef" not in shown


def test_a_backup_is_a_database(cli: CommandLine, campaign_file: Path, tmp_path: Path) -> None:
    cli("enqueue", campaign_file)

    outcome = cli("db", "backup", tmp_path / "copy.db", "--json")

    assert outcome.code == 0
    assert mode(tmp_path / "copy.db") == 0o600
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM delivery").fetchone() == (10,)
    assert cli("db", "backup", tmp_path / "copy.db").code == 7


def test_a_backup_needs_a_database(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("db", "backup", tmp_path / "copy.db").code == 6
    assert not (tmp_path / "copy.db").exists()


def test_migrate_makes_a_database_and_may_be_repeated(cli: CommandLine) -> None:
    assert [cli("db", "migrate").code for _ in range(2)] == [0, 0]
    assert cli("db", "vacuum", "--json").summary["free_pages"] == 0


def test_limits_are_explained_by_the_daemon_alone(cli: CommandLine) -> None:
    outcome = cli("queue", "explain", "open.example")
    assert outcome.code == 75
    assert "no daemon answers" in outcome.err


def test_init_names_the_line_that_is_missing_in_settings_it_leaves_alone(cli: CommandLine) -> None:
    outcome = cli("init", "--domain", "second.example")

    assert outcome.code == 0
    assert "note: second.example is not in it; add under `domains`: second.example: {dkim: []}" in outcome.err
    assert "is not in it" not in cli("init", "--domain", "lantern.example").err

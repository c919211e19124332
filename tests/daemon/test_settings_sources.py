"""Where settings come from, which source wins, and how references and paths are read."""

from datetime import timedelta
from pathlib import Path

import pytest

from tierii_mta.daemon.settings import Endpoint, LoadedSettings, SettingsError, load_settings, settings_from
from tierii_mta.errors import ConfigurationError, ExitCode


def load(folder: Path, text: str, *overrides: str, env_file: str = "", **environ: str) -> LoadedSettings:
    """Load `text` as config/tierii-mta.yaml below `folder`."""
    file = folder / "config" / "tierii-mta.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    if env_file:
        (file.parent / ".env").write_text(env_file)
    return load_settings(file, overrides, environ, folder=folder)


def test_nothing_given_gives_the_defaults(tmp_path: Path) -> None:
    loaded = load_settings(None, (), {}, folder=tmp_path, system_file=tmp_path / "absent")
    assert loaded.file is None
    assert loaded.settings.data_dir == Path("/var/lib/tierii-mta")
    assert loaded.settings.outbound.retry.lifetime == timedelta(days=5)
    assert loaded.settings.outbound.retry.intervals[:2] == (timedelta(minutes=5), timedelta(minutes=15))
    assert loaded.settings.web.listen == Endpoint("127.0.0.1", 8025)
    assert loaded.settings.smtp.limits.message_size == 25_000_000
    assert loaded.origin("web.listen") == "default"


def test_each_source_wins_over_those_below_it(tmp_path: Path) -> None:
    yaml = "hostname: yaml.example\nlog: {level: error}\n"
    env_file = "TIERII_HOSTNAME=dotenv.example\n"
    assert load(tmp_path, yaml).settings.hostname == "yaml.example"
    assert load(tmp_path, yaml, env_file=env_file).settings.hostname == "dotenv.example"
    environ = {"TIERII_HOSTNAME": "environment.example"}
    assert load(tmp_path, yaml, env_file=env_file, **environ).settings.hostname == "environment.example"
    loaded = load(tmp_path, yaml, "hostname=set.example", env_file=env_file, **environ)
    assert loaded.settings.hostname == "set.example"
    assert loaded.settings.log.level == "error"  # what nobody overrides stays


def test_every_value_knows_where_it_was_given(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "hostname: mta.example.com\nweb:\n  listen: 127.0.0.1:1\nlog: {level: error, format: console}\n",
        "outbound.port=2525",
        env_file="\nTIERII_LOG__LEVEL=debug\n",
        TIERII_WEB__HOSTS="a.example,b.example",
    )
    folder = tmp_path / "config"
    assert loaded.origin("web.listen") == f"{folder}/tierii-mta.yaml:3"
    assert loaded.origin("log.level") == f"{folder}/.env:2"
    assert loaded.origin("log.format") == f"{folder}/tierii-mta.yaml:4"
    assert loaded.origin("web.hosts") == "environment TIERII_WEB__HOSTS"
    assert loaded.origin("outbound.port") == "--set outbound.port"
    assert loaded.settings.web.hosts == ("a.example", "b.example")
    assert loaded.settings.outbound.port == 2525


def test_a_section_in_the_environment_replaces_the_whole_and_a_key_is_laid_over_it(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "hostname: mta.example.com\nweb: {listen: '127.0.0.1:1', hosts: [a.example]}\n",
        TIERII_WEB="{public_listen: '127.0.0.1:3'}",
        TIERII_WEB__LISTEN="127.0.0.1:2",
    )
    assert loaded.settings.web.hosts == ()
    assert loaded.settings.web.public_listen == Endpoint("127.0.0.1", 3)
    assert loaded.settings.web.listen == Endpoint("127.0.0.1", 2)
    assert loaded.origin("web.hosts") == "default"


def test_a_key_below_a_domain_can_be_set(tmp_path: Path) -> None:
    text = "hostname: mta.example.com\n"
    for name in ("domains.example.com.return_path", 'domains."example.com".return_path'):
        loaded = load(tmp_path, text, f"{name}=bounce.example.com")
        assert loaded.settings.return_path("example.com") == "bounce.example.com"
    loaded = load(tmp_path, text, "domains={example.com: {}}")
    assert loaded.settings.return_path("example.com") == "example.com"


def test_text_from_the_environment_is_taken_as_it_stands(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "hostname: mta.example.com\ntransports: {a: {host: relay.example, user: '1', password: x}}\n",
        TIERII_TRANSPORTS__A__PASSWORD="*0123: {",
        TIERII_WEB__PUBLIC_URL="null",
    )
    password = loaded.settings.transports["a"].password
    assert password is not None
    assert password.get_secret_value() == "*0123: {"
    assert loaded.settings.web.public_url is None


def test_an_env_file_is_read_as_shells_write_it(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        'hostname: "${env:NAME}"\ndata_dir: "${env:A}-${env:B}"\n',
        env_file="# a comment\n\nexport NAME='mta.example.com' # why\nA=\"/a b\"\nB=c # not this\n",
    )
    assert loaded.settings.hostname == "mta.example.com"
    assert loaded.settings.data_dir == Path("/a b-c")


def test_the_environment_wins_over_the_env_file_in_references(tmp_path: Path) -> None:
    loaded = load(tmp_path, "hostname: ${env:NAME}\n", env_file="NAME=a.example", NAME="b.example")
    assert loaded.settings.hostname == "b.example"
    assert loaded.origin("hostname") == f"{tmp_path}/config/tierii-mta.yaml:1 ${{env:NAME}}"


def test_a_file_reference_gives_its_content_without_the_final_line_end(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "secret").write_text("0123456789abcdef-file\n")
    loaded = load(tmp_path, "hostname: mta.example.com\nsecret: ${file:secret}\n")
    assert loaded.settings.secret is not None
    assert loaded.settings.secret.get_secret_value() == "0123456789abcdef-file"


def test_a_reference_can_give_a_number_and_a_doubled_dollar_is_none(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        'hostname: mta.example.com\noutbound: {port: "${env:PORT}"}\ndatabase: postgresql://u:$${x}@h/d\n',
        PORT="2525",
    )
    assert loaded.settings.outbound.port == 2525
    assert loaded.settings.database == "postgresql://u:${x}@h/d"


def test_missing_references_name_key_and_line_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "hostname: ${env:ABSENT}\nsecret: ${file:absent}\nlog: {level: loud}\n")
    file = tmp_path / "config" / "tierii-mta.yaml"
    hostname, secret, level = caught.value.problems
    assert hostname.startswith(f"{file}:1: hostname: the environment has no ABSENT")
    assert secret == f"{file}:2: secret: {tmp_path}/config/absent cannot be read: No such file or directory"
    assert level == f"{file}:3: log.level: must be one of 'debug', 'info', 'warning', 'error'"
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_relative_paths_count_from_whoever_names_them(tmp_path: Path) -> None:
    text = "hostname: mta.example.com\ndata_dir: data\ntls: {certificate: cert.pem, key: /etc/key.pem}\n"
    loaded = load(tmp_path, text, TIERII_DATA_DIR="here")
    assert loaded.settings.data_dir == tmp_path / "here"
    assert loaded.settings.tls is not None
    assert loaded.settings.tls.certificate == tmp_path / "config" / "cert.pem"
    assert loaded.settings.tls.key == Path("/etc/key.pem")
    assert load(tmp_path, text, "data_dir=there").settings.data_dir == tmp_path / "there"
    assert settings_from({"data_dir": "x"}, tmp_path / "base").settings.data_dir == tmp_path / "base" / "x"


def test_shaping_beside_the_settings_is_found_and_a_named_one_must_exist(tmp_path: Path) -> None:
    text = "hostname: mta.example.com\n"
    assert load(tmp_path, text).settings.outbound.shaping is None
    (tmp_path / "config" / "shaping.yaml").write_text("{}")
    assert load(tmp_path, text).settings.outbound.shaping == tmp_path / "config" / "shaping.yaml"
    with pytest.raises(SettingsError, match=r"outbound\.shaping: .*other\.yaml does not exist"):
        load(tmp_path, text + "outbound: {shaping: other.yaml}\n")


def test_the_file_is_the_one_named_else_the_systems_else_the_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named.yaml", "system.yaml", "config/tierii-mta.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("hostname: mta.example.com\n")

    def found(path: Path | None, system: str) -> Path | None:
        return load_settings(path, (), {}, folder=tmp_path, system_file=tmp_path / system).file

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert found(Path("named.yaml"), "system.yaml") == tmp_path / "named.yaml"
    assert found(None, "system.yaml") == tmp_path / "system.yaml"
    assert found(None, "absent") == tmp_path / "config/tierii-mta.yaml"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert found(None, "absent") is None


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(Path("absent.yaml"), (), {}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TIERII_WEB__LISTN", "TIERII_WEB__LISTEN"),
        ("TIERII_HOST_NAME", "TIERII_HOSTNAME"),
        ("TIERII_WEB_LISTEN", "TIERII_WEB__LISTEN"),
    ],
)
def test_an_unknown_variable_names_the_nearest(tmp_path: Path, name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"environment {name}: {name} is no setting; did you mean {meant}?"):
        load(tmp_path, "hostname: mta.example.com\n", **{name: "x"})


def test_vendor_credentials_keep_their_names(tmp_path: Path) -> None:
    load(tmp_path, "hostname: mta.example.com\n", TIERII_MAILERSEND_API_TOKEN="x")


def test_a_key_of_set_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "hostname: mta.example.com\n", "web.lisen=1", "public_url=x", "nothing", "outbound.retry.zzz=1")
    assert caught.value.problems == (
        "--set web.lisen: web.lisen is no setting; did you mean web.listen?",
        "--set public_url: public_url is no setting; did you mean web.public_url?",
        "--set nothing: is not key=value",
        "--set outbound.retry.zzz: outbound.retry.zzz is no setting",
    )


def test_a_reload_reads_the_same_sources_again(tmp_path: Path) -> None:
    file = tmp_path / "config" / "tierii-mta.yaml"
    loaded = load(tmp_path, "hostname: a.example\n", "outbound.port=2525")
    file.write_text("hostname: b.example\n")
    reloaded = loaded.reload()
    assert (reloaded.settings.hostname, reloaded.settings.outbound.port) == ("b.example", 2525)
    file.write_text("hostnam: c.example\n")
    with pytest.raises(SettingsError, match="did you mean hostname"):
        reloaded.reload()
    given = settings_from({"hostname": "mta.example.com"}, tmp_path)
    assert given.reload() is given


def test_broken_yaml_in_set_or_env_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--set dns: the value.*not valid YAML"):
        load(tmp_path, "hostname: mta.example.com\n", "dns={a")
    with pytest.raises(ConfigurationError, match=r"\.env:2: is not NAME=value"):
        load(tmp_path, "hostname: mta.example.com\n", env_file="A=1\nwhat is this\n")

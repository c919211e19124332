"""The systemd unit: what systemd itself says of it, and what the daemon relies on."""

import re
import shutil
import subprocess
from configparser import RawConfigParser

import pytest

from tierii_mta import shipped
from tierii_mta.errors import ExitCode

UNIT = shipped.folder("systemd") / "tierii-mta.service"
WORST_EXPOSURE = 2.0


@pytest.fixture
def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of units have capitals
    parser.read(UNIT)
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_little_exposed() -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.search(r"Overall exposure level for tierii-mta\.service: ([0-9.]+)", said.stdout)
    if found is None:
        pytest.skip(f"this systemd cannot analyse a unit offline: {said.stderr.strip()}")
    print(f"exposure {found[1]}")
    assert float(found[1]) <= WORST_EXPOSURE


def test_the_service_manager_is_told_and_watches(unit: RawConfigParser) -> None:
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"  # the web process says nothing
    assert service["WatchdogSec"] == "30"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["KillMode"] == "mixed"  # SIGTERM reaches the daemon alone, which ends its children in order
    assert int(service["TimeoutStopSec"]) > 60


def test_wrong_settings_do_not_make_a_restart_loop(unit: RawConfigParser) -> None:
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["RestartPreventExitStatus"] == str(int(ExitCode.CONFIGURATION))


def test_it_may_bind_low_ports_and_nothing_else_of_roots(unit: RawConfigParser) -> None:
    service = unit["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert service["User"] == service["Group"] == "tierii"
    assert service["NoNewPrivileges"] == "yes"


def test_no_secret_passes_through_the_environment(unit: RawConfigParser) -> None:
    assert "Environment" not in unit["Service"]
    assert "EnvironmentFile" not in unit["Service"]


@pytest.mark.parametrize(("name", "port"), [("smtp", 25), ("submission", 587), ("submissions", 465)])
def test_a_socket_unit_hands_over_a_door_under_its_name(name: str, port: int) -> None:
    text = (UNIT.parent / f"tierii-mta-{name}.socket").read_text()
    assert f"FileDescriptorName={name}\n" in text
    assert f"ListenStream=0.0.0.0:{port}\nListenStream=[::]:{port}\n" in text
    assert "Service=tierii-mta.service\n" in text

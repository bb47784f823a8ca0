"""The unit for systemd that is shipped."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

UNIT = pathlib.Path(__file__).parents[2] / "examples" / "undercroft-export.service"
PROGRAM = "/opt/undercroft/bin/undercroft"
# What keeps a worker that was taken over from doing more than its work.
HARDENING = {
    "CapabilityBoundingSet": "", "DynamicUser": "yes", "MemoryDenyWriteExecute": "yes", "NoNewPrivileges": "yes",
    "PrivateDevices": "yes", "PrivateTmp": "yes", "ProtectHome": "yes", "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes", "ProtectSystem": "strict", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes", "UMask": "0077",
}  # fmt: skip

NEEDS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed; the other tests read the file themselves"
)


def sections() -> dict[str, dict[str, list[str]]]:
    """The values of each key of each section."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            section.setdefault(key, []).append(value)
    return found


def test_it_restarts_unless_the_configuration_is_wrong():
    service = sections()["Service"]
    assert service["Restart"] == ["always"]
    # The exit code of a wrong configuration.
    assert service["RestartPreventExitStatus"] == ["2"]
    assert service["KillSignal"] == ["SIGTERM"]
    # More than the worker gives a transaction that is under way.
    assert int(service["TimeoutStopSec"][0].removesuffix("s")) > 10


def test_it_has_hardly_any_rights():
    service = sections()["Service"]
    assert {key: service.get(key) for key in HARDENING} == {key: [value] for key, value in HARDENING.items()}


def test_it_is_started_at_boot():
    assert sections()["Install"] == {"WantedBy": ["multi-user.target"]}


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="this machine has no systemd; the tests above read the file themselves"
)
def test_systemd_finds_nothing_wrong(tmp_path):
    unit = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    assert PROGRAM in text
    unit.write_text(text.replace(PROGRAM, sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="this machine has no systemd; the tests above read the file themselves"
)
def test_twin_systemd_finds_a_key_that_is_unknown(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(PROGRAM, sys.executable).replace("RestartSec", "RestartSecond"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "RestartSecond" in done.stderr

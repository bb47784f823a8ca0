"""Our own tests within an environment of other versions."""

from __future__ import annotations

import pathlib

from tests.hosts.conftest import TOP, Environment


def pytest_in(environment: Environment, folder: pathlib.Path, *arguments: object) -> str:
    """Run pytest there without this project's settings, which name plugins of the development environment."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = environment.run("-m", "pytest", "-q", "--maxfail=10", "-c", folder / "pytest.ini", *arguments, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

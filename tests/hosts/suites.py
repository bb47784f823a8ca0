"""Run our own tests in an environment with other versions."""

from __future__ import annotations

import pathlib

from tests.hosts.conftest import TOP, Environment


def pytest_in(environment: Environment, folder: pathlib.Path, *arguments: object) -> str:
    """Run pytest in an environment, without the project's settings, which need plugins of the development environment."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = environment.run("-m", "pytest", "-q", "--maxfail=10", "-c", folder / "pytest.ini", *arguments, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

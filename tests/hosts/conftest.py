"""Environments of their own, made from a lock file and kept in .cache until the lock changes."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
TOP = HERE.parent.parent
# Another checkout may use the environment of another lock: what was used lately stays.
KEPT_SECONDS = 3 * 24 * 3600
# The slowest files run first, so that no worker starts one of them when the others are done.
LONGEST = ("test_lowest.py", "test_zaqar.py", "test_lowest_units.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests of the slowest files to the front."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment with a lock file's packages, and with this checkout, whose dependencies were not asked for again."""

    python: pathlib.Path

    @property
    def packages(self) -> pathlib.Path:
        """Where its packages are."""
        return next(self.python.parent.parent.glob("lib/python3*/site-packages"))

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of its processes; they may run this checkout's tests."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"PYTHONPATH": str(TOP)}

    def run(self, *arguments: object, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python; what it prints is in the result."""
        return subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )


def uv(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [pathlib.Path(sys.executable).parent / "uv", *map(str, arguments)], cwd=TOP, capture_output=True, text=True, check=False
    )


def succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"


def make(name: str) -> Environment:
    lock = HERE / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = TOP / ".cache" / "hosts" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as turn:
        # Of the processes of a run one makes it, and the others take it as it is.
        fcntl.flock(turn, fcntl.LOCK_EX)
        complete = folder / ".complete"
        if not complete.exists():
            for old in folder.parent.glob(f"{name}-*/.complete"):
                if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(old.parent)
            succeed(uv("venv", "--clear", "--python", sys.executable, folder))
            succeed(uv("pip", "install", "--python", python, "--require-hashes", "-r", lock))
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "alone")
        if run == "alone" or not complete.exists() or complete.read_text() != run:
            succeed(uv("pip", "install", "--python", python, "--no-deps", "--reinstall-package", "undercroft", "-e", TOP))
        complete.write_text(run)
    return Environment(python)


@pytest.fixture(scope="session")
def cloudkitty() -> Environment:
    return make("cloudkitty")


@pytest.fixture(scope="session")
def ceilometer() -> Environment:
    return make("ceilometer")


@pytest.fixture(scope="session")
def lowest() -> Environment:
    return make("lowest")


@pytest.fixture
def check_requirements():
    """Fails when an environment's packages do not fit each other."""
    return lambda environment: succeed(uv("pip", "check", "--python", environment.python))

"""Packages outside this repository's own: installed into a folder, and run from there as somebody else would."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys


def install(package: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Install a package (its pyproject.toml and src) into a folder; where its modules then are."""
    shutil.copytree(package / "src", folder / "package" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(package / "pyproject.toml", folder / "package")
    uv = pathlib.Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "-q", "--offline", "--no-deps", "--python", sys.executable]
    subprocess.run([*command, "--target", str(folder / "site"), str(folder / "package")], check=True)
    return folder / "site"


def run(site: pathlib.Path, *arguments: str, cwd: pathlib.Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python where the package is installed, without settings of the run that tests it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "UNDERCROFT_"))}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**environment, "PYTHONPATH": str(site), **more}, capture_output=True, text=True, check=False
    )


def suite(site: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed conformance suite, without test code of the package."""
    pytest = ("pytest", "--pyargs", "undercroft.conformance", "-q", "-p", "no:cacheprovider")
    return run(site, *pytest, *arguments, cwd=site.parent, UCTEST_CONFORMANCE="quick")


def row(output: str, kind: str, driver: str) -> list[str]:
    """The figures of a driver in the table at the end of the suite."""
    found = re.search(rf"^{kind} +{driver} +(.*)$", output, re.MULTILINE)
    assert found, output
    return found[1].split()

"""The command line and the units pass with the lowest versions that pyproject.toml allows."""

from __future__ import annotations

import concurrent.futures
import pathlib

from tests.hosts.conftest import TOP
from tests.hosts.suites import pytest_in

# Of the export worker what needs neither an engine nor the service: its own client libraries are asked.
EXPORT = ("login", "query", "reading_answers", "schedule", "secrets", "settings")
PARTS = {
    "cli": [TOP / "tests/cli", TOP / "tests/demo"],
    "unit": [TOP / "tests/unit", *(TOP / f"tests/export/test_{name}.py" for name in EXPORT)],
}
# The mail server of these is a library that only tests need.
LEFT_OUT = TOP / "tests/unit/messaging/delivery/test_mail.py"


def test_command_line_and_units_pass(lowest, tmp_path):
    def run(name: str) -> str:
        folder: pathlib.Path = tmp_path / name
        folder.mkdir()
        options = ("--rootdir", TOP, "--import-mode=importlib", "-W", "error", f"--ignore={LEFT_OUT}")
        return pytest_in(lowest, folder, *options, *PARTS[name])[-2000:]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        print(*pool.map(run, PARTS), sep="\n")

"""The command line and unit tests pass with the lowest versions that pyproject.toml allows.

They are in a file of their own because the workers of `make test-hosts` divide the work by file.
"""

from __future__ import annotations

import concurrent.futures
import pathlib

from tests.hosts.conftest import TOP
from tests.hosts.suites import pytest_in

# Tests of the export worker that need neither an engine nor the service.
EXPORT = ("login", "query", "reading_answers", "schedule", "secrets", "settings")
PARTS = {
    "cli": [TOP / "tests/cli", TOP / "tests/demo"],
    "unit": [TOP / "tests/unit", *(TOP / f"tests/export/test_{name}.py" for name in EXPORT)],
}
# Needs aiosmtpd, which is in the development environment only.
LEFT_OUT = TOP / "tests/unit/messaging/delivery/test_mail.py"


def test_command_line_and_units_pass(lowest, tmp_path):
    def run(name: str) -> str:
        folder: pathlib.Path = tmp_path / name
        folder.mkdir()
        options = ("--rootdir", TOP, "--import-mode=importlib", "-W", "error", f"--ignore={LEFT_OUT}")
        return pytest_in(lowest, folder, *options, *PARTS[name])[-2000:]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        print(*pool.map(run, PARTS), sep="\n")

"""Lives of the worker: the command itself, in a process that is forked from one that has imported everything."""

from __future__ import annotations

import os
from typing import Any

import undercroft.cli.export.configured
import undercroft.cli.export.reporting
import undercroft.cli.export.running
import undercroft.cli.export.signals
import undercroft.cli.logs
import undercroft.cli.output
import undercroft.cli.progress
import undercroft.export.client
import undercroft.export.dialects.mariadb
import undercroft.export.dialects.postgresql
import undercroft.export.dialects.sqlite
import undercroft.export.login
import undercroft.export.target
import undercroft.export.worker  # noqa: F401 - imported before the fork
from tests.chaos.export import sabotaged
from undercroft.cli.main import root


def work(pipe: Any, file: str, log: str, twin: str | None) -> None:
    """`undercroft export run FILE`, whose output goes to the file `log`; without a protection where a twin is named."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for each in (1, 2):
        os.dup2(output, each)
    os.environ.pop("COLUMNS", None)
    if twin is not None:
        sabotaged.TWINS[twin](pipe)
    pipe.send("begins")
    root(["export", "run", file])

"""A host project's API server: a script of `inside` with that project's Python."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import time

import httpx

from tests.engines.run import free_ports
from tests.hosts.conftest import HERE, Environment

# Seconds, far above what a start takes.
PATIENCE = 180


class Served:
    """One server.

    Args:
        environment: with the project's packages.
        folder: where it runs and has its logs.
        script: its name in `inside`.
        ready: the path that answers with 200 when it is ready.
    """

    def __init__(self, environment: Environment, folder: pathlib.Path, script: str, ready: str) -> None:
        self.environment, self.folder = environment, folder
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._script, self._ready = HERE / "inside" / script, ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> pathlib.Path:
        """What it prints."""
        return self.folder / f"{self._script.stem}-{self.port}.log"

    def arguments(self) -> list[str]:
        """Of the script."""
        return [str(self.port)]

    def variables(self) -> dict[str, str]:
        """Its environment variables."""
        return self.environment.variables

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.begin()
        self.await_alive()

    def begin(self) -> None:
        """Start."""
        command = [str(self.environment.python), str(self._script), *self.arguments()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.variables(), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )  # fmt: skip

    def await_alive(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + self._ready, timeout=PATIENCE).status_code == 200:
                    return
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it for good."""
        self.stop()

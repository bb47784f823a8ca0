"""A running `undercroft serve`, as a process of its own, and how to ask it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.engines.run import free_ports
from undercroft.cli.serve import GRACE_SECONDS

# Far above what anything takes; ends a test that hangs.
PATIENCE = 60
TOP = pathlib.Path(__file__).parent.parent.parent
TOKENS = """
# token project user roles
t-admin p-admin u-admin admin
t-none-a a u1 -
t-reader-a a u2 reader
t-member-a a u3 member
t-service-a a u4 service
t-admin-a a u5 admin
t-none-x - u6 -
t-reader-x - u7 reader
t-member-x - u8 member
t-service-x - u9 service
t-admin-x - u10 admin
t-member-b b u11 member
t-admin-b b u12 admin
t-global - - admin
"""
FRAME = {"period": {"begin": "2026-11-01T00:00:00Z", "end": "2026-11-01T01:00:00Z"}}


def frame(project: str, qty: Any = 1, price: Any = "0.5", hour: int = 0, metric: str = "cpu", **groupby: Any) -> dict[str, Any]:
    """A frame of one point, as it is sent."""
    point = {
        "vol": {"unit": "h", "qty": qty},
        "rating": {"price": price},
        "groupby": {"project_id": project, "id": "vm-1", **groupby},
        "metadata": {"flavor": "small"},
    }
    period = {
        "begin": f"2026-11-{1 + hour // 24:02}T{hour % 24:02}:00:00Z",
        "end": f"2026-11-{1 + hour // 24:02}T{hour % 24:02}:59:59Z",
    }
    return {"period": period, "usage": {metric: [point]}}


_TAKEN_FOR_ALIVE = re.compile(r"^.*Killing worker-\d+ after it refused to gracefully stop.*\n", re.MULTILINE)


class Service:
    """One process (and its workers)."""

    def __init__(
        self, url: str | None, *arguments: str, program: str = "undercroft.cli.main",
        events: str | None = None, metering: str | None = None, event_settings: dict[str, Any] | None = None,
        metering_settings: dict[str, Any] | None = None, messaging: str | None = None,
        messaging_settings: dict[str, Any] | None = None, port: int | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("UNDERCROFT_", "COV", "PYTEST"))}
        environment |= {f"UNDERCROFT_API__{name.upper()}": str(value) for name, value in settings.items()}
        # What it leaves behind when it is killed goes with the folder.
        self._folder = tempfile.TemporaryDirectory(prefix="undercroft-service-", ignore_cleanup_errors=True)
        environment |= {f"UNDERCROFT_EVENTS__{name.upper()}": str(value) for name, value in (event_settings or {}).items()}
        environment |= {f"UNDERCROFT_METERING__{name.upper()}": str(value) for name, value in (metering_settings or {}).items()}
        environment |= {f"UNDERCROFT_MESSAGING__{name.upper()}": str(value) for name, value in (messaging_settings or {}).items()}
        stores = {"RATING": url, "EVENTS": events, "METERING": metering, "MESSAGING": messaging}
        environment |= {f"UNDERCROFT_{kind}__CONNECTION": place for kind, place in stores.items() if place is not None}
        environment |= {"TMPDIR": self._folder.name}
        command = [sys.executable, "-m", program, "serve", "--port", str(self.port), *arguments]
        # A file, because a pipe that is not read blocks the service once it is full.
        self._output = pathlib.Path(self._folder.name) / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=TOP
            )
        self._stopped_in = float("inf")
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, limits=httpx.Limits(max_connections=64))

    def await_alive(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                if self.client.get("/healthz").status_code == 200:
                    return
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, "the service does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator does; it must end well."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        self._stopped_in = time.monotonic() - began

    def log(self) -> str:
        """What it has printed.

        After a `stop` that took less than the time after which workers are killed, it is without granian's line that it kills one.
        Two of its threads wait for a worker's end; the one that comes second takes the worker, for the moment until the first has
        noted the end, for alive, and says on a busy machine that it kills what has ended.
        """
        text = self._output.read_text()
        return _TAKEN_FOR_ALIVE.sub("", text) if self._stopped_in < GRACE_SECONDS else text

    def get(self, path: str, token: str | None = None, **query: Any) -> httpx.Response:
        return self.client.get(f"/rating{path}", params=query, headers={"X-Auth-Token": token} if token else {})

    def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/rating{path}", json=body, headers={**({"X-Auth-Token": token} if token else {}), **names})

    def push(self, *frames: dict[str, Any], token: str | None = None, **headers: str) -> httpx.Response:
        return self.post("/v2/dataframes", {"dataframes": list(frames)}, token, **headers)

    def pids(self) -> list[int]:
        """The processes of the service: of its session."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = re.sub(r"\(.*\)", "x", (entry / "stat").read_text()).split()
                    if int(fields[5]) == self.process.pid:
                        found.append(int(entry.name))
        return found

    def kill(self) -> None:
        """kill -9 of all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def close(self) -> None:
        self.client.close()
        self.kill()
        self._folder.cleanup()


@contextlib.contextmanager
def serving(url: str | None, *arguments: str, program: str = "undercroft.cli.main", **settings: Any) -> Iterator[Service]:
    """A service on stores of rated usage at `url`, of events, samples and messages; it ends with the block."""
    service = Service(url, *arguments, program=program, **settings)
    try:
        service.await_alive()
        yield service
    finally:
        service.close()

"""The memory of the whole export worker while it reads many samples."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import time
from typing import Any

from bench.harness import Process, say
from bench.metering import export_floor, formula_api

CONFIGURATION = """
[exporter]
endpoint = {address}
auth = none
connection = {connection}
mode = complex
retries = 3
[filter:all]
meters = {meter}
"""


def measure(connection: str, count: int, folder: pathlib.Path) -> dict[str, Any]:
    """Let a worker read all samples in one round.

    Args:
        connection: the target.
        count: how many samples there are.
        folder: for the worker's configuration.

    Returns:
        bytes of its highest resident memory up to a tenth of the samples and in all, as `tenth` and `whole`; samples a second.
    """
    with contextlib.closing(Process("formula_api", pathlib.Path(sys.executable), "bench.metering.formula_api", count)) as server:
        file = folder / "export.ini"
        address = server.order("address")["address"]
        file.write_text(CONFIGURATION.format(address=address, connection=connection, meter=formula_api.METER))
        start = time.perf_counter()
        worker = subprocess.Popen([sys.executable, "-m", "undercroft.cli.main", "export", "run", str(file), "--once"])
        tenth = whole = 0
        try:
            while worker.poll() is None:
                served = server.order("served")["served"]
                whole = max(whole, _peak(worker.pid))
                if not tenth and served >= count // 10:
                    tenth = whole
                    say(f"{served:,} samples: {tenth / 2**20:.0f} MiB")
                time.sleep(0.1)
        finally:
            worker.kill()
            worker.wait()
        seconds = time.perf_counter() - start
    if worker.returncode != 0:
        raise SystemExit(f"the worker ended with code {worker.returncode}")
    with contextlib.closing(export_floor.ENGINES["sqlite"](connection)) as engine:
        stored = engine.count("samples")
    if stored != count:
        raise SystemExit(f"{stored:,} of {count:,} samples are in the table")
    return {"samples": count, "tenth": tenth, "whole": whole, "rate": count / seconds}


def _peak(pid: int) -> int:
    """Bytes of the highest resident memory of a process; 0 when it is ending."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0

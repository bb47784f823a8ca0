"""Calls that wait: what they cost others, in the store and in a service."""

from __future__ import annotations

import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from bench.client import Client
from bench.harness import TOP, Process, database, say
from bench.messaging import workload
from bench.messaging.sizes import Sizes
from tests.engines.run import free_ports

# Calls that wait beside the rates, and in a service.
BESIDE, SERVED = 100, 500
_CLIENTS = 4
_STEPS = (("send", 1), ("each", 10))
_HEADERS = {"Client-ID": workload.CLIENT, "X-Project-ID": workload.PROJECT}


def waiters(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Rates without and with calls that wait, round after round; then the answers of a service to others."""
    found: dict[str, Any] = {}
    for engine, url in urls.items():
        where = place(url, "waiters", folder)
        with _process("bench.messaging.worker", engine, where) as first:
            first.order("prepare")
            found[engine] = {"rates": _rates(engine, where, sizes), "service": _service(where, sizes)}
        say(f"{engine}: {found[engine]}")
    return found


def place(url: str, name: str, folder: pathlib.Path) -> str:
    """A store of its own on the server of `url`; its URL."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme.startswith("redis"):
        return urllib.parse.urlunsplit(parts._replace(query=f"namespace={name}_{os.getpid()}"))
    return database(url, f"bench_messaging_{name}", folder)


@contextlib.contextmanager
def _process(module: str, *arguments: object) -> Iterator[Process]:
    process = Process(module, pathlib.Path(sys.executable), module, *arguments)
    try:
        yield process
    finally:
        process.close()


def _rates(engine: str, place: str, sizes: Sizes) -> dict[str, Any]:
    rounds: dict[str, dict[str, list[float]]] = {f"{what} {size}": {"alone": [], "beside": []} for what, size in _STEPS}
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(_process("bench.messaging.worker", engine, place)) for _ in range(_CLIENTS)]
        for number in range(2 * sizes.rounds):
            # Each of both comes first in every second round.
            for side in ("alone", "beside") if number % 2 else ("beside", "alone"):
                with contextlib.ExitStack() as waiting:
                    if side == "beside":
                        crowd = waiting.enter_context(_process("bench.messaging.worker", engine, place))
                        crowd.order("crowd", count=BESIDE)
                    for what, size in _STEPS:
                        if what != "send":
                            clients[0].order("fill", count=int(8_000 * sizes.seconds))
                        for client in clients:
                            client.send("run", what=what, seconds=sizes.seconds, count=size)
                        answers = [client.answer() for client in clients]
                        rounds[f"{what} {size}"][side].append(sum(each["messages"] / each["seconds"] for each in answers))
    return {step: {side: statistics.median(each) for side, each in sides.items()} for step, sides in rounds.items()}


def _service(place: str, sizes: Sizes) -> dict[str, Any]:
    """The 99th percentile of a post and of statistics, in milliseconds, without and with requests that wait."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "undercroft.cli.main", "serve", "--store", f"messaging={place}", "--port", str(port)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            _await(port)
            rounds: dict[str, list[float]] = {"alone": [], "beside": []}
            for _ in range(sizes.rounds):
                rounds["alone"].append(_asked(port, sizes.seconds))
                with _process("bench.messaging.crowd", port, SERVED) as crowd:
                    crowd.order("begin")
                    rounds["beside"].append(_asked(port, sizes.seconds))
        finally:
            service.terminate()
    return {side: statistics.median(each) for side, each in rounds.items()}


def _await(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            Client(f"http://127.0.0.1:{port}", {}).send("GET", "/healthz", None, {})
        except (OSError, ValueError) as error:
            if time.monotonic() > end:
                raise SystemExit(f"the service does not start: {error}") from error
            time.sleep(0.1)
        else:
            return


def _asked(port: int, seconds: float) -> float:
    client = Client(f"http://127.0.0.1:{port}/messaging/v2/queues/{workload.QUEUE}", _HEADERS)
    taken: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < 2 * seconds:
        for method, path, body in (("POST", "/messages", {"messages": [{"body": workload.BODY}]}), ("GET", "/stats", None)):
            start = time.perf_counter()
            client.ask(method, path, {}, body)
            taken.append(time.perf_counter() - start)
    return sorted(taken)[int(len(taken) * 0.99)] * 1e3

"""Notifications: what subscribers cost those who post, and how fast one worker delivers to a receiver on this machine."""

from __future__ import annotations

import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.harness import TOP, Process, say
from bench.messaging import waiters
from bench.messaging.sizes import Sizes

_CLIENTS, _SUBSCRIBERS = 4, 10
_SIZES = (1, 10)


def notify(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Posts without and with subscribers, round after round; then deliveries a second."""
    found: dict[str, Any] = {}
    for engine, url in urls.items():
        found[engine] = {"posts": _posts(engine, url, sizes, folder), "delivery": _delivery(engine, url, sizes, folder)}
        say(f"{engine}: {found[engine]}")
    return found


def _posts(engine: str, url: str, sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Messages a second of four clients, to a queue that has no subscribers, and to one that has ten."""
    rounds: dict[str, dict[str, list[float]]] = {f"send {size}": {"alone": [], "beside": []} for size in _SIZES}
    with contextlib.ExitStack() as stack:
        sides = {}
        for side in ("alone", "beside"):
            place = waiters.place(url, f"notify_{side}", folder)
            clients = [stack.enter_context(worker(engine, place)) for _ in range(_CLIENTS)]
            clients[0].order("prepare")
            if side == "beside":
                # Nothing is sent there.
                clients[0].order("subscribe", uris=[f"http://192.0.2.1/{number}" for number in range(_SUBSCRIBERS)])
            sides[side] = clients
        for number in range(2 * sizes.rounds):
            for side in ("alone", "beside") if number % 2 else ("beside", "alone"):
                for size in _SIZES:
                    for client in sides[side]:
                        client.send("run", what="send", seconds=sizes.seconds, count=size)
                    answers = [client.answer() for client in sides[side]]
                    rounds[f"send {size}"][side].append(sum(each["messages"] / each["seconds"] for each in answers))
    return {step: {side: statistics.median(each) for side, each in sides.items()} for step, sides in rounds.items()}


def _delivery(engine: str, url: str, sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Deliveries a second, from the first to the last that came, of one worker to one and to ten subscribers of a queue."""
    found: dict[str, Any] = {}
    for subscribers in (1, _SUBSCRIBERS):
        rates = []
        for number in range(sizes.rounds):
            place = waiters.place(url, f"notify_{subscribers}_{number}", folder)
            many = sizes.notified // subscribers
            with _process("bench.messaging.receiver") as receiver, worker(engine, place) as client:
                port = receiver.order("listen")["port"]
                client.order("prepare")
                client.order("subscribe", uris=[f"http://127.0.0.1:{port}/{each}" for each in range(subscribers)])
                client.order("fill", count=many)
                _work(place)
                told = receiver.order("told")
            assert told["count"] == many * subscribers, told
            rates.append((told["count"] - 1) / told["seconds"])
        found[str(subscribers)] = statistics.median(rates)
    return found


def _work(place: str) -> None:
    """One worker, until nothing is due."""
    command = [sys.executable, "-m", "undercroft.cli.main", "queue", "notify", "--once", "--store", place]
    environment = {**os.environ, "UNDERCROFT_MESSAGING__NOTIFY_ALLOW": "127.0.0.0/8"}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"notify ended with {done.returncode}: {done.stderr[-2000:]}")


@contextlib.contextmanager
def _process(module: str, *arguments: object) -> Iterator[Process]:
    process = Process(module, pathlib.Path(sys.executable), module, *arguments)
    try:
        yield process
    finally:
        process.close()


def worker(engine: str, place: str) -> contextlib.AbstractContextManager[Process]:
    return _process("bench.messaging.worker", engine, place)

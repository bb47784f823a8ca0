"""Our driver for Redis beside Zaqar's own, on one server: rates of four clients each, and what each operation exchanges."""

from __future__ import annotations

import contextlib
import pathlib
import statistics
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import redis

from bench.harness import Process, say
from bench.messaging import wire
from bench.messaging.sizes import Sizes
from tests.hosts.conftest import make as environment

SIDES = ("zaqar", "ours")
# Operations of which rates are measured, and those which are done behind claimed messages.
TAKING = ("each", "bulk", "pop_1", "pop_10", "post_1", "post_10")
BEHIND = ("stats", "list")
COUNTED = ("claim", "delete", "bulk_delete", "pop_10", "stats", "post_1", "post_10", "list")
CLIENTS = 4
# Times that an operation is counted; the median counts.
TIMES = 5
# What the measurement itself asks the server.
OWN = ("cmdstat_info", "cmdstat_config")
# A server is waited for so long, in seconds, at most.
PATIENCE = 120


class Race:
    """The two sides on one server.

    Args:
        url: of the server.
        sizes: how much is measured.
    """

    def __init__(self, url: str, sizes: Sizes) -> None:
        self._url, self._sizes = url, sizes
        self._server = redis.Redis.from_url(url)
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        self._pythons = {"ours": pathlib.Path(sys.executable), "zaqar": environment("zaqar").python}

    def _place(self, side: str, port: int) -> str:
        """A side's URL."""
        if side == "ours":
            return urllib.parse.urlunsplit(urllib.parse.urlsplit(self._url)._replace(netloc=f"{self._host}:{port}"))
        # Its own limit of 0.1 s ends calls of a thousand messages.
        return f"redis://{self._host}:{port}?dbid=1&socket_timeout=60"

    @contextlib.contextmanager
    def _clients(self, side: str, count: int, port: int) -> Iterator[list[Process]]:
        """Clients of a side."""
        with contextlib.ExitStack() as stack:
            found = []
            for number in range(count):
                place = self._place(side, port)
                found.append(Process(side, self._pythons[side], "bench.messaging.racer", side, place, number, count))
                stack.callback(found[-1].close)
            yield found

    @contextlib.contextmanager
    def _sides(self, queues: list[str], each: int) -> Iterator[dict[str, list[Process]]]:
        """Clients of both sides, each side with so many messages in each of the queues."""
        self._server.flushall()
        with contextlib.ExitStack() as stack:
            sides = {side: stack.enter_context(self._clients(side, CLIENTS, self._port)) for side in SIDES}
            for side, clients in sides.items():
                began = time.perf_counter()
                _all(clients, "prepare", queues=queues)
                _all(clients, "fill", count=each)
                say(f"{side}: {len(queues)} queues of {each:,} messages in {time.perf_counter() - began:.1f} s")
            yield sides

    def _rates(self, sides: dict[str, list[Process]], what: str) -> dict[str, float]:
        """Calls a second of all clients of a side, the median round; calls that broke off count as calls, and are told."""
        rounds: dict[str, list[float]] = {side: [] for side in sides}
        broken = 0
        for number in range(self._sizes.rounds):
            for side in SIDES if number % 2 else SIDES[::-1]:
                answers = _all(sides[side], "run", what=what, seconds=self._sizes.turn)
                rounds[side].append(sum(answer["calls"] / answer["seconds"] for answer in answers))
                assert side == "zaqar" or not any(answer["broken"] for answer in answers), answers
                broken += sum(answer["broken"] for answer in answers)
                _all(sides[side], "restore")
        found = {side: statistics.median(each) for side, each in rounds.items()}
        ratio = found["ours"] / found["zaqar"]
        say(f"{what}: zaqar {found['zaqar']:,.0f}/s, ours {found['ours']:,.0f}/s, {ratio:.1f} times; {broken} broke off")
        return found | {"broken": broken}

    def settings(self, fsync: str) -> None:
        """Have the server write its log, flushed so often, and nothing else at times of its own."""
        for name, value in (
            ("save", ""),
            ("auto-aof-rewrite-percentage", "0"),
            ("appendfsync", fsync),
            ("appendonly", "yes"),
        ):
            self._server.config_set(name, value)
        end = time.monotonic() + PATIENCE
        while any(self._server.info("persistence")[f"aof_rewrite_{what}"] for what in ("in_progress", "scheduled")):
            assert time.monotonic() < end, "the server still writes its log anew"
            threading.Event().wait(0.05)

    def queues(self, count: int, *, behind: bool) -> dict[str, Any]:
        """Rates with all messages in so many queues; `behind`: those behind claimed ones, too."""
        queues = [f"queue-{number}" for number in range(count)]
        found: dict[str, Any] = {}
        with self._sides(queues, self._sizes.raced // count) as sides:
            if behind:
                found |= self._behind(sides)
            for what in TAKING:
                found[what] = self._rates(sides, what)
        return found

    def _behind(self, sides: dict[str, list[Process]]) -> dict[str, Any]:
        """Rates behind claimed messages."""
        for clients in sides.values():
            _all(clients, "hold", count=self._sizes.held_claimed // CLIENTS)
        found = {what: self._rates(sides, what) for what in BEHIND}
        for clients in sides.values():
            _all(clients, "release")
        return found

    def flat(self) -> dict[str, Any]:
        """Milliseconds of one client's statistics, with few messages and with all, and with claimed ones."""
        found: dict[str, Any] = {}
        with contextlib.ExitStack() as stack:
            one = {side: stack.enter_context(self._clients(side, 1, self._port))[0] for side in SIDES}
            for messages, claimed in ((2_000, 0), (self._sizes.raced, 0), (self._sizes.raced, self._sizes.held_claimed)):
                self._server.flushall()
                for client in one.values():
                    client.order("prepare", queues=["queue"])
                    client.order("fill", count=messages)
                    client.order("hold", count=claimed)
                key = f"{messages:,}, {claimed:,}"
                found[key] = {}
                for side, client in one.items():
                    answer = client.order("run", what="stats", seconds=self._sizes.turn / 2)
                    found[key][side] = answer["seconds"] / answer["calls"] * 1e3
                say(f"stats of {messages:,} messages, {claimed:,} of them claimed: {found[key]}")
        return found

    def counted(self) -> dict[str, Any]:
        """Round trips and commands of each operation, with nothing claimed and behind claimed messages."""
        found: dict[str, Any] = {}
        with wire.counting(self._host, self._port) as proxy:
            for claimed in (0, self._sizes.held_claimed):
                self._server.flushall()
                for side in SIDES:
                    with self._clients(side, 1, proxy.port) as (client,):
                        client.order("prepare", queues=["queue"])
                        client.order("fill", count=claimed + 1_000)
                        client.order("hold", count=claimed)
                        for what in COUNTED:
                            found.setdefault(what, {}).setdefault(str(claimed), {})[side] = self._count(client, proxy, what)
                say(f"counted behind {claimed:,}: { {what: each[str(claimed)] for what, each in found.items()} }")
        return found

    def _count(self, client: Process, proxy: wire.Counting, what: str) -> dict[str, float]:
        """Round trips and commands of one operation."""
        counts = []
        for _ in range(TIMES + 1):
            if what in {"delete", "bulk_delete"}:
                client.order("take")
            turns, commands = proxy.turns, self._commands()
            client.order("one", what=what)
            counts.append((proxy.turns - turns, self._commands() - commands))
        # The first one loads scripts.
        trips, commands = (statistics.median_low(each) for each in zip(*counts[1:], strict=True))
        return {"trips": trips, "commands": commands}

    def _commands(self) -> int:
        """Commands that the server has carried out, those of scripts among them."""
        stats = self._server.info("commandstats")
        return sum(int(each["calls"]) for name, each in stats.items() if not name.startswith(OWN))


def _all(clients: list[Process], do: str, **arguments: Any) -> list[dict[str, Any]]:
    """Have all clients do something at once."""
    for client in clients:
        client.send(do, **arguments)
    return [client.answer() for client in clients]


def race(urls: dict[str, str], sizes: Sizes, _: pathlib.Path) -> dict[str, Any]:
    """All figures."""
    run = Race(urls["redis"], sizes)
    found: dict[str, Any] = {}
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "counted": ("everysec", run.counted),
        "stats": ("everysec", run.flat),
        "one queue": ("everysec", lambda: run.queues(1, behind=True)),
        "1,000 queues": ("everysec", lambda: run.queues(1_000, behind=False)),
        "one queue, always": ("always", lambda: run.queues(1, behind=True)),
    }
    for name, (fsync, measure) in steps.items():
        run.settings(fsync)
        say(f"== race: {name}")
        found[name] = measure()
    return found

"""What the tests with a real Ceilometer share: it, a service and a database that come back, and where it publishes to."""

from __future__ import annotations

import contextlib
import pathlib
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.api.service import Service
from tests.chaos import servers
from tests.chaos.servers import Server
from tests.engines.run import free_ports
from tests.hosts.conftest import Environment
from undercroft.conformance.plugin import Opener, Target

TOKENS = "secret - - service\nreader - - admin\n"
PATIENCE = 300


class Restarted:
    """A service that comes back on its port after each kill."""

    def __init__(self, folder: pathlib.Path, stores: dict[str, Any]) -> None:
        self.port = free_ports(1)[0]
        tokens = folder / "tokens"
        tokens.write_text(TOKENS)
        self._start: Any = lambda: Service(None, **stores, auth="tokens", token_file=tokens, port=self.port)
        self.service = self._start()
        self.service.await_alive()

    def kill(self) -> None:
        self.service.kill()
        self.service.close()
        self.service = self._start()


@contextlib.contextmanager
def restarted(folder: pathlib.Path, **stores: str) -> Iterator[Restarted]:
    found = Restarted(folder, stores)
    try:
        yield found
    finally:
        found.service.close()


def over_http(service: Any, path: str, query: str = "") -> str:
    """The URL of Ceilometer's own publisher."""
    return f"http://anybody:secret@127.0.0.1:{service.port}{path}{query}"


@contextlib.contextmanager
def own_store(kind: str, name: str) -> Iterator[tuple[Server, Opener]]:
    """A store on a database server that may be killed."""
    with servers.own(name, durable=True) as database:
        opener = Opener(Target(kind, name, database.url), database.url, "ceilometer")
        opener().close()
        yield database, opener


def outage(database: Server, rng: random.Random) -> None:
    """Kill a database server, and start it a moment later."""
    database.kill()
    threading.Event().wait(rng.uniform(0.1, 1))
    database.start()


def message_ids(opener: Opener, items: Callable[[Any], Iterable[Any]]) -> Counter[str]:
    """How often each message id is there, among what `items` reads from the store."""
    with contextlib.closing(opener(init=False)) as store:
        return Counter(each.message_id for each in items(store))


def size(number: int) -> int:
    """As in `inside.ceilometer_samples`."""
    return number % 5 + 1


class Agent:
    """Ceilometer's pipeline in a process of its own.

    Args:
        environment: with Ceilometer.
        publisher, first, count, folder, times: see `inside.ceilometer_samples`.

    Attributes:
        kept: the numbers of the notifications whose samples Ceilometer did not throw away.
        is_done: set when all are delivered.
    """

    def __init__(
        self, environment: Environment, publisher: str, first: int, count: int, folder: pathlib.Path, *times: object
    ) -> None:
        words = ["-m", "tests.hosts.inside.ceilometer_samples", *map(str, (publisher, first, count, folder, *times))]
        self.process = subprocess.Popen(
            [str(environment.python), *words], env=environment.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.kept: list[int] = []
        self.is_done = threading.Event()
        self._other: list[str] = []
        line = self.process.stdout.readline()
        while line != "begun\n":
            assert line, "".join(self._other)
            self._other.append(line)
            line = self.process.stdout.readline()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.kept.append(int(line))
            elif line == "done\n":
                self.is_done.set()
            else:
                self._other.append(line)
        self.is_done.set()

    def end(self) -> None:
        """Let it end, with what it is delivering."""
        self._close()
        assert self.process.returncode == 0, "".join(self._other)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self._reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.wait(PATIENCE)


def ids(numbers: list[int]) -> set[str]:
    return {f"{number:08x}-0001-11f1-8001-{place:012x}" for number in numbers for place in range(size(number))}

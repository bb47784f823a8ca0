"""What the tests with a real Ceilometer share: a service and a database that come back, and where it publishes to."""

from __future__ import annotations

import contextlib
import pathlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.api.service import Service
from tests.chaos import servers
from tests.chaos.servers import Server
from tests.engines.run import free_ports
from undercroft.conformance.plugin import Opener, Target

TOKENS = "secret - - service\n"


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

"""Redis or Redis Cluster: each command to the server that has its key, in one round trip."""

from __future__ import annotations

import datetime as dt
import os
import weakref
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from undercroft.core import time
from undercroft.core import url as urls
from undercroft.core.errors import Unavailable
from undercroft.core.findings import Finding
from undercroft.engines.clock import EngineClock
from undercroft.engines.redis import diagnosis
from undercroft.engines.redis.address import Address, Node
from undercroft.engines.redis.dedicated import Dedicated
from undercroft.engines.redis.errors import Broken, Refused, Unsent, refused
from undercroft.engines.redis.line import Login, pack
from undercroft.engines.redis.locks import Locks
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.redis.pool import ask_each
from undercroft.engines.redis.recovery import Recovery, Request
from undercroft.engines.redis.script import Call, Script, Word
from undercroft.engines.redis.servers import Servers
from undercroft.engines.redis.topology import slot

O = TypeVar("O", bound=EngineOptions)  # noqa: E741

_EVALSHA = b"EVALSHA"
# Keys of a scan's step, and of an UNLINK.
_STEP = 1_000
# In a cluster a script names a second key in the same slot, which is never there: a slot that is on its way from one server to
# another then answers TRYAGAIN before the script begins. With one key it would run on the half of the queue that has arrived.
_BESIDE = ":-"


class Redis:
    """A server or a cluster, and how to talk to it. Shared by threads, and safe after a fork.

    Attributes:
        options: see `EngineOptions`.
        place: the URL without a password, for messages.
    """

    def __init__(self, url: str, options: EngineOptions) -> None:
        options.check()
        address = Address.of(url)
        self.options = options
        self.place = address.place
        self._servers = Servers(address, Login(address, options), options)
        self._recovery = Recovery(self._servers, self.place)
        self._clock = EngineClock(self._read_clock)
        _all.add(self)

    @classmethod
    def open(cls, url: str, options: type[O], given: Mapping[str, Any]) -> tuple[Redis, O]:
        """The server or cluster at `url`; options come from its query and from `given`. Nothing is sent yet.

        Raises:
            ConfigInvalid: no such URL or option.
        """
        base, parsed, _ = urls.split(url, options, given)
        return cls(base, parsed), parsed

    # -- one round trip ----------------------------------------------------------------------------------------------

    def run(self, script: Script, key: str, *arguments: Word) -> Any:
        """What a script gives, run on the server that has `key`, which is its KEYS[1].

        All other keys that the script names have the same braces. A script that writes is not sent again once a server may have it.

        Raises:
            OutcomeUnknown: it may or may not have been run.
            Unavailable: not now; nothing was done.
        """
        topology = self._servers.topology or self._servers.find()
        words: tuple[Word, ...]
        if topology.is_cluster:
            words = (_EVALSHA, script.digest, 2, key, key + _BESIDE, *arguments)
        else:
            words = (_EVALSHA, script.digest, 1, key, *arguments)
        try:
            return topology.pool(key).ask(pack(words))
        except (Refused, Unsent, Broken) as failure:
            return self._recovery.recover(Request(key, words, script.reads, script), failure)

    def command(self, key: str | None, *words: Word, writes: bool = False) -> Any:
        """The answer to a command.

        Args:
            key: decides which server is asked; None for the first master.
            words: the whole command, its key among them.
            writes: it is not sent again once a server may have it.

        Raises:
            OutcomeUnknown: with `writes`, it may or may not have been done.
            Unavailable: not now.
        """
        topology = self._servers.topology or self._servers.find()
        try:
            return (topology.masters()[0] if key is None else topology.pool(key)).ask(pack(words))
        except (Refused, Unsent, Broken) as failure:
            return self._recovery.recover(Request(key, words, not writes), failure)

    # -- several at once, one round trip a server --------------------------------------------------------------------

    def run_many(self, calls: Sequence[Call]) -> list[Any]:
        """What scripts give, in the order of the calls; those of one server are sent together. Raises as `run`.

        They are run in any order, and when one fails, others may have been done.
        """
        return self._many(self._requests(calls))

    def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """As `run_many`, but `Unavailable` is in the place of an answer that there is not: other servers may have answered.

        A server that does not answer is asked no more than is needed to know it.
        """
        requests = self._requests(calls)
        answers = self._sent(requests)
        pool = self._servers.find_once().pool
        away: dict[Any, Unavailable] = {}
        for number, (request, answer) in enumerate(zip(requests, answers, strict=True)):
            if isinstance(answer, Exception):
                server = pool(request.key or "")
                try:
                    answers[number] = away.get(server) or self._recovery.recover(request, answer)
                except Unavailable as failure:
                    answers[number] = away[server] = failure
        return answers

    def _requests(self, calls: Sequence[Call]) -> list[Request]:
        beside = self._servers.find_once().is_cluster
        return [
            Request(
                each.key,
                (_EVALSHA, each.script.digest, 2, each.key, each.key + _BESIDE, *each.arguments)
                if beside
                else (_EVALSHA, each.script.digest, 1, each.key, *each.arguments),
                each.script.reads,
                each.script,
            )
            for each in calls
        ]

    def commands(self, calls: Sequence[tuple[str, Sequence[Word]]]) -> list[Any]:
        """The answers to commands that read, each a key and the whole command; those of one server are sent together."""
        return self._many([Request(key, tuple(words), repeats=True) for key, words in calls])

    def _many(self, requests: Sequence[Request]) -> list[Any]:
        return [
            self._recovery.recover(request, answer) if isinstance(answer, Exception) else answer
            for request, answer in zip(requests, self._sent(requests), strict=True)
        ]

    def _sent(self, requests: Sequence[Request]) -> list[Any]:
        """The answers to first attempts; errors are among them, each in its place."""
        topology = self._servers.find_once()
        places: dict[Any, list[int]] = {}
        for number, request in enumerate(requests):
            places.setdefault(topology.pool(request.key or ""), []).append(number)
        parts = [(pool, [pack(requests[number].words) for number in numbers]) for pool, numbers in places.items()]
        answers: list[Any] = [None] * len(requests)
        for numbers, found in zip(places.values(), ask_each(parts), strict=True):
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer
        return answers

    def unlink(self, keys: Iterable[str]) -> int:
        """Remove keys, whichever server has them; how many there were, at least."""
        by_slot: dict[int, list[str]] = {}
        is_cluster = self._servers.find_once().is_cluster
        for key in keys:
            by_slot.setdefault(slot(key) if is_cluster else 0, []).append(key)
        portions = [
            same[begin : begin + _STEP] for same in by_slot.values() for begin in range(0, len(same), _STEP)
        ]  # fmt: skip
        return sum(self._many([Request(each[0], ("UNLINK", *each), repeats=True) for each in portions]))

    # -- servers -----------------------------------------------------------------------------------------------------

    def masters(self) -> Sequence[Node]:
        """Every server that has keys."""
        return [pool.node for pool in self._servers.find_once().masters()]

    def ask_node(self, node: Node, *words: Word) -> Any:
        """The answer of one server to a command that reads."""
        try:
            return self._servers.pool(node).ask(pack(words))
        except Refused as answer:
            raise refused(answer, self.place) from answer

    def scan(self, match: str) -> Iterator[bytes]:
        """The keys that match a pattern, of every master; one that is there all the time comes at least once."""
        for node in self.masters():
            cursor = b"0"
            while True:
                cursor, keys = self.ask_node(node, "SCAN", cursor, "MATCH", match, "COUNT", _STEP)
                yield from keys
                if cursor == b"0":
                    break

    def dedicated(self, key: str | None = None) -> Dedicated:
        """A connection of its own to the server that has `key`, or to the first master; the caller closes it."""
        topology = self._servers.find_once()
        pool = topology.masters()[0] if key is None else topology.pool(key)
        try:
            return Dedicated(pool.connect(), self.place, self.options.statement_timeout)
        except Unsent:
            topology = self._servers.find(topology)
            pool = topology.masters()[0] if key is None else topology.pool(key)
            return Dedicated(pool.connect(), self.place, self.options.statement_timeout)

    def is_durable(self) -> bool:
        """Whether every master has on disk what it acknowledges."""
        return all(diagnosis.is_durable(self, node) for node in self.masters())

    def diagnose(self) -> Generator[Finding, None, bool]:
        """See `diagnosis.examine`."""
        return diagnosis.examine(self)

    def check(self) -> None:
        """Raise `ConfigInvalid` where a server is older than the drivers are made for."""
        diagnosis.check(self)

    def ping(self) -> None:
        """Raise `Unavailable` unless every master answers."""
        for node in self.masters():
            self.ask_node(node, "PING")

    def locks(self) -> Locks:
        """Locks on periodic jobs."""
        return Locks(self, self.options.namespace)

    # -- the engine's clock ------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The engine's moment in milliseconds since 1970; in a cluster that of the first master, for every process."""
        return self._clock.micros() // 1_000

    def _read_clock(self) -> dt.datetime:
        seconds, micros = self.command(None, "TIME")
        return time.from_micros(int(seconds) * 1_000_000 + int(micros))

    def close(self) -> None:
        """Close every connection that is not in use, and the others when they come back."""
        self._servers.close()

    def after_fork(self) -> None:
        """Let go of connections and locks that are the parent's."""
        self._servers.after_fork()


_all: weakref.WeakSet[Redis] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_all):
        each.after_fork()


os.register_at_fork(after_in_child=_after_fork)

"""What is done about a command that failed: sent elsewhere or again where nothing was done, else told."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from undercroft.core import deadline
from undercroft.core.errors import Declined
from undercroft.engines.redis import errors
from undercroft.engines.redis.address import Node
from undercroft.engines.redis.errors import Broken, Refused, Unsent
from undercroft.engines.redis.line import pack
from undercroft.engines.redis.pool import Pool
from undercroft.engines.redis.script import Script, Word
from undercroft.engines.redis.servers import Servers
from undercroft.engines.redis.topology import Topology

_EVAL = b"EVAL"
# Answers after which the same command may be taken in a moment.
_SOON = frozenset({"TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY"})
# Seconds before each further attempt; no answer of theirs takes long, and whoever called can repeat it, too.
_PAUSES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
_REDIRECTIONS = 5
# One for a connection that was closed while nobody looked, one for a server that another has taken the place of.
_BREAKS = 2


@dataclasses.dataclass(slots=True)
class Request:
    """A command on its way.

    Attributes:
        key: decides which server is asked; None for the first master.
        words: the whole command.
        repeats: True when it may be done twice.
        script: that the command runs.
    """

    key: str | None
    words: tuple[Word, ...]
    repeats: bool
    script: Script | None = None


class Recovery:
    """Sees to failures. Shared by threads."""

    def __init__(self, servers: Servers, place: str) -> None:
        self._servers = servers
        self._place = place

    def recover(self, request: Request, failure: Exception) -> Any:
        """The answer to a command whose first attempt failed.

        Raises:
            OutcomeUnknown, Unavailable, Denied: there is none.
        """
        attempt = _Attempt(self._servers, request, self._place)
        while True:
            attempt.prepare(failure)
            try:
                return attempt.ask()
            except (Refused, Unsent, Broken) as error:
                failure = error


class _Attempt:
    """The further attempts at one command."""

    def __init__(self, servers: Servers, request: Request, place: str) -> None:
        self._servers = servers
        self._request = request
        self._place = place
        self._words = request.words
        self._known = servers.find_once()
        self._there: Pool | None = None
        self._pauses = iter(_PAUSES)
        self._redirections = self._breaks = 0

    def ask(self) -> Any:
        """Send it."""
        if self._there is not None:
            pool, self._there = self._there, None
            return pool.ask_there(pack(self._words))
        return self._pool().ask(pack(self._words))

    def _pool(self) -> Pool:
        key = self._request.key
        topology = self._servers.find_once()
        return topology.masters()[0] if key is None else topology.pool(key)

    def prepare(self, failure: Exception) -> None:
        """See to it that another attempt may succeed; raise what is to be told where none is made."""
        told = self._told(failure)
        if deadline.remaining() == 0:
            raise told from failure
        if isinstance(failure, Refused):
            self._answered(failure, told)
        elif isinstance(failure, (Unsent, Broken)):
            self._disconnected(failure, told)
        else:
            raise told from failure

    def _told(self, failure: Exception) -> Exception:
        if isinstance(failure, Refused):
            return errors.refused(failure, self._place)
        if isinstance(failure, Broken) and not self._request.repeats:
            return errors.broken(failure)
        return failure

    def _answered(self, failure: Refused, told: Exception) -> None:
        match failure.code:
            case "NOSCRIPT" if self._request.script is not None and self._words[0] != _EVAL:
                self._words = (_EVAL, self._request.script.text, *self._words[2:])
            case "MOVED" | "ASK" if self._redirections < _REDIRECTIONS:
                # The way over a server that is waited for does not count.
                self._redirections += 1
                self._redirect(failure)
            case "READONLY":
                self._pause(told, failure)
                self._find()
            case code if code in _SOON:
                self._redirections = 0
                self._pause(told, failure)
            case _:
                raise told from failure

    def _redirect(self, failure: Refused) -> None:
        """Follow `MOVED slot host:port`, or `ASK slot host:port`."""
        number, _, where = failure.text.partition(" ")
        host, _, port = where.partition(" ")[0].rpartition(":")
        if not port.isdigit() or not number.isdigit():
            raise Declined(f"{self._place}: {failure}") from failure
        node = Node(host.strip("[]") or self._pool().node.host, int(port))
        if failure.code == "ASK":
            self._there = self._servers.pool(node)
            return
        # One slot that moved is seldom the only one. What is found may be older than this answer.
        topology = self._find()
        topology.move(int(number), self._servers.pool(node))

    def _disconnected(self, failure: Unsent | Broken, told: Exception) -> None:
        self._breaks += 1
        if failure.late or self._breaks > _BREAKS or (isinstance(failure, Broken) and not self._request.repeats):
            raise told from failure
        self._find(avoided=self._pool().node)

    def _pause(self, told: Exception, failure: Exception) -> None:
        seconds = next(self._pauses, None)
        left = deadline.remaining()
        if seconds is None or (left is not None and left <= seconds):
            raise told from failure
        threading.Event().wait(seconds)

    def _find(self, avoided: Node | None = None) -> Topology:
        self._known = self._servers.find(self._known, avoided)
        return self._known

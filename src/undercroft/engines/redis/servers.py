"""The servers that are known, and which of them has which key."""

from __future__ import annotations

import threading
import time

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.engines.redis.address import Address, Node
from undercroft.engines.redis.line import Login
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.redis.pool import Pool
from undercroft.engines.redis.topology import Topology, discover

# Seconds before which nothing new is expected of the servers.
_FRESH = 0.2


class Servers:
    """Connections by server, and the topology, found out at first use. Shared by threads.

    Attributes:
        topology: the last one; None before the first use.
    """

    def __init__(self, address: Address, login: Login, options: EngineOptions) -> None:
        self._address = address
        self._login = login
        self._options = options
        self._pools: dict[Node, Pool] = {}
        self._lock = threading.Lock()
        self._found_at = 0.0
        self._failures = 0
        self._failure = ""
        self.topology: Topology | None = None

    def pool(self, node: Node) -> Pool:
        """The connections to a server."""
        found = self._pools.get(node)
        if found is None:
            # Of two threads that make one, the dict keeps the first's.
            found = self._pools.setdefault(node, Pool(node, self._login, self._options))
        return found

    def find_once(self) -> Topology:
        """The topology that is known, or a new one."""
        return self.topology or self.find()

    def find(self, stale: Topology | None = None, avoided: Node | None = None) -> Topology:
        """Find out where keys are, unless another thread has done so since `stale` was known, or a moment ago.

        Args:
            stale: what was known before.
            avoided: a server that is asked last.

        Raises:
            Unavailable: no server tells.
        """
        nodes = [*(pool.node for pool in stale.masters()), *self._address.nodes] if stale else list(self._address.nodes)
        nodes.sort(key=lambda node: node == avoided)
        failures = self._failures
        with deadline.holding(self._lock, self._options.connect_timeout * len(set(nodes)), self._late):
            if self._failures != failures:
                # What another thread was told while this one waited holds for it, too.
                raise Unavailable(self._failure)
            known = self.topology
            if known is not None and (known is not stale or time.monotonic() - self._found_at < _FRESH):
                return known
            try:
                found = discover(nodes, self.pool, self._address.place, self._address.database)
            except Unavailable as failure:
                self._failures += 1
                self._failure = str(failure)
                raise
            self._found_at = time.monotonic()
            self.topology = found
        self._drop({pool.node for pool in found.masters()} | set(self._address.nodes))
        return found

    def _late(self) -> Unavailable:
        return Unavailable(f"{self._address.place}: the servers did not tell in time where keys are")

    def _drop(self, wanted: set[Node]) -> None:
        """Close the connections to servers that have no keys any more."""
        for node in list(self._pools):
            if node not in wanted and (pool := self._pools.pop(node, None)) is not None:
                pool.close()

    def close(self) -> None:
        """Close all connections."""
        for pool in list(self._pools.values()):
            pool.close()

    def after_fork(self) -> None:
        """Let go of what is the parent's."""
        self._lock = threading.Lock()
        for pool in self._pools.values():
            pool.forget()

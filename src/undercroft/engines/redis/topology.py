"""Which server has a key: the one master of a server without cluster mode, or the master of the key's hash slot."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.engines.redis.address import Node
from undercroft.engines.redis.errors import Refused
from undercroft.engines.redis.line import pack
from undercroft.engines.redis.pool import Pool

SLOTS = 16_384
_SLOTS_COMMAND, _ROLE = pack((b"CLUSTER", b"SLOTS")), pack((b"ROLE",))

Pools = Callable[[Node], Pool]


def slot(key: str) -> int:
    """The hash slot of a key: that of the part within its first braces, if there is one."""
    begin = key.find("{") + 1
    end = key.find("}", begin) if begin else -1
    return binascii.crc_hqx((key[begin:end] if end > begin else key).encode(), 0) % SLOTS


class Topology(Protocol):
    """Where keys are."""

    is_cluster: bool

    def pool(self, key: str) -> Pool:
        """The connections to the master that has a key.

        Raises:
            Unavailable: none has it.
        """
        ...

    def masters(self) -> Sequence[Pool]:
        """The connections to every master; the first is the same for every process."""
        ...

    def move(self, number: int, pool: Pool) -> None:
        """A slot has moved."""
        ...


class Single:
    """One master that has every key."""

    is_cluster = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def pool(self, key: str) -> Pool:  # noqa: D102
        return self._pool

    def masters(self) -> Sequence[Pool]:  # noqa: D102
        return (self._pool,)

    def move(self, number: int, pool: Pool) -> None:  # noqa: D102
        raise ConfigInvalid(
            "the server belongs to a cluster, and the user may not ask which servers it has: grant it CLUSTER SLOTS"
        )


class Cluster:
    """Masters by slot. A slot that none has is None."""

    is_cluster = True

    def __init__(self, slots: list[Pool | None], place: str) -> None:
        self._slots = slots
        self._place = place

    def pool(self, key: str) -> Pool:  # noqa: D102
        found = self._slots[slot(key)]
        if found is None:
            raise Unavailable(f"{self._place}: no server of the cluster has slot {slot(key)}")
        return found

    def masters(self) -> Sequence[Pool]:  # noqa: D102
        return list(dict.fromkeys(pool for pool in self._slots if pool is not None))

    def missing(self) -> int:
        """How many slots no server has."""
        return self._slots.count(None)

    def move(self, number: int, pool: Pool) -> None:  # noqa: D102
        self._slots[number] = pool


def discover(nodes: Iterable[Node], pools: Pools, place: str, database: int) -> Topology:
    """Ask servers until one knows where keys are.

    Args:
        nodes: whom to ask, the likeliest first.
        pools: gives the connections to a server.
        place: the URL without a password.
        database: the number that the URL names.

    Raises:
        Unavailable: no server answers, or none is a master.
        ConfigInvalid: a cluster has no such database.
    """
    failure: Exception | None = None
    for node in dict.fromkeys(nodes):
        pool = pools(node)
        try:
            slots, role = pool.ask_all([_SLOTS_COMMAND, _ROLE])
        except Unavailable as error:
            failure = error
            continue
        if isinstance(slots, list):
            if database:
                raise ConfigInvalid(f"{place}: a cluster has database 0 only")
            if not slots:
                failure = Unavailable(f"{place}: no server of the cluster has slots, as {node} says")
                continue
            return _cluster(slots, node, pools, place)
        if isinstance(slots, Refused):
            if _is_master(role):
                return Single(pool)
            failure = Unavailable(f"{place}: {node} is a replica")
        else:
            failure = slots
    raise failure or Unavailable(f"{place}: no server is known")


def _is_master(role: Any) -> bool:
    """Whether it says so; one whose user may not ask counts as one: a write would tell."""
    return isinstance(role, Refused) or (isinstance(role, list) and role[0] == b"master")


def _cluster(ranges: list[Any], asked: Node, pools: Pools, place: str) -> Cluster:
    slots: list[Pool | None] = [None] * SLOTS
    for first, last, master, *_ in ranges:
        host = master[0].decode() if master[0] else ""
        # A server that does not know by which name it is reached says nothing, or `?`.
        pool = pools(Node(host if host not in ("", "?") else asked.host, int(master[1])))
        slots[first : last + 1] = [pool] * (last + 1 - first)
    return Cluster(slots, place)

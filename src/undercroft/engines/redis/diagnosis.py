"""Examining servers: version, clock, rights, memory, and whether what they acknowledge is on disk. Nothing is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from undercroft.core import findings, time
from undercroft.core.errors import ConfigInvalid, Declined, UndercroftError
from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines.redis.address import Node

# The oldest version that the drivers are made for.
OLDEST = (6, 2)
# A share of maxmemory above which it is soon full.
_FULL_PERCENT = 90


class Servers(Protocol):
    """What is asked."""

    place: str

    def masters(self) -> Sequence[Node]:
        """Every server that has keys."""
        ...

    def ask_node(self, node: Node, *words: bytes | str | int) -> Any:
        """The answer of one server."""
        ...


def setting(redis: Servers, node: Node, name: str) -> str | None:
    """A setting of a server; None where it does not tell."""
    try:
        found = redis.ask_node(node, "CONFIG", "GET", name)
    except Declined:
        return None
    return str(found[1].decode()) if isinstance(found, list) and len(found) == 2 else None


def is_durable(redis: Servers, node: Node) -> bool:
    """Whether a server has on disk what it acknowledges; False where it does not tell."""
    return setting(redis, node, "appendonly") == "yes" and setting(redis, node, "appendfsync") == "always"


def info(redis: Servers, node: Node, section: str) -> Mapping[str, str]:
    """What a server tells of itself."""
    lines = redis.ask_node(node, "INFO", section).decode().splitlines()
    return dict(line.partition(":")[::2] for line in lines if ":" in line)


def check(redis: Servers) -> None:
    """Raise `ConfigInvalid` where a server is older than the drivers are made for."""
    for node in redis.masters():
        found = info(redis, node, "server")
        if _version(found) < OLDEST:
            version = found.get("redis_version", "?")
            raise ConfigInvalid(f"{redis.place}: {node} is version {version}; upgrade to {'.'.join(map(str, OLDEST))} or later")


def examine(redis: Servers) -> Generator[Finding, None, bool]:
    """All that is to be said about servers before their contents; gives back whether these can be looked at."""
    try:
        nodes = redis.masters()
        versions = {node: info(redis, node, "server") for node in nodes}
    except UndercroftError as failure:
        yield error("connection", str(failure), "mend the URL, or start the server")
        return False
    is_new_enough = True
    for node, found in versions.items():
        is_new_enough &= _version(found) >= OLDEST
        yield _connection("connection" if len(nodes) == 1 else f"connection: {node}", node, found, redis.place)
    yield _cluster(redis, nodes)
    for node in nodes:
        yield from _durability(redis, node)
        yield from _memory(redis, node)
    yield _clocks(redis, nodes)
    return is_new_enough


def _version(found: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(int(part) for part in found.get("redis_version", "0").split(".") if part.isdigit())


def _connection(check: str, node: Node, found: Mapping[str, str], place: str) -> Finding:
    name = found.get("server_name", "redis")
    shown = f"{name} {found.get(f'{name}_version', found.get('redis_version', '?'))} ({node}) at {place}"
    if _version(found) < OLDEST:
        return error(check, shown, "upgrade to 6.2 or later")
    return ok(check, shown)


def _cluster(redis: Servers, nodes: Sequence[Node]) -> Finding:
    try:
        state = redis.ask_node(nodes[0], "CLUSTER", "INFO").decode()
    except Declined:
        replicas = info(redis, nodes[0], "replication").get("connected_slaves", "0")
        return ok("servers", f"one, with {replicas} replicas")
    if "cluster_state:ok" not in state or "cluster_slots_assigned:16384" not in state:
        return error("servers", f"a cluster of {len(nodes)} masters that is not whole", "see CLUSTER INFO and CLUSTER NODES")
    return ok("servers", f"a cluster of {len(nodes)} masters")


def _durability(redis: Servers, node: Node) -> Iterator[Finding]:
    check = f"durability: {node}"
    append, sync = setting(redis, node, "appendonly"), setting(redis, node, "appendfsync")
    if append is None or sync is None:
        yield warning(
            check, "the server does not tell its settings", "grant this user CONFIG GET, to see whether it keeps what it is given"
        )
    elif append != "yes":
        yield warning(
            check, "appendonly no", "what was acknowledged is lost with the server: set appendonly yes and appendfsync always"
        )
    elif sync != "always":
        yield warning(check, f"appendfsync {sync}", "the last second may be lost in a power cut: set appendfsync always")
    else:
        yield ok(check, "appendonly yes, appendfsync always")


def _memory(redis: Servers, node: Node) -> Iterator[Finding]:
    found = info(redis, node, "memory")
    most, used = int(found.get("maxmemory", 0)), int(found.get("used_memory", 0))
    policy = found.get("maxmemory_policy", "noeviction")
    shown = f"{findings.size(used)} of {findings.size(most) if most else 'no limit'}, {policy}"
    if most and policy != "noeviction":
        yield error(
            f"memory: {node}", shown, "set maxmemory-policy noeviction: the server deletes what it was given when it is full"
        )
    elif most and used * 100 > most * _FULL_PERCENT:
        yield warning(f"memory: {node}", shown, "give it more: it takes nothing more when it is full")
    else:
        yield ok(f"memory: {node}", shown)


def _clocks(redis: Servers, nodes: Sequence[Node]) -> Finding:
    """The clock that is furthest from ours."""
    offsets: list[dt.timedelta] = []
    for node in nodes:
        seconds, micros = redis.ask_node(node, "TIME")
        offsets.append(time.from_micros(int(seconds) * 1_000_000 + int(micros)) - time.now())
    return findings.clock(max(offsets, key=abs))

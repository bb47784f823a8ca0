"""Servers that are not as they have to be: too old, a replica, a cluster that is not whole."""

from __future__ import annotations

import pytest

from tests.engines import run
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Level


def bulk(text):
    return f"${len(text)}\r\n{text}\r\n".encode()


def old(words):
    return bulk("# Server\r\nredis_version:6.0.16\r\n") if words[0] == b"INFO" else b"*0\r\n" if words[0] == b"CONFIG" else b""


def test_a_version_that_is_too_old_is_refused(scripted, connect):
    server = scripted(old)
    with pytest.raises(ConfigInvalid, match=r"is version 6\.0\.16; upgrade to 6\.2 or later"):
        connect(f"redis://{server.place}").check()


def test_a_recent_version_is_taken(redis):
    redis.check()


@pytest.fixture(scope="module")
def replica(started, url):
    """A replica of the shared server."""
    host, _, port = url.partition("://")[2].partition(":")
    return started(f"--replicaof {host} {port}")


def test_a_replica_in_the_place_of_its_master(replica, connect, url):
    alone = connect(replica)
    with pytest.raises(Unavailable, match="is a replica"):
        alone.ping()
    (found,) = alone.diagnose()
    assert (found.check, found.level) == ("connection", Level.ERROR)
    assert "is a replica" in found.found
    both = connect(f"{replica},{url.partition('://')[2]}")
    both.ping()
    assert [str(node) for node in both.masters()] == [url.partition("://")[2]]


@pytest.mark.parametrize("slots", [(), ("CLUSTER", "ADDSLOTSRANGE", 0, 99)])
def test_a_cluster_that_lacks_slots(started, connect, slots):
    # By default the bus is on a port 10,000 behind the server's own, which may be taken.
    (bus,) = run.free_ports(1)
    client = connect(started(f"--cluster-enabled yes --cluster-port {bus}"))
    if slots:
        client.ask_node(client._servers._address.nodes[0], *slots)
    found = {one.check: one for one in client.diagnose()}
    wrong = found["servers" if slots else "connection"]
    assert wrong.level is Level.ERROR
    assert "slots" in wrong.found + wrong.advice or "not whole" in wrong.found
    with pytest.raises(Unavailable):
        client.command("k", "SET", "k", 1, writes=True)

"""Slots of a cluster, and the ways to servers that have them now."""

from __future__ import annotations

import types
from typing import Any

import pytest

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.engines.redis import Call, Script
from undercroft.engines.redis.topology import slot

SCRIPT = Script.from_text("s.lua", b"return 1")


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("123456789", 0x31C3),
        ("foo", 12182),
        ("{user1000}.following", 3443),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
    ],
)
def test_slots(key, number):
    assert slot(key) == number


def layout(*ranges):
    """The answer to CLUSTER SLOTS."""
    parts = [f"*{len(ranges)}\r\n"]
    for first, last, place in ranges:
        host, _, port = place.rpartition(":")
        parts.append(f"*3\r\n:{first}\r\n:{last}\r\n*3\r\n${len(host)}\r\n{host}\r\n:{port}\r\n$2\r\nid\r\n")
    return "".join(parts).encode()


@pytest.fixture
def two(scripted):
    """Two servers of a cluster; `slots` holds what they say of it, and the functions what they answer to scripts."""

    state: Any = types.SimpleNamespace(slots=b"", first=lambda words: b":0\r\n", second=lambda words: b":0\r\n")

    def answers(which):
        def found(words):
            if words[0] == b"CLUSTER":
                return state.slots
            return (
                getattr(state, which)(words)
                if words[0] in (b"EVALSHA", b"EVAL", b"GET")
                else b"+OK\r\n"
                if words[0] == b"ASKING"
                else b""
            )

        return found

    state.one, state.other = scripted(answers("first")), scripted(answers("second"))
    state.slots = layout((0, 16383, state.one.place))
    return state


def test_a_slot_that_moved(two, connect):
    redis = connect(f"redis://{two.one.place}")
    two.first = lambda words: b":1\r\n"
    assert redis.run(SCRIPT, "foo") == 1
    two.first = lambda words: f"-MOVED 12182 {two.other.place}\r\n".encode() if words[3] == b"foo" else b":1\r\n"
    two.second = lambda words: b":2\r\n"
    assert redis.run(SCRIPT, "foo") == 2
    asked = len(two.one.asked)
    assert redis.run(SCRIPT, "foo") == 2
    assert len(two.one.asked) == asked, "the slot's new place is known"
    assert redis.run(SCRIPT, "bar") == 1, "other slots have not moved"


def test_connections_to_a_server_that_others_do_not_know_yet_are_kept(two, connect):
    """The servers still tell the old layout when one of them sends us on."""
    redis = connect(f"redis://{two.one.place}")
    redis.run(SCRIPT, "foo")
    redis._servers._found_at -= 1
    two.first = lambda words: f"-MOVED 12182 {two.other.place}\r\n".encode()
    redis.run(SCRIPT, "foo")
    assert len(redis._servers.topology.pool("foo")._idle) == 1


def test_all_slots_are_looked_up_when_one_moved(two, connect):
    redis = connect(f"redis://{two.one.place}")
    redis.run(SCRIPT, "foo")
    redis._servers._found_at -= 1
    two.slots = layout((0, 10000, two.one.place), (10001, 16383, two.other.place))
    two.first = lambda words: f"-MOVED 12182 {two.other.place}\r\n".encode()
    redis.run(SCRIPT, "foo")
    assert [str(node) for node in redis.masters()] == [two.one.place, two.other.place]


def test_a_slot_that_is_on_its_way(two, connect):
    redis = connect(f"redis://{two.one.place}")
    two.first = lambda words: f"-ASK 12182 {two.other.place}\r\n".encode()
    two.second = lambda words: b"$1\r\nx\r\n"
    assert redis.command("foo", "GET", "foo") == b"x"
    assert [words[0] for words in two.other.asked] == [b"ASKING", b"GET"]
    redis.command("foo", "GET", "foo")
    assert len(two.one.asked) == 2, "it is still the first server's"


def test_a_script_that_is_missing_there(two, connect):
    two.first = lambda words: f"-ASK 12182 {two.other.place}\r\n".encode()
    two.second = lambda words: b":3\r\n" if words[0] == b"EVAL" else b"-NOSCRIPT\r\n"
    assert connect(f"redis://{two.one.place}").run(SCRIPT, "foo") == 3
    assert [words[0] for words in two.other.asked] == [b"ASKING", b"EVALSHA", b"ASKING", b"EVAL"]


def test_servers_that_send_each_other_on(two, connect):
    two.first = lambda words: f"-MOVED 12182 {two.other.place}\r\n".encode()
    two.second = lambda words: f"-MOVED 12182 {two.one.place}\r\n".encode()
    with pytest.raises(Unavailable, match="MOVED"):
        connect(f"redis://{two.one.place}").run(SCRIPT, "foo")
    assert len(two.one.asked) + len(two.other.asked) == 6


def test_a_server_that_says_where_only_by_the_port(two, connect):
    two.first = lambda words: f"-MOVED 12182 :{two.other.place.rpartition(':')[2]}\r\n".encode()
    two.second = lambda words: b":2\r\n"
    assert connect(f"redis://{two.one.place}").run(SCRIPT, "foo") == 2


@pytest.mark.parametrize("where", ["", "12182", "x 127.0.0.1:1", "12182 127.0.0.1:x"])
def test_an_answer_that_leads_nowhere(two, connect, where):
    two.first = lambda words: f"-MOVED {where}\r\n".encode()
    with pytest.raises(Unavailable):
        connect(f"redis://{two.one.place}").run(SCRIPT, "foo")


def test_several_calls_part_by_server(two, connect):
    two.slots = layout((0, 10000, two.one.place), (10001, 16383, two.other.place))
    two.first = two.second = lambda words: b"$%d\r\n%s\r\n" % (len(words[3]), words[3])
    redis = connect(f"redis://{two.one.place}")
    keys = [f"k{number}" for number in range(50)]
    assert redis.run_many([Call(SCRIPT, key) for key in keys]) == [key.encode() for key in keys]
    assert len(two.one.asked) + len(two.other.asked) == 50
    assert len(two.one.asked) > 10 < len(two.other.asked)


def test_a_script_in_a_cluster_names_two_keys_of_its_slot(two, connect):
    connect(f"redis://{two.one.place}").run(SCRIPT, "{foo}", "x")
    assert two.one.asked == [[b"EVALSHA", SCRIPT.digest, b"2", b"{foo}", b"{foo}:-", b"x"]]


def test_the_way_over_another_server(two, connect):
    """A server that has gone is not needed to find the others."""
    two.slots = layout((0, 16383, two.other.place))
    two.second = lambda words: b":2\r\n"
    assert connect(f"redis://127.0.0.1:1,{two.one.place}").run(SCRIPT, "foo") == 2


def test_a_master_that_another_has_taken_the_place_of(two, connect):
    redis = connect(f"redis://{two.one.place},{two.other.place}")
    assert redis.run(SCRIPT, "foo") == 0
    redis._servers._found_at -= 1
    two.slots = layout((0, 16383, two.other.place))
    two.second = lambda words: b":2\r\n"
    two.one.shutdown()
    two.one.server_close()
    for line in redis._servers.topology.pool("foo")._idle:
        line.close()
    redis._servers.topology.pool("foo")._idle.clear()
    assert redis.run(SCRIPT, "foo") == 2


def test_a_cluster_that_may_not_be_looked_at(scripted, connect):
    server = scripted(
        lambda words: (
            b"-NOPERM no\r\n"
            if words[0] in (b"CLUSTER", b"ROLE")
            else b"-MOVED 12182 127.0.0.1:1\r\n"
            if words[0] == b"EVALSHA"
            else b""
        )
    )
    with pytest.raises(ConfigInvalid, match="CLUSTER SLOTS"):
        connect(f"redis://{server.place}").run(SCRIPT, "foo")

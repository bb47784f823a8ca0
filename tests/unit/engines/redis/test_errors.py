"""What a server's errors become, and what is sent again: nothing that a server may have done."""

from __future__ import annotations

import threading
import time

import pytest

from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid, Declined, Denied, OutcomeUnknown, Unavailable
from undercroft.engines.redis import Call, Script

WRITE = Script.from_text("write.lua", b"return redis.call('INCR', KEYS[1])")
READ = Script.from_text("read.lua", b"return redis.call('GET', KEYS[1])", reads=True)
NOW = {"LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "READONLY"}


@pytest.mark.parametrize(
    "code", ["BUSY", "MISCONF", "OOM", "NOREPLICAS", "LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN"]
)
def test_not_now(scripted, connect, code):
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else f"-{code} words of the server\r\n".encode())
    with pytest.raises(Unavailable, match=f"{code} words of the server") as caught:
        connect(f"redis://{server.place}").run(WRITE, "k")
    assert not isinstance(caught.value, (OutcomeUnknown, Declined))
    assert len(server.asked) == (8 if code in NOW else 1)


@pytest.mark.parametrize("code", ["WRONGPASS", "NOAUTH", "NOPERM"])
def test_an_operator_mends_it(scripted, connect, code):
    server = scripted(lambda words: b"" if words[0] != b"GET" else f"-{code} words of the server\r\n".encode())
    with pytest.raises(Denied, match="words of the server"):
        connect(f"redis://{server.place}").command("k", "GET", "k")
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["ERR no such thing", "WRONGTYPE of key", "FUNNY", "NOSCRIPT where none was asked for"])
def test_what_nobody_knows(scripted, connect, text):
    server = scripted(lambda words: b"" if words[0] != b"GET" else f"-{text}\r\n".encode())
    with pytest.raises(Declined, match=text):
        connect(f"redis://{server.place}").command("k", "GET", "k", writes=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", sorted(NOW))
def test_soon_is_waited_for(scripted, connect, code):
    answers = iter([f"-{code} not yet\r\n".encode()] * 2 + [b":5\r\n"])
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else next(answers))
    assert connect(f"redis://{server.place}").run(WRITE, "k") == 5
    assert len(server.asked) == 3


def test_it_is_not_waited_for_when_no_time_is_left(scripted, connect):
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else b"-TRYAGAIN not yet\r\n")
    redis = connect(f"redis://{server.place}")
    begin = time.monotonic()
    with deadline.within(0.1), pytest.raises(Unavailable, match="TRYAGAIN"):
        redis.run(WRITE, "k")
    within(time.monotonic() - begin, 2)


def test_a_script_that_the_server_lost_is_sent_once(scripted, connect):
    server = scripted(lambda words: {b"EVALSHA": b"-NOSCRIPT No matching script\r\n", b"EVAL": b":1\r\n"}.get(words[0], b""))
    assert connect(f"redis://{server.place}").run(WRITE, "k", "a", 1, b"b") == 1
    assert [words[0] for words in server.asked] == [b"EVALSHA", b"EVAL"]
    assert server.asked[1] == [b"EVAL", WRITE.text, b"1", b"k", b"a", b"1", b"b"]


def test_a_server_that_keeps_no_script(scripted, connect):
    server = scripted(lambda words: b"-NOSCRIPT\r\n" if words[0].startswith(b"EVAL") else b"")
    with pytest.raises(Declined):
        connect(f"redis://{server.place}").run(WRITE, "k")
    assert len(server.asked) == 2


def closes_at(name: bytes, times: int, then: bytes):
    left = [times]

    def answers(words):
        if words[0] != name:
            return b""
        left[0] -= 1
        return None if left[0] >= 0 else then

    return answers


def test_a_write_whose_connection_broke_is_not_sent_again(scripted, connect):
    server = scripted(closes_at(b"EVALSHA", 1, b":2\r\n"))
    redis = connect(f"redis://{server.place}")
    with pytest.raises(OutcomeUnknown, match="repeat the call"):
        redis.run(WRITE, "k")
    assert server.asked == []
    assert redis.run(WRITE, "k") == 2


def test_a_read_whose_connection_broke_is(scripted, connect):
    server = scripted(closes_at(b"EVALSHA", 1, b":2\r\n"))
    assert connect(f"redis://{server.place}").run(READ, "k") == 2


def test_not_without_end(scripted, connect):
    server = scripted(closes_at(b"EVALSHA", 100, b""))
    with pytest.raises(Unavailable) as caught:
        connect(f"redis://{server.place}").run(READ, "k")
    assert not isinstance(caught.value, OutcomeUnknown)


def test_some_of_several_writes(scripted, connect):
    """Calls whose answers came are not repeated for one whose answer did not."""
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else (b":1\r\n" if words[3] == b"a" else None))
    with pytest.raises(OutcomeUnknown):
        connect(f"redis://{server.place}").run_many([Call(WRITE, "a"), Call(WRITE, "b"), Call(WRITE, "a")])
    assert [words[3] for words in server.asked] == [b"a"]


def test_an_error_among_several(scripted, connect):
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else (b":1\r\n" if words[3] == b"a" else b"-OOM full\r\n"))
    redis = connect(f"redis://{server.place}")
    with pytest.raises(Unavailable, match="OOM full"):
        redis.run_many([Call(WRITE, "a"), Call(WRITE, "b"), Call(WRITE, "a")])
    assert redis.run_many([Call(WRITE, "a")]) == [1]


def test_no_server(connect):
    with pytest.raises(Unavailable, match="Connection refused") as caught:
        connect("redis://127.0.0.1:1").run(WRITE, "k")
    assert not isinstance(caught.value, OutcomeUnknown)


def test_an_answer_that_is_none(scripted, connect):
    server = scripted(lambda words: b"" if words[0] != b"GET" else b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(Unavailable):
        connect(f"redis://{server.place}").command("k", "GET", "k")


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def silent(scripted):
    """A server that does not answer scripts."""
    end = threading.Event()
    yield scripted(lambda words: b"" if words[0] != b"EVALSHA" else (end.wait(30), b":1\r\n")[1])
    end.set()


@pytest.mark.parametrize(("script", "error"), [(WRITE, OutcomeUnknown), (READ, Unavailable)])
def test_the_deadline_ends_a_call(silent, connect, script, error):
    redis = connect(f"redis://{silent.place}")
    redis.masters()
    begin = time.monotonic()
    with deadline.within(0.2), pytest.raises(error) as caught:
        redis.run(script, "k")
    within(time.monotonic() - begin, 1)
    assert isinstance(caught.value, OutcomeUnknown) == (script is WRITE)


def test_so_does_the_option(silent, connect):
    redis = connect(f"redis://{silent.place}", statement_timeout=0.2)
    begin = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        redis.run(WRITE, "k")
    with pytest.raises(Unavailable):
        redis.run(READ, "k")
    with pytest.raises(OutcomeUnknown):
        redis.run_many([Call(WRITE, "k"), Call(WRITE, "k")])
    within(time.monotonic() - begin, 2)


def test_nothing_is_sent_when_no_time_is_left(scripted, connect):
    server = scripted(lambda words: b"" if words[0] != b"EVALSHA" else b":1\r\n")
    redis = connect(f"redis://{server.place}")
    redis.run(READ, "k")
    with deadline.within(0), pytest.raises(Unavailable) as caught:
        redis.run(WRITE, "k")
    assert not isinstance(caught.value, OutcomeUnknown)
    with deadline.within(0), pytest.raises(Unavailable):
        redis.run_many([Call(WRITE, "k")])
    assert len(server.asked) == 1


def test_a_server_that_drips_does_not_hold_a_call(scripted, connect):
    """Each piece of an answer comes soon, and the whole never."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    end = threading.Event()

    def serve() -> None:
        while not end.is_set():
            one, _ = listener.accept()
            with one:
                one.settimeout(0.05)
                said = False
                while not end.wait(0.02):
                    try:
                        words = one.recv(65_536)
                    except TimeoutError:
                        words = b""
                    if b"SETINFO" in words:
                        one.sendall(b"+OK\r\n")
                    elif b"CLUSTER" in words:
                        one.sendall(b"-ERR no\r\n*1\r\n$6\r\nmaster\r\n")
                    elif words:
                        one.sendall(b"$1000000\r\n")
                        said = True
                    elif said:
                        try:
                            one.sendall(b"x")
                        except OSError:
                            break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    redis = connect(f"redis://127.0.0.1:{listener.getsockname()[1]}")
    redis.masters()
    begin = time.monotonic()
    with deadline.within(0.5), pytest.raises(Unavailable):
        redis.command("k", "GET", "k")
    within(time.monotonic() - begin, 5)
    end.set()
    listener.close()


def test_a_client_that_hangs_up(silent, connect):
    redis, hang_up = connect(f"redis://{silent.place}"), deadline.HangUp()
    redis.masters()
    timer = threading.Timer(0.2, hang_up.fire)
    timer.start()
    begin = time.monotonic()
    with deadline.until(hang_up), deadline.within(60), pytest.raises(Unavailable):
        redis.run(READ, "k")
    with deadline.until(hang_up), pytest.raises(Unavailable):
        redis.run(READ, "k")
    within(time.monotonic() - begin, 5)
    timer.join()
    assert redis.masters()


def test_servers_that_take_no_connection_do_not_hold_a_call(connect):
    """An address that answers nothing, as behind a firewall: one that nobody has."""
    begin = time.monotonic()
    with deadline.within(0.3), pytest.raises(Unavailable):
        connect("redis://192.0.2.1:6379").run(WRITE, "k")
    within(time.monotonic() - begin, 1.5)


# -- servers that are not the right one --------------------------------------------------------------------------------


def test_the_master_among_several_servers(scripted, connect):
    replica = scripted(
        lambda words: b"*5\r\n$5\r\nslave\r\n$1\r\nx\r\n:1\r\n$9\r\nconnected\r\n:0\r\n" if words[0] == b"ROLE" else b""
    )
    master = scripted(lambda words: b":1\r\n" if words[0] == b"EVALSHA" else b"")
    assert connect(f"redis://{replica.place},{master.place}").run(WRITE, "k") == 1
    with pytest.raises(Unavailable, match="is a replica"):
        connect(f"redis://{replica.place}").run(WRITE, "k")


def test_a_master_that_became_a_replica(scripted, connect):
    is_over: list[bool] = []

    def first(words):
        if words[0] == b"ROLE":
            return b"*1\r\n$5\r\nslave\r\n" if is_over else b""
        return (
            b""
            if words[0] != b"EVALSHA"
            else (b"-READONLY You can't write against a read only replica.\r\n" if is_over else b":1\r\n")
        )

    def second(words):
        if words[0] == b"ROLE":
            return b"" if is_over else b"*1\r\n$5\r\nslave\r\n"
        return b":2\r\n" if words[0] == b"EVALSHA" else b""

    redis = connect(f"redis://{scripted(first).place},{scripted(second).place}")
    assert redis.run(WRITE, "k") == 1
    is_over.append(True)
    assert redis.run(WRITE, "k") == 2


def test_a_cluster_has_one_database(scripted, connect):
    server = scripted(lambda words: b"*0\r\n" if words[0] == b"CLUSTER" else b"+OK\r\n" if words[0] == b"SELECT" else b"")
    with pytest.raises(ConfigInvalid, match="database 0"):
        connect(f"redis://{server.place}/3").run(WRITE, "k")
    with pytest.raises(Unavailable, match="no server of the cluster has slot"):
        connect(f"redis://{server.place}").run(WRITE, "k")

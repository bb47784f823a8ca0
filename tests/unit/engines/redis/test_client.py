"""A real server: scripts, commands, connections that the server closed, forks, logins and TLS."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import ipaddress
import os
import pathlib
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from undercroft.conformance.limits import within
from undercroft.core import time as times
from undercroft.core.errors import ConfigInvalid, Declined, Denied, OutcomeUnknown, Unavailable
from undercroft.core.findings import Level
from undercroft.engines.redis import Call, EngineOptions, Redis, Script, line

COUNT = Script.from_text("count.lua", b"return redis.call('INCR', KEYS[1])")
ECHO = Script.from_text("echo.lua", b"return {KEYS[1], ARGV[1], ARGV[2], 7}", reads=True)


def test_a_script(redis):
    assert redis.run(ECHO, "k", b"\x00\xff", "é") == [b"k", b"\x00\xff", "é".encode(), 7]
    redis.command(None, "SCRIPT", "FLUSH", writes=True)
    assert redis.run(ECHO, "k", 5, "") == [b"k", b"5", b"", 7]
    assert redis.command(None, "SCRIPT", "EXISTS", ECHO.digest) == [1]


def test_a_script_of_a_package(tmp_path, monkeypatch, redis):
    folder = tmp_path / "of_redis"
    (folder / "scripts").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "scripts" / "words.lua").write_text("local function two() return 2 end\n")
    (folder / "scripts" / "use.lua").write_text("return two()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    script = Script.of("of_redis", "use.lua", prelude="words.lua", reads=True)
    assert redis.run(script, "k") == 2
    assert (script.name, script.reads) == ("use.lua", True)


def test_a_script_that_fails(redis):
    with pytest.raises(Declined):
        redis.run(Script.from_text("wrong.lua", b"return redis.call('GET')"), "k")
    with pytest.raises(Declined):
        redis.run(Script.from_text("syntax.lua", b"return ("), "k")


def test_several_calls(redis):
    redis.command(None, "SCRIPT", "FLUSH", writes=True)
    calls = [Call(COUNT, f"k{number % 3}") for number in range(30)]
    assert sorted(redis.run_many(calls)) == sorted(list(range(1, 11)) * 3)
    assert redis.commands([(f"k{number}", ("GET", f"k{number}")) for number in range(4)]) == [b"10", b"10", b"10", None]
    assert redis.run_many([]) == redis.commands([]) == []


def test_large_values(redis):
    text = os.urandom(5_000_000)
    redis.command("k", "SET", "k", text, writes=True)
    assert redis.command("k", "GET", "k") == text
    assert redis.commands([("k", ("GET", "k"))] * 3) == [text] * 3


def test_keys_are_found_and_removed(redis):
    keys = [f"x:{number}" for number in range(2_500)]
    redis.command(None, "MSET", *(word for key in [*keys, "y"] for word in (key, 1)), writes=True)
    assert set(redis.scan("x:*")) == {key.encode() for key in keys}
    assert redis.unlink([*keys, "z"]) == 2_500
    assert list(redis.scan("*")) == [b"y"]
    assert redis.unlink([]) == 0


def test_text_that_is_none(redis):
    with pytest.raises(UnicodeEncodeError):
        redis.command("k", "GET", "\ud800")
    assert redis.command("k", "GET", "k") is None


# -- connections -------------------------------------------------------------------------------------------------------


def number(redis: Redis) -> int:
    """Of the connection that is used."""
    return int(redis.command(None, "CLIENT", "ID"))


def clients(redis: Redis) -> int:
    return len(redis.command(None, "CLIENT", "LIST").splitlines())


def test_a_connection_is_used_again(redis):
    assert number(redis) == number(redis)


def test_threads(redis, connect, url):
    watching = connect(url)
    before = clients(watching)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: redis.run(COUNT, "k"), range(1_000)))
    assert sorted(found) == list(range(1, 1_001))
    assert clients(watching) <= before + redis.options.pool_size


def test_one_that_was_closed_while_idle_is_not_used_for_a_write(redis, connect, url):
    first = number(redis)
    assert redis.run(COUNT, "k") == 1
    connect(url).command(None, "CLIENT", "KILL", "ID", first, writes=True)
    assert redis.run(COUNT, "k") == 2
    assert number(redis) != first


def test_one_that_is_closed_as_it_is_used(redis, connect, url, monkeypatch):
    """Whether a write on it was done is not known; a read is sent again, and what comes later finds a new one."""
    monkeypatch.setattr(line.Line, "is_closed", lambda _: False)
    for work, error in ((lambda: redis.run(COUNT, "k"), OutcomeUnknown), (lambda: redis.run(ECHO, "k", 1, 2), None)):
        connect(url).command(None, "CLIENT", "KILL", "ID", number(redis), writes=True)
        if error is None:
            work()
        else:
            with pytest.raises(error):
                work()
    assert redis.run(COUNT, "k") == 1


def test_a_closed_client_keeps_nothing(redis, connect, url):
    before = clients(redis)
    other = connect(url)
    other.ping()
    assert clients(redis) == before + 1
    other.close()
    end = time.monotonic() + 10
    while clients(redis) != before and time.monotonic() < end:
        pass
    assert clients(redis) == before
    other.ping()


def test_an_interrupt_costs_the_connection(redis, monkeypatch):
    first = number(redis)
    # The server has the script now, so that the interrupted answer is the script's own.
    assert redis.run(COUNT, "k") == 1
    redis.command("k", "SET", "other", "kept", writes=True)
    used = redis._servers.topology.pool("k")._idle[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(used), "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        redis.run(COUNT, "k")
    monkeypatch.undo()
    assert redis.command("k", "GET", "other") == b"kept", "not the answer to the command before"
    assert number(redis) != first


def test_a_forked_process_has_connections_of_its_own(redis):
    first = number(redis)
    child = os.fork()
    if not child:
        try:
            os._exit(0 if number(redis) != first and redis.run(COUNT, "k") == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert number(redis) == first
    assert redis.run(COUNT, "k") == 2


# -- a connection of its own -------------------------------------------------------------------------------------------


def test_a_blocking_read(redis):
    own = redis.dedicated("k")
    own.send("BLPOP", "k", 0)
    assert own.read(0.05) is None
    redis.command("k", "RPUSH", "k", "v", writes=True)
    assert own.read(10) == [b"k", b"v"]
    own.send("BLPOP", "k", "0.01")
    assert own.read(10) is None
    own.close()


def test_a_subscription(redis):
    own = redis.dedicated()
    own.send("SUBSCRIBE", "a", "b")
    assert [own.read(10)[1], own.read(10)[1]] == [b"a", b"b"]
    redis.command(None, "PUBLISH", "b", "1", writes=True)
    redis.command(None, "PUBLISH", "a", "2", writes=True)
    assert [own.read(10), own.read(10)] == [[b"message", b"b", b"1"], [b"message", b"a", b"2"]]
    own.send("UNSUBSCRIBE", "a")
    assert own.read(10)[:2] == [b"unsubscribe", b"a"]
    own.close()


def test_it_is_closed_while_it_is_read(redis):
    own = redis.dedicated()
    own.send("BLPOP", "k", 0)
    threading.Timer(0.1, own.close).start()
    begin = time.monotonic()
    with pytest.raises(Unavailable):
        own.read(30)
    within(time.monotonic() - begin, 5)
    with pytest.raises(Unavailable):
        own.send("PING")
    with pytest.raises(Unavailable):
        own.read(0)


def test_the_server_ends_it(redis):
    own = redis.dedicated()
    own.send("CLIENT", "ID")
    redis.command(None, "CLIENT", "KILL", "ID", own.read(10), writes=True)
    with pytest.raises(Unavailable):
        own.read(10)


def test_its_errors(redis):
    own = redis.dedicated()
    own.send("BLPOP")
    with pytest.raises(Declined):
        own.read(10)
    own.send("PING")
    assert own.read(10) == b"PONG"
    own.close()


# -- the server itself -------------------------------------------------------------------------------------------------


def test_the_clock(redis):
    seconds, _ = redis.command(None, "TIME")
    assert abs(redis.now() - int(seconds) * 1_000) < 3_000
    first = redis.now()
    assert isinstance(first, int)
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    assert 45 <= redis.now() - first < 1_000


def test_a_bound_clock_moves_it(redis):
    moment = times.wall() + dt.timedelta(days=3)
    times.bind(lambda: moment)
    try:
        assert abs(redis.now() - times.to_micros(moment) // 1_000) < 3_000
        assert redis.now() == redis.now(), "it goes on as the bound one does"
    finally:
        times.bind(None)


def test_locks(redis):
    locks = redis.locks()
    held = locks.acquire("job", dt.timedelta(milliseconds=200))
    assert held is not None
    with held:
        assert locks.acquire("job", dt.timedelta(seconds=1)) is None
    assert locks.acquire("job", dt.timedelta(seconds=1)) is None, "it is not given back early"
    assert locks.acquire("other", dt.timedelta(seconds=1)) is not None
    end = time.monotonic() + 10
    while locks.acquire("job", dt.timedelta(seconds=1)) is None:
        assert time.monotonic() < end
    assert locks.acquire("job", dt.timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("append", "sync", "is_durable"), [("yes", "always", True), ("yes", "everysec", False), ("no", "always", False)]
)
def test_durability(redis, append, sync, is_durable):
    redis.command(None, "CONFIG", "SET", "appendonly", append, writes=True)
    redis.command(None, "CONFIG", "SET", "appendfsync", sync, writes=True)
    try:
        assert redis.is_durable() is is_durable
        (found,) = [each for each in redis.diagnose() if each.check.startswith("durability")]
        assert (found.level is Level.OK) is is_durable
        assert (append if append == "no" else sync) in found.found
    finally:
        redis.command(None, "CONFIG", "SET", "appendonly", "no", writes=True)


def test_an_examination(redis):
    found = {each.check.partition(":")[0]: each for each in redis.diagnose()}
    assert set(found) == {"connection", "servers", "durability", "memory", "clock"}
    assert {each.level for name, each in found.items() if name != "durability"} == {Level.OK}
    redis.command(None, "CONFIG", "SET", "maxmemory", 10**9, writes=True)
    redis.command(None, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", writes=True)
    try:
        (memory,) = [each for each in redis.diagnose() if each.check.startswith("memory")]
        assert memory.level is Level.ERROR
        assert "noeviction" in memory.advice
        redis.command(None, "CONFIG", "SET", "maxmemory-policy", "noeviction", writes=True)
        redis.command(None, "CONFIG", "SET", "maxmemory", 1, writes=True)
        (memory,) = [each for each in redis.diagnose() if each.check.startswith("memory")]
        assert memory.level is Level.WARNING
        with pytest.raises(Unavailable, match="OOM"):
            redis.run(COUNT, "k")
    finally:
        redis.command(None, "CONFIG", "SET", "maxmemory", 0, writes=True)
        redis.command(None, "CONFIG", "SET", "maxmemory-policy", "noeviction", writes=True)


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(started) -> str:
    """A server with the password `right`, and a user who may read only and look at nothing."""
    url: str = started()
    redis = Redis.open(url, EngineOptions, {})[0]
    redis.command(None, "ACL", "SETUSER", "reader", "on", ">read", "~*", "+get", "+eval", "+evalsha", writes=True)
    redis.command(None, "CONFIG", "SET", "requirepass", "right", writes=True)
    redis.close()
    return url


def at(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@")


def test_a_login(guarded, connect):
    assert connect(at(guarded, ":right")).run(COUNT, "login") == 1
    assert connect(at(guarded, "default:right")).run(COUNT, "login") == 2


@pytest.mark.parametrize("login", ["", ":wr%40ng", "nobody:right"])
def test_a_wrong_login(guarded, connect, login):
    redis = connect(at(guarded, login) if login else guarded)
    for work in (lambda: redis.run(COUNT, "k"), lambda: redis.run_many([Call(COUNT, "k")]), redis.ping):
        with pytest.raises(Denied) as caught:
            work()
        assert isinstance(caught.value, ConfigInvalid)
        assert "wr%40ng" not in str(caught.value)
        assert "wr@ng" not in str(caught.value)
    (finding,) = redis.diagnose()
    assert finding.level is Level.ERROR


def test_rights(guarded, connect):
    redis = connect(at(guarded, "reader:read"))
    assert redis.command("k", "GET", "k") is None
    with pytest.raises(Denied):
        redis.command("k", "SET", "k", 1, writes=True)
    with pytest.raises(Unavailable):
        redis.run(COUNT, "k")
    assert redis.is_durable() is False


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate that its own key signed, and that key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = times.now()
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "it.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "it.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def over_tls(started, certificate) -> str:
    """The URL of a server that speaks TLS on a port of its own."""
    from tests.engines import run

    (port,) = run.free_ports(1)
    it, key = certificate
    started(f"--tls-port {port} --tls-cert-file {it} --tls-key-file {key} --tls-auth-clients optional --tls-ca-cert-file {it}")
    return f"rediss://127.0.0.1:{port}"


def test_a_certificate_that_nobody_signed(over_tls, connect):
    with pytest.raises(Denied, match="ca_certs"):
        connect(over_tls).run(COUNT, "k")


def test_one_that_is_trusted(over_tls, connect, certificate, monkeypatch):
    redis = connect(over_tls, ca_certs=str(certificate[0]))
    assert redis.run(COUNT, "k") == 1
    first = number(redis)
    assert redis.run(COUNT, "k") == 2
    assert number(redis) == first, "what TLS says on its own does not cost a connection"
    text = os.urandom(1_000_000)
    redis.command("t", "SET", "t", text, writes=True)
    assert redis.command("t", "GET", "t") == text


def test_one_for_another_host(over_tls, connect, certificate):
    with pytest.raises(Denied, match="certificate"):
        connect(over_tls.replace("127.0.0.1", "localhost"), ca_certs=str(certificate[0])).run(COUNT, "k")


def test_no_such_file(over_tls, connect):
    with pytest.raises(ConfigInvalid, match="ca_certs"):
        connect(over_tls, ca_certs="/nowhere.pem").run(COUNT, "k")


def test_tls_where_the_server_speaks_none(url, connect):
    with pytest.raises(Unavailable):
        connect(url.replace("redis://", "rediss://"), connect_timeout=0.5).run(COUNT, "k")

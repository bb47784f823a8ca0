"""The real Zaqar on our stores: its own tests, its server. The real clients against that server, and against our service."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.service import serving
from tests.conftest import opener_of, url_of
from tests.engines.run import free_ports
from tests.hosts.conftest import Environment, make, succeed
from tests.hosts.inside.zaqar_configuration import APART, POOLED, TEXT, THEIRS, TOGETHER, scheme_in_host
from tests.hosts.served import PATIENCE

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.one_per_driver]
# What Zaqar's classes have: 124 of one management store, those over Zaqar's own pooling among them.
STORAGE_TESTS = {TOGETHER: 87, APART: 87, THEIRS: 52, POOLED: 37}
HTTP_TESTS = 178
POOL_HTTP_TESTS = 74
# Of the classes where it matters whether the two stores are one.
PLANES = {"TestQueueLifecycleMongoDB": 21, "TestTopicLifecycleMongoDB": 21, "TestClaimsMongoDB": 20, "TestPurge": 2}
SERVER = """
[drivers:transport:wsgi]
bind = 127.0.0.1
port = {port}
"""
POOLED_SERVER = """
[DEFAULT]
pooling = True
"""


@pytest.fixture(scope="session")
def zaqar() -> Environment:
    return make("zaqar")


@pytest.fixture(scope="session")
def clients() -> Environment:
    return make("zaqarclient")


def has_pools(engine):
    """Whether this is a store with pools: it contains both of Zaqar's stores, and cannot be a pool itself."""
    return engine.url.startswith("pooled+")


def only_one_store(engine):
    if has_pools(engine):
        # Not a gap: the same tests run over its pools' drivers.
        pytest.skip("a store with pools contains both of Zaqar's stores, and cannot be a pool itself")


@pytest.fixture
def tests_inside(zaqar, engine, tmp_path, record):
    """Runs Zaqar's own tests: every one of them must pass."""

    def run(expected, script, stores, *classes):
        if stores != TOGETHER:
            only_one_store(engine)
        url = opener_of(engine, tmp_path).url
        done = zaqar.run("-W", "ignore", "-m", f"tests.hosts.inside.{script}", url, stores, *classes, cwd=tmp_path)
        succeed(done)
        outcomes = json.loads(done.stdout.splitlines()[-1])
        assert outcomes["others"] == {}, "\n".join(f"{name}: {text}" for name, text in outcomes["others"].items())
        record(passed=len(outcomes["passed"]))
        assert len(outcomes["passed"]) == expected

    return run


@pytest.mark.parametrize("stores", STORAGE_TESTS)
def test_zaqar_s_own_tests_of_storage(tests_inside, stores):
    tests_inside(STORAGE_TESTS[stores], "zaqar_storage", stores)


@pytest.mark.parametrize("stores", [TOGETHER, APART])
def test_what_our_stores_are_within_zaqar(tests_inside, engine, stores):
    # Three tests are of Zaqar's pools.
    tests_inside(14 if has_pools(engine) else 17, "zaqar_dropin", stores)


def test_zaqar_s_own_tests_of_its_api(tests_inside):
    tests_inside(HTTP_TESTS, "zaqar_http", TOGETHER)


def test_zaqar_s_own_tests_of_its_api_on_two_stores(tests_inside):
    tests_inside(sum(PLANES.values()), "zaqar_http", APART, *PLANES)


def test_zaqar_s_own_tests_of_pools_and_flavors_in_its_api(tests_inside):
    tests_inside(POOL_HTTP_TESTS, "zaqar_http", POOLED)


@contextlib.contextmanager
def zaqar_serving(zaqar: Environment, folder: pathlib.Path, data: str, control: str, more: str = "") -> Iterator[str]:
    """The address of Zaqar's own server, for as long as the block runs."""
    (port,) = free_ports(1)
    policies = zaqar.packages / "zaqar" / "tests" / "etc" / "policy.yaml"
    # A dollar sign begins a reference in such a file.
    urls = {name: url.replace("$", "$$") for name, url in (("data", data), ("control", control))}
    file = folder / "zaqar.conf"
    file.write_text(TEXT.format(**urls, folder=folder, policies=policies) + SERVER.format(port=port) + more)
    address = f"http://127.0.0.1:{port}"
    words = [str(zaqar.python.parent / "zaqar-server"), "--config-file", str(file)]
    log = folder / "zaqar.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(words, cwd=folder, env=zaqar.variables, stdout=out, stderr=subprocess.STDOUT) as server,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(address, timeout=PATIENCE).status_code == 300:
                        break
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield address
        finally:
            server.terminate()


def told_by_clients(
    clients: Environment, folder: pathlib.Path, endpoint: str, *more: str, script: str = "messaging_clients"
) -> dict[str, Any]:
    done = clients.run("-W", "ignore", "-m", f"tests.hosts.inside.{script}", endpoint, "p1", *more, cwd=folder)
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_clients_of_zaqar_s_server(zaqar, clients, engine, tmp_path):
    """The message store and the management store are two databases, where they can be."""
    with contextlib.ExitStack() as stack:
        openers = [opener_of(engine, tmp_path) for _ in range(1 if has_pools(engine) else 2)]
        for each in openers:
            each()
            stack.callback(each.clear)
        address = stack.enter_context(zaqar_serving(zaqar, tmp_path, url_of(openers[0]), url_of(openers[-1])))
        check(told_by_clients(clients, tmp_path, address, address))


def test_clients_of_our_service(clients, opener, tmp_path):
    opener()
    with serving(None, messaging=url_of(opener), messaging_settings={"secret_key": "s" * 32}) as service:
        endpoint = f"{service.url}/messaging"
        check(told_by_clients(clients, tmp_path, endpoint, f"{endpoint}/v2"))


@pytest.fixture
def places(engine, tmp_path):
    """URLs of three stores: that of the registers, and two pools."""
    only_one_store(engine)
    with contextlib.ExitStack() as stack:
        openers = [opener_of(engine, tmp_path) for _ in range(3)]
        for each in openers:
            each()
            stack.callback(each.clear)
        control, *pools = map(url_of, openers)
        yield control, list(map(scheme_in_host, pools))


def test_operators_of_zaqar_s_server(zaqar, clients, places, tmp_path):
    control, pools = places
    with zaqar_serving(zaqar, tmp_path, control, control, POOLED_SERVER) as address:
        check_operators(told_by_clients(clients, tmp_path, address, *pools, script="messaging_operators"))


def test_operators_of_our_service(clients, places, tmp_path):
    control, pools = places
    own = {"secret_key": "s" * 32, "admin_mode": "true", "pooling": "true"}
    with serving(None, messaging=control, messaging_settings=own) as service:
        told = told_by_clients(clients, tmp_path, f"{service.url}/messaging", *pools, script="messaging_operators")
    check_operators(told)


def check_operators(told: dict[str, Any]) -> None:
    """What operators got by the library, and by each of its commands."""
    ours = ["FIFO", "CLAIMS", "DURABILITY", "AOD", "HIGH_THROUGHPUT"]
    assert told["library"] == {
        "pool": [10, True, None],
        "pools": [["p0", 10, True]],
        "detailed": [["p0", {}], ["p1", {}]],
        "changed": [20, 20],
        "flavor": {"name": "gold", "pool_list": ["p0"], "capabilities": ours},
        "joined": ["p0", "p1"],
        "flavors": [["gold", ["p0", "p1"]]],
        "unknown flavor": "ResourceNotFound",
        "unknown pool": "ResourceNotFound",
        "no pools": "MalformedRequest",
        "away": "MalformedRequest",
        "same": "ConflictError",
        "in use": "ForbiddenError",
        "health": True,
        "gone": [[], []],
    }
    assert told["commands"] == {
        "ping": {"Pingable": True},
        "home": True,
        "created": [10, 11],
        "flavor": "gold",
        "flavors": [["gold", ["p0", "p1"]]],
        "offers": True,
        "pools": [["p0", "gold"]],
        "updated": 7,
        "shown": 7,
        "fewer": ["p0"],
        "health": True,
        "metadata": True,
        "queues": ["q"],
        "messages": [1, 2],
        "total": 2,
        "claimed": [1],
        "queried": [1],
        "renewed": [1],
        "signed": ["Expires", "Methods", "Paths", "Project ID", "Signature"],
        "subscriber": "http://trigger.me",
        "life": 900,
        "subscriptions": ["http://trigger.me"],
        "purged": [],
        "gone": [[], [], []],
        "commands without a call": [],
    }


def check(told: dict[str, Any]) -> None:
    """What the clients got is what the same calls give on any correct server."""
    bodies = [{"event": "BackupStarted", "n": n, "text": "naïve ☃"} for n in range(5)]
    found = dict(told["zaqarclient"])
    metadata = found.pop("metadata")
    assert metadata.items() >= {"color": "red", "_default_message_ttl": 300, "_max_claim_count": None}.items()
    assert found == {
        "ping": True,
        "created": [True, ["orders"]],
        "queues": ["more-0", "more-1"],
        "count": 4,
        "filtered": ["orders"],
        "posted": 5,
        "own": [],
        "echo": bodies,
        "stream": [0, 1, 2, 3, 4],
        "one": [bodies[0], 120, None],
        "many": [0, 1],
        "stats": [5, 0, 5, ["age", "created", "href"], ["age", "created", "href"]],
        "claimed": [[0, 660, True], [1, 660, True]],
        "free": [2, 3, 4],
        "all": [0, 1, 2, 3, 4],
        "renewed": [700, 2],
        "not permitted": "ForbiddenError",
        "released": [1, 2, 3, 4],
        "gone": "ResourceNotFound",
        "popped": [1, 2],
        "empty": [2, [], []],
        "subscription": [True, "http://trigger.me", 900, {"a": 1}, False],
        "subscriptions": [],
        "signed": ["expires", "methods", "paths", "project", "signature"],
        "through it": [0, 1, 2],
        "purged": [],
        "other project": [[], []],
        "made again": [],
    }
    assert told["openstacksdk"] == {
        "queue": ["sdk", ["sdk"]],
        "posted": 5,
        "messages": [0, 1, 2, 3, 4],
        "one": bodies[0],
        "gone": "NotFoundException",
        "subscription": [["http://trigger.me", 600, {"a": 1}, True]],
        "fetched": "http://trigger.me",
        "subscriptions": [],
        "claim": [2, 600],
        "renewed": 700,
        "no claim": "NotFoundException",
        "queues": [],
    }

"""What an operation on messages exchanges with its engine, BEGIN and COMMIT included: it does not grow with the messages.

Where an operation is a script, the engine's own commands are counted, too.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos import servers
from tests.conftest import opener_of
from tests.counted.tally import tally
from undercroft.conformance.plugin import Opener
from undercroft.messaging import DataDriverBase
from undercroft.messaging.models import Arrival, Subscribed

pytestmark = pytest.mark.kind("messaging")
# Operations of a kind that are counted; fewer than a claim looks again for its front after.
TIMES = 4
LEASE = {"ttl": 60, "grace": 60}
# Of one script; theirs of a claim of 10 are 5,113 behind 5,000 claimed messages.
MOST_COMMANDS = 20
# Of one that receives three messages.
MOST_RECEIVING = 30
# Round trips by dialect. SQLite has none: there a transaction is what costs.
MOST = {"postgresql": 1, "mariadb": 4, "redis": 1, "mongodb": 2}
OTHERS: dict[str, dict[str, int]] = {
    # The register of queues with subscribers, then each queue that has something.
    "redis": {"take": 3, "wake": 2},
    # The queue, what is due, the posts, the claim's document, the changes, bodies of a large post.
    "mongodb": {
        **dict.fromkeys(("claim", "pop"), 6),
        **dict.fromkeys(("list", "renew", "release", "take"), 5),
        **dict.fromkeys(("delete", "delete_moved", "bulk_delete", "receive"), 3),
    },
    "postgresql": {"list": 2, "delete_absent": 2, "receive": 11},
    "mariadb": {
        **dict.fromkeys(("post", "post_many", "post_heard", "post_many_heard"), 3),
        "list": 9,
        "stats": 7,
        "get": 4,
        "delete_moved": 6,
        "delete_absent": 4,
        "receive": 7,
    },
}


def taken(store: DataDriverBase) -> tuple[str, list[str]]:
    claim, messages = store.claim_controller.create("q", LEASE, "p", 3)
    assert claim is not None
    return claim, [message["id"] for message in messages]


def post(store: DataDriverBase) -> Callable[[], Any]:
    return lambda: store.message_controller.post("q", [{"ttl": 600, "body": 1}], "c", "p")


def post_many(store: DataDriverBase) -> Callable[[], Any]:
    return lambda: store.message_controller.post("q", [{"ttl": 600 + n % 2, "body": n} for n in range(50)], "c", "p")


def claim(store: DataDriverBase) -> Callable[[], Any]:
    return lambda: taken(store)


def renew(store: DataDriverBase) -> Callable[[], Any]:
    held, _ = taken(store)
    return lambda: store.claim_controller.update("q", held, LEASE, "p")


def release(store: DataDriverBase) -> Callable[[], Any]:
    held = [taken(store)[0] for _ in range(TIMES)]
    return lambda: store.claim_controller.delete("q", held.pop(), "p")


def delete(store: DataDriverBase) -> Callable[[], Any]:
    held = [taken(store) for _ in range(TIMES)]

    def one() -> None:
        number, messages = held.pop()
        store.message_controller.delete("q", messages[0], "p", number)

    return one


def delete_moved(store: DataDriverBase) -> Callable[[], Any]:
    held = store.message_controller.post("other", [{"ttl": 600}] * TIMES, "c", "p")
    assert store.message_controller.redrive("other", "q", "p") == TIMES
    return lambda: store.message_controller.delete("q", held.pop(), "p")


def delete_absent(store: DataDriverBase) -> Callable[[], Any]:
    (found,) = store.message_controller.post("q", [{"ttl": 600}], "c", "p")
    store.message_controller.delete("q", found, "p")
    return lambda: store.message_controller.delete("q", found, "p")


def bulk_delete(store: DataDriverBase) -> Callable[[], Any]:
    held = [taken(store)[1] for _ in range(TIMES)]
    return lambda: store.message_controller.bulk_delete("q", held.pop(), "p")


def pop(store: DataDriverBase) -> Callable[[], Any]:
    return lambda: store.message_controller.pop("q", 5, "p")


def list_(store: DataDriverBase) -> Callable[[], Any]:
    return lambda: list(next(store.message_controller.list("q", "p", echo=True)))


def get(store: DataDriverBase) -> Callable[[], Any]:
    (found,) = store.message_controller.post("q", [{"ttl": 600}], "c", "p")
    return lambda: store.message_controller.get("q", found, "p")


def receive(store: DataDriverBase) -> Callable[[], Any]:
    left = iter(range(1_000))
    born = store.now()

    def some() -> None:
        given = [Arrival(f"~{next(left)}", born, 600, born + 600_000, 0, "c", b"1") for _ in range(3)]
        store.message_controller.receive("q", given, "p")

    return some


OPERATIONS = {
    each.__name__.rstrip("_"): each
    for each in (post, post_many, claim, renew, release, delete, delete_moved, delete_absent, bulk_delete, pop, list_, get, receive)
}


# -- with subscribers --------------------------------------------------------------------------------------------------


def subscribe(store: DataDriverBase, count: int = 10) -> list[Subscribed]:
    uris = [f"http://{uuid.uuid4().hex}" for _ in range(count)]
    made = [store.subscription_controller.create("q", uri, 600, {}, "p") for uri in uris]
    return [Subscribed("p", "q", str(one)) for one in made]


def post_heard(store: DataDriverBase) -> Callable[[], Any]:
    subscribe(store)
    return post(store)


def post_many_heard(store: DataDriverBase) -> Callable[[], Any]:
    subscribe(store)
    return post_many(store)


def take(store: DataDriverBase) -> Callable[[], Any]:
    subscribe(store)
    post_many(store)()
    return lambda: bool(store.outbox.take(5, 60))


def hand_out(store: DataDriverBase) -> Callable[[], Any]:
    subscribe(store)
    # An engine may take all of a post.
    for _ in range(TIMES):
        post(store)()
    held = [store.outbox.take(1, 60) for _ in range(TIMES)]
    return lambda: store.outbox.remove(held.pop())


def wake(store: DataDriverBase) -> Callable[[], Any]:
    subscribed = subscribe(store)
    return lambda: store.outbox.wake(subscribed)


def due(store: DataDriverBase) -> Callable[[], Any]:
    store.outbox.wake(subscribe(store))
    return lambda: bool(store.outbox.due(2, 60))


def settle(store: DataDriverBase) -> Callable[[], Any]:
    store.outbox.wake(subscribe(store))
    held = list(store.outbox.due(10, 60))
    return lambda: store.outbox.settle(held.pop(), None)


HEARD = (post_heard, post_many_heard, take, hand_out, wake, due, settle)
ALL = OPERATIONS | {each.__name__: each for each in HEARD}


def exchanged(opener: Opener, operation: Callable[[DataDriverBase], Callable[[], Any]], times: int) -> list[str]:
    """The statements of a fresh store that does something so many times, after what it does once."""
    with tally() as counted:
        store = opener(init=False)
        store.message_controller.post("q", [{"ttl": 600, "body": n} for n in range(100)], "c", "p")
        step = operation(store)
        for _ in range(times):
            assert step() is not False
        opener.close(store)
    return counted.statements


@pytest.mark.parametrize("name", ALL)
def test_round_trips(engine, tmp_path, name):
    if engine.driver == "pooled":
        pytest.skip("NOT RUN: chance says which engine has the queue; tests/unit/messaging/pooling counts the look-ups")
    opener = opener_of(engine, tmp_path)
    try:
        opener().queue_controller.create("q", project="p")
        # The first time makes what is there afterwards; a script is sent as a whole once.
        _, before, after = (exchanged(opener, ALL[name], times) for times in (1, 0, TIMES))
        more = len(after) - len(before)
        if engine.driver in MOST:
            assert more <= TIMES * OTHERS[engine.driver].get(name, MOST[engine.driver]), after[-8:]
            assert more >= TIMES
        else:
            begun = sum(statement.startswith("BEGIN") for statement in after) - sum(s.startswith("BEGIN") for s in before)
            assert begun == TIMES, after[-12:]
    finally:
        opener.clear()


# -- scripts -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> Iterator[Opener]:
    """Stores on a server that nobody else asks."""
    if "redis" not in servers.names("messaging"):
        pytest.skip("NOT RUN: needs Redis")
    with servers.own("redis", durable=False) as server:
        yield servers.opener_on(server, "messaging")


def commands(store: Any) -> int:
    """Commands that the server has carried out, those of scripts among them."""
    told = store.store.redis.command(None, "INFO", "commandstats").decode()
    return sum(int(calls) for name, calls in re.findall(r"cmdstat_([^:]+):calls=(\d+)", told) if not name.startswith("info"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_commands_of_a_script(alone: Opener, name: str, record):
    """They are as many with few messages as with many, of which most are claimed."""
    found = {}
    for there, claimed in ((100, 0), (6_000, 5_000)):
        store: Any = alone()
        store.message_controller.post("q", [{"ttl": 600, "body": n} for n in range(there)], "c", "p")
        for _ in range(claimed // 20):
            store.claim_controller.create("q", LEASE, "p", 20)
        step = OPERATIONS[name](store)
        # The first one may have to send the script.
        step()
        before = commands(store)
        for _ in range(TIMES - 1):
            step()
        found[there] = (commands(store) - before) / (TIMES - 1)
        store.drop()
        alone.close(store)
    record(commands=found[100])
    assert found[6_000] == found[100] <= (MOST_RECEIVING if name == "receive" else MOST_COMMANDS)

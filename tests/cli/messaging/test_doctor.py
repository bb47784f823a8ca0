"""`undercroft doctor`, `db` and `worker` on stores of messages, each on its engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import undercroft
from tests.conftest import url_of
from undercroft.core.store import Versioned
from undercroft.messaging.models import Arrival

pytestmark = pytest.mark.kind("messaging")


FIRST = "FIRST"


class Harm(NamedTuple):
    """What is done to a store that has the queue `jobs` with five messages, which check sees it, and what it says."""

    do: Callable[[Any], object]
    check: str
    says: str
    verify: bool = True


def without_index(store: Any) -> None:
    table = store.tables.message.name
    suffix = f" ON {table}" if store.db.dialect.name == "mariadb" else ""
    store.db.write(lambda c: c.exec_driver_sql(f"DROP INDEX {table}_expires{suffix}"))


def command(name: str, key: str, *words: str | int) -> Callable[[Any], object]:
    """A command on a key of the queue, or of its present life; FIRST among the words is the first message."""

    def do(store: Any) -> None:
        base, ask = store.store.base("", "jobs"), store.store.redis.command
        inc = ask(base, "HGET", f"{base}:queue", "inc").decode()
        (first,) = ask(base, "ZRANGE", f"{base}:{inc}:all", 0, 0)
        given = [first if word == FIRST else word for word in words]
        ask(base, name, f"{base}:{key.replace('INC', inc)}", *given, writes=True)

    return do


def unentered(store: Any) -> None:
    """The entry is taken out by its key: the register itself enters a queue again that it sees to live."""
    register = store.store.register
    (entry,) = register.page(b"", 1)
    taken = store.store.redis.command(register.base, "ZREM", f"{register.base}:names", entry.member, writes=True)
    assert taken == 1
    command("HDEL", "queue", "listed")(store)


COUNTED = "1 queues count their messages wrongly"


def hidden(store: Any) -> None:
    """A message that came from elsewhere loses the row that it is found by."""
    born = store.now()
    store.message_controller.receive("jobs", [Arrival("~1", born, 600, born + 600_000, 0, "", b"1")])
    store.db.write(lambda c: c.execute(store.tables.moved.delete()))


def unheard(store: Any) -> None:
    """As where a process of an older version has subscribed somebody."""
    store.subscription_controller.create("jobs", "http://a", 600, {})
    store.db.write(lambda c: c.execute(store.tables.queue.update().values(heard=0)))


def unsent(store: Any) -> None:
    """What was posted long ago waits to be handed out."""
    store.subscription_controller.create("jobs", "http://a", 600, {})
    store.message_controller.post("jobs", [{"ttl": 600, "body": 1}], None)
    table = store.tables.outbox
    store.db.write(lambda c: c.execute(table.update().values(ttl=6_000, expires=table.c.expires + 1_000_000)))


SQL = [
    Harm(hidden, "references", "1 messages are not found by their ids"),
    Harm(unheard, "subscriptions", "1 are not heard of by their queues"),
    Harm(without_index, "tables", "message_expires", verify=False),
]
REDIS = [
    Harm(command("ZREM", "INC:free", FIRST), "statistics", COUNTED, verify=False),
    Harm(command("HDEL", "INC:body", FIRST), "statistics", COUNTED, verify=False),
    Harm(command("ZADD", "INC:ends", 2**52, FIRST), "statistics", COUNTED),
    Harm(command("SET", f"{'0' * 16}:free", ""), "references", "1 queues that are gone have left keys"),
    Harm(unentered, "register", "1 queues are not in the register"),
]
MONGODB = [
    Harm(lambda store: store.store.posts.update_one({}, {"$inc": {"k": 1}}), "statistics", "1 posts count their messages wrongly"),
    Harm(
        lambda store: store.store.posts.update_one({}, {"$set": {"q": "0"}}),
        "references",
        "queues that are gone have left posts: 1",
    ),
]
HARMS = {"mongodb": MONGODB, "sqlite": SQL, "postgresql": SQL, "mariadb": SQL, "redis": REDIS}


@pytest.mark.promise("D1")
def test_a_sound_store_and_what_its_engine_tells(examined, opener):
    """No errors; warnings of what a test's engine leaves out to be quick."""
    store = opener()
    store.queue_controller.create("jobs")
    store.message_controller.post("jobs", [{"ttl": 60, "body": number} for number in range(5)], None)
    store.claim_controller.create("jobs", {"ttl": 60, "grace": 60}, limit=2)
    found = examined(url_of(opener), "--verify", code=1 if _warns(url_of(opener)) else 0)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert kept((check, one["found"]) for check, one in found.items()) == 5
    assert " in 1 queues" in found["messages"]["found"]
    assert {"clock", "references", "statistics", "expired messages"} <= found.keys()
    if isinstance(store, Versioned):
        assert {"indexes"} <= found.keys() if hasattr(store, "parts") else {"tables", "rights", "size"} <= found.keys()
    assert all("durability" in check for check, one in found.items() if one["level"] == "warning")


def _warns(url):
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        return any(one.level == "warning" for one in store.diagnose())


def test_what_is_wrong_is_seen(run, examined, opener, engine):
    place = url_of(opener)
    harms = HARMS.get(engine.driver.partition("#")[0])
    if harms is None:
        pytest.skip("NOT RUN: pools are examined as the stores that they are")
    for harm in harms:
        store = opener()
        store.queue_controller.create("jobs")
        store.message_controller.post("jobs", [{"ttl": 600, "body": number} for number in range(5)], None)
        harm.do(store)
        found = examined(place, *(["--verify"] if harm.verify else []), code=2)[harm.check]
        assert (found["level"], harm.says in found["found"]) == ("error", True), found
        if isinstance(store, Versioned) and not harm.verify:
            assert harm.says in run("db", "check", "--kind", "messaging", "--store", place, code=1).stdout
        store.drop()


def test_an_upgrade_may_be_repeated(run, opener):
    store, place = opener(), url_of(opener)
    store.queue_controller.create("jobs")
    has_tables = isinstance(store, Versioned)
    for _ in range(2):
        said = run("db", "upgrade", "--kind", "messaging", "--store", place).stdout
        assert said == f"messaging: {'was current' if has_tables else 'ready, no tables whose version is known'}\n"
    said = run("db", "check", "--kind", "messaging", "--store", place).stdout
    assert said.startswith("messaging: current" if has_tables else "messaging: no tables")
    assert store.queue_controller.exists("jobs") is True


def test_what_waits_for_subscribers_is_told(opener, engine):
    if HARMS.get(engine.driver.partition("#")[0]) is not SQL:
        pytest.skip("NOT RUN: changes a table")
    store = opener()
    store.queue_controller.create("jobs")
    assert _told(store) == ("ok", "0 messages wait for their subscribers")
    unsent(store)
    assert _told(store) == ("warning", "1 messages wait for their subscribers, the oldest for 73 minutes")


def _told(store: Any) -> tuple[str, str]:
    (found,) = [one for one in store.diagnose() if one.check == "notifications"]
    return found.level, found.found


def test_the_worker_removes_what_has_expired(opener):
    store = opener()
    store.queue_controller.create("jobs")
    ids = store.message_controller.post("jobs", [{"ttl": ttl, "body": ttl} for ttl in (0, 0, 600)], None)
    store.queue_controller.create("gone")
    store.message_controller.post("gone", [{"ttl": 600}], None)
    store.queue_controller.delete("gone")
    assert stored(store) == 3
    command = [sys.executable, "-m", "undercroft.cli.main", "worker", "--once", "--store", f"messaging={url_of(opener)}"]
    done = subprocess.run([*command, "--log-format", "json"], capture_output=True, text=True, check=True)
    begins, removed, ends = map(json.loads, done.stderr.splitlines())
    assert begins["jobs"] == "messaging.clean, messaging.move, messaging.notify"
    assert removed["job"] == "messaging.clean"
    # Those of the deleted queue may have gone with it.
    assert removed["messages"] in {2, 3}
    assert ends["message"] == "worker ends"
    assert stored(store) == 1
    assert store.message_controller.get("jobs", ids[2])["body"] == 600


def stored(store):
    """The messages that are kept, also of those that nothing shows."""
    found = [(one.check, one.found) for one in store.diagnose()]
    assert " in 1 queues" in dict(found)["messages"]
    return kept(found)


def kept(findings):
    """How many messages findings tell of; with pools, each has its own."""
    told = [found.partition(" ")[0] for check, found in findings if check.rpartition(": ")[2] == "messages"]
    return sum(0 if word == "none" else int(word) for word in told)

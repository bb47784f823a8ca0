"""`undercroft doctor`, `db` and `worker` on stores of messages, each on its engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest

import undercroft
from tests.conftest import url_of

pytestmark = pytest.mark.kind("messaging")


@pytest.mark.promise("D1")
def test_a_sound_store_and_what_its_engine_tells(examined, opener):
    """No errors; warnings of what a test's engine leaves out to be quick."""
    store = opener()
    store.queue_controller.create("jobs")
    store.message_controller.post("jobs", [{"ttl": 60, "body": number} for number in range(5)], None)
    store.claim_controller.create("jobs", {"ttl": 60, "grace": 60}, limit=2)
    found = examined(url_of(opener), "--verify", code=1 if _warns(url_of(opener)) else 0)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert found["messages"]["found"].startswith("5 in 1 queues")
    assert {"clock", "tables", "rights", "size", "references", "statistics", "expired messages"} <= found.keys()
    assert {check.partition(":")[0] for check, one in found.items() if one["level"] == "warning"} <= {"durability"}


def _warns(url):
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        return any(one.level == "warning" for one in store.diagnose())


def test_a_missing_index_is_seen(run, examined, opener):
    place = url_of(opener)
    store = opener()
    table = store.tables.message.name
    suffix = f" ON {table}" if store.db.dialect.name == "mariadb" else ""
    store.db.write(lambda c: c.exec_driver_sql(f"DROP INDEX {table}_expires{suffix}"))
    found = examined(place, code=2)["tables"]
    assert (found["level"], "message_expires" in found["found"]) == ("error", True)
    assert "message_expires" in run("db", "check", "--kind", "messaging", "--store", place, code=1).stdout


def test_the_worker_removes_what_has_expired(opener):
    store = opener()
    store.queue_controller.create("jobs")
    ids = store.message_controller.post("jobs", [{"ttl": ttl, "body": ttl} for ttl in (0, 0, 600)], None)
    store.queue_controller.create("gone")
    store.message_controller.post("gone", [{"ttl": 600}], None)
    store.queue_controller.delete("gone")
    assert stored(store) == 4
    command = [sys.executable, "-m", "undercroft.cli.main", "worker", "--once", "--store", f"messaging={url_of(opener)}"]
    done = subprocess.run([*command, "--log-format", "json"], capture_output=True, text=True, check=True)
    begins, removed, ends = map(json.loads, done.stderr.splitlines())
    assert begins["jobs"] == "messaging.clean"
    assert (removed["job"], removed["messages"]) == ("messaging.clean", 3)
    assert ends["message"] == "worker ends"
    assert stored(store) == 1
    assert store.message_controller.get("jobs", ids[2])["body"] == 600


def stored(store):
    """The rows of messages, also of those that nothing shows."""
    statement = f"SELECT count(*) FROM {store.tables.message.name}"
    return store.db.read(lambda c: c.exec_driver_sql(statement).scalar_one())

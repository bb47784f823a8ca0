"""What stores tell on `/metrics`: numbers that are kept for some seconds, of a store that may be away."""

from __future__ import annotations

import threading

import falcon.testing
import pytest
from prometheus_client.parser import text_string_to_metric_families

import undercroft
from undercroft.api import app, gauges
from undercroft.core import settings
from undercroft.core.errors import Unavailable
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery.handing import Handing

pytestmark = pytest.mark.kind("messaging")


def numbers(client):
    """The samples of `/metrics`: value by name and labels."""
    families = text_string_to_metric_families(client.simulate_get("/metrics").text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def ask(monkeypatch):
    """Make a service of a store, and ask for its numbers at once, whatever is kept."""

    def call(store, **options):
        for name, value in options.items():
            monkeypatch.setenv(f"UNDERCROFT_MESSAGING__{name.upper()}", str(value))
        monkeypatch.setattr(gauges, "KEPT_SECONDS", 0.0)
        return numbers(falcon.testing.TestClient(app.create_app(settings.load(), {"messaging": store})))

    return call


def test_depths_of_queues(opener, ask):
    store = opener()
    for project, queue, count in (("p", "a", 3), ("p", "b", 1), (None, 'c"\\\n', 2)):
        store.queue_controller.create(queue, None, project)
        store.message_controller.post(queue, [{"ttl": 60}] * count, None, project)
    store.claim_controller.create("a", {"ttl": 60, "grace": 60}, "p", 2)
    found = ask(store)
    name = "undercroft_messaging_{}".format
    assert found[name("up"),] == 1
    assert [found[name("free"), *labels] for labels in (("p", "a"), ("p", "b"), ("", 'c"\\\n'))] == [1, 1, 2]
    assert [found[name("claimed"), *labels] for labels in (("p", "a"), ("p", "b"))] == [2, 0]
    assert 0 <= found[name("oldest_age_seconds"), "p", "a"] < 60
    assert found[name("queues_left_out"),] == 0
    fewer = ask(store, metrics_queues=1)
    assert [key for key in fewer if key[0] == name("free")] == [(name("free"), "p", "a")]
    assert fewer[name("queues_left_out"),] == 2
    assert not [key for key in ask(store, metrics_queues=0) if key[0].startswith("undercroft_messaging") and key[0] != name("up")]


def test_what_subscribers_are_still_to_be_sent(opener, ask):
    store = opener()
    made = [store.subscription_controller.create("jobs", f"http://{name}.example.org", 600, {}, "p") for name in "ab"]
    store.message_controller.post("jobs", [{"ttl": 60}] * 3, None, "p")
    name = "undercroft_messaging_{}".format
    assert ask(store)[name("outbox"),] == 3
    Handing(store, requires_confirmation=False).step()
    store.message_controller.pop(lane(made[1]), 2, "p")
    store.claim_controller.create(lane(made[0]), {"ttl": 60, "grace": 60}, "p", 2)
    found = ask(store)
    assert found[name("outbox"),] == 0
    assert [found[name("subscription_waiting"), "p", each] for each in made] == [3, 1]
    assert 0 <= found[name("subscription_oldest_age_seconds"), "p", made[0]] < 60
    assert found[name("subscriptions_left_out"),] == 0
    # A lane is no queue.
    assert [key for key in found if key[0] == name("free")] == [(name("free"), "p", "jobs")]
    assert ask(store, metrics_queues=1)[name("subscriptions_left_out"),] == 1


def test_a_store_that_is_away_is_a_number_too(tmp_path, ask):
    """The page is there: the other numbers of the process are wanted most at that time."""
    with_nothing = undercroft.connect("messaging", f"sqlite:///{tmp_path}/empty.db")
    found = ask(with_nothing)
    assert found["undercroft_messaging_up",] == 0
    assert not [key for key in found if key[0] == "undercroft_messaging_free"]
    with_nothing.init()
    assert ask(with_nothing)["undercroft_messaging_up",] == 1


def collected(asked):
    return {sample.name: sample.value for family in asked.collect() for sample in family.samples}


def test_a_store_is_not_asked_more_often_than_each_few_seconds():
    calls = []

    def ask():
        calls.append(1)
        if len(calls) == 2:
            raise Unavailable("away")
        return [gauges.Gauge("n", "calls", (), [((), len(calls))])]

    asked = gauges.Asked("kind", ask)
    assert [collected(asked) for _ in range(3)] == [{"undercroft_kind_up": 1, "undercroft_kind_n": 1}] * 3
    # The time is over.
    asked._until = 0.0
    # A failure is kept as well: a store that hardly answers is not asked by each scrape.
    assert [collected(asked) for _ in range(3)] == [{"undercroft_kind_up": 0}] * 3
    # The time is over.
    asked._until = 0.0
    assert collected(asked) == {"undercroft_kind_up": 1, "undercroft_kind_n": 3}
    assert len(calls) == 3


def test_scrapes_do_not_wait_for_a_slow_store():
    begun, end = threading.Event(), threading.Event()

    def ask():
        begun.set()
        end.wait(30)
        return []

    asked = gauges.Asked("kind", ask)
    first = threading.Thread(target=collected, args=(asked,))
    first.start()
    assert begun.wait(30)
    assert collected(asked) == {"undercroft_kind_up": 0}
    end.set()
    first.join()
    assert collected(asked) == {"undercroft_kind_up": 1}

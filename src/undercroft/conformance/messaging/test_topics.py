"""Topics: queues of a namespace of their own."""

from __future__ import annotations

import pytest

from undercroft.conformance.markers import clause
from undercroft.conformance.messaging.data import at, items, listed, make, post, queues
from undercroft.messaging import DataDriverBase, QueueDoesNotExist, TopicDoesNotExist
from undercroft.messaging.contract.topic import queue_of


@clause("Q10")
def test_a_topic_and_a_queue_of_one_name_never_meet(store: DataDriverBase) -> None:
    topics = store.topic_controller
    with at(0):
        make(store, "x", kind="queue")
        assert topics.exists("x") is False
        assert topics.create("x", {"kind": "topic"}) is True
        assert topics.create("x", {}) is False
        assert topics.get("x") == topics.get_metadata("x") == {"kind": "topic"}
        assert store.queue_controller.get("x") == {"kind": "queue"}
        post(store, "of the queue", queue="x")
        post(store, "of the topic", "and another", queue=queue_of("x"))
        assert listed(store, "x") == ["of the queue"]
        assert listed(store, queue_of("x")) == ["of the topic", "and another"]
        assert topics.stats("x")["messages"]["total"] == 2
        assert store.queue_controller.stats("x")["messages"]["total"] == 1
        topics.set_metadata("x", {"k": 2})
        assert topics.get("x") == {"k": 2}
        topics.delete("x")
        assert topics.exists("x") is False
        assert listed(store, queue_of("x")) == []
        assert store.queue_controller.get("x") == {"kind": "queue"}
        assert listed(store, "x") == ["of the queue"]
        topics.create("x")
        store.queue_controller.delete("x")
        assert topics.exists("x") is True


@clause("Q10", "Q3", "Q4")
def test_topics_and_queues_are_listed_apart(store: DataDriverBase) -> None:
    topics = store.topic_controller
    make(store, "a", "t", "topic", "u", "zz")
    for name in ("b", "\u00e9", "t"):
        topics.create(name, {"name": name}, None)
    topics.create("other", None, "p")
    assert queues(store) == queues(store, 1) == queues(store, 2) == ["a", "t", "topic", "u", "zz"]
    assert items(topics.list()) == ([{"name": "b"}, {"name": "t"}, {"name": "\u00e9"}], "\u00e9")
    assert items(topics.list(limit=1)) == ([{"name": "b"}], "b")
    assert items(topics.list(marker="b", limit=1, detailed=True)) == ([{"name": "t", "metadata": {"name": "t"}}], "t")
    assert items(topics.list(marker="\u00e9")) == ([], "")
    assert items(topics.list(name="t")) == ([{"name": "t"}], "t")
    assert items(topics.list(kfilter={"name": "b"})) == ([{"name": "b"}], "b")
    assert items(topics.list("p")) == ([{"name": "other"}], "other")
    assert store.queue_controller.calculate_resource_count() == 5
    assert [topics.calculate_resource_count(project) for project in (None, "p", "none")] == [3, 1, 0]
    assert [topics.calculate_resource_count(project) for project in (None, "p", "none")] == [3, 1, 0]


@clause("Q10", "Q5")
def test_an_unknown_topic_does_not_exist(store: DataDriverBase) -> None:
    topics = store.topic_controller
    make(store, "x")
    for ask in (topics.get, topics.get_metadata, topics.stats, lambda name, project: topics.set_metadata(name, {}, project)):
        with pytest.raises(TopicDoesNotExist, match="Topic x does not exist for project p") as caught:
            ask("x", "p")
        assert not isinstance(caught.value, QueueDoesNotExist)
    topics.delete("x")
    assert queues(store) == ["x"]


@clause("Q10", "Q35")
def test_subscriptions_of_a_topic_are_its_own(store: DataDriverBase) -> None:
    subscriptions = store.subscription_controller
    made = subscriptions.create("x", "http://a", 60, {})
    other = subscriptions.create(queue_of("x"), "http://a", 60, {})
    assert made is not None
    assert other is not None
    assert [one["id"] for one in items(subscriptions.list("x"))[0]] == [made]
    assert [one["id"] for one in items(subscriptions.list(queue_of("x")))[0]] == [other]

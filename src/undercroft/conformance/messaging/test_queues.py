"""Queues: metadata, lists, names, projects, and what goes with a queue."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    CLIENT,
    OpenStore,
    at,
    claimed,
    counts,
    everything,
    items,
    listed,
    make,
    message,
    page,
    post,
    queues,
    subscribers,
)
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase, MessageDoesNotExist, QueueDoesNotExist

# Of each pair that an engine may take for the same, both.
NAMES = [
    "q", "Q", "q ", " q", "q.", "q.a", "q%", "q_", "q'", 'q"', "q\\", "q\n", "\u00e9", "e\u0301", "\u00c9", "\uffff", "\U0001f600",
    "a" * 255, "0", "00", "None", "$where", "q/a", "q;--", "ss", "\u00df", "\u0130",
]  # fmt: skip
JSON: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 2**53 + 1, 10**30, "", "a", "\u00e9", "\U0001f600", "a\x00b", [],
    [1, [2, {}]], {"k": {"$gt": ""}},
]  # fmt: skip


@clause("Q5", "Q7")
def test_a_queue_is_made_and_found(store: DataDriverBase) -> None:
    controller = store.queue_controller
    assert controller.exists("q") is False
    assert controller.create("q") is True
    assert controller.exists("q") is True
    assert controller.get("q") == controller.get_metadata("q") == {}
    assert controller.create("q", {"k": 1}) is False
    assert controller.get("q") == {}
    assert controller.create("r", {"k": 1}, "p") is True
    assert controller.get("r", "p") == {"k": 1}
    assert controller.create("r", {"k": 2}, "p") is False
    assert controller.create("r", None, "p") is False
    assert controller.get("r", "p") == {"k": 1}


@clause("Q5", "Q6", "Q9")
@rows("method", ["get", "get_metadata", "stats", "set_metadata"])
def test_an_unknown_queue_does_not_exist(store: DataDriverBase, method: str) -> None:
    arguments: list[Any] = [{"k": 1}] if method == "set_metadata" else []
    with pytest.raises(QueueDoesNotExist, match="Queue other does not exist for project p"):
        getattr(store.queue_controller, method)("other", *arguments, project="p")
    assert store.queue_controller.exists("other", "p") is False


@clause("Q6")
def test_metadata_are_replaced_as_a_whole(store: DataDriverBase, open_store: OpenStore) -> None:
    other = open_store(init=False)
    make(store, "q", a=1, b={"c": [1]})
    make(store, "r", a=2)
    for metadata in ({"b": 2}, {}, {"a": None, "\u00e9": "\U0001f600"}):
        store.queue_controller.set_metadata("q", metadata)
        for each in (store, other):
            assert each.queue_controller.get("q") == metadata
    assert store.queue_controller.get("r") == {"a": 2}


@clause("Q5", "Q6")
def test_a_change_is_seen_through_every_object_at_once(store: DataDriverBase, open_store: OpenStore) -> None:
    """Whatever an object remembers of a queue."""
    other = open_store(init=False)
    for n in range(5):
        (store if n % 2 else other).queue_controller.create("q", {"n": n})
        assert store.queue_controller.get("q") == other.queue_controller.get("q") == {"n": n}
        (other if n % 2 else store).queue_controller.set_metadata("q", {"n": -n})
        assert store.queue_controller.get("q") == other.queue_controller.get("q") == {"n": -n}
        post(store, n)
        assert listed(other) == [n]
        other.queue_controller.delete("q")
        assert store.queue_controller.exists("q") is False
        assert listed(store) == listed(other) == []
        with pytest.raises(QueueDoesNotExist):
            store.queue_controller.get("q")


@clause("Q5")
def test_what_was_given_back_may_be_changed(store: DataDriverBase) -> None:
    given: dict[str, Any] = {"k": [1]}
    store.queue_controller.create("q", given)
    given["k"].append(2)
    for _ in range(2):
        found = store.queue_controller.get("q")
        assert found == {"k": [1]}
        found["k"].append(3)
        found["l"] = 1


@clause("Q5", "Q6")
@promise("C7", "S3")
@rows("value", JSON)
def test_metadata_are_any_json(store: DataDriverBase, value: Any) -> None:
    metadata = {"k": value, "\U0001f600.$": value}
    store.queue_controller.create("q", {})
    store.queue_controller.set_metadata("q", metadata)
    assert repr(store.queue_controller.get("q")) == repr(metadata)
    ((found,), _) = items(store.queue_controller.list(detailed=True))
    assert repr(found["metadata"]) == repr(metadata)


@clause("Q3")
@promise("C7", "S3")
def test_names_are_listed_in_the_order_of_code_points(store: DataDriverBase) -> None:
    for name in NAMES:
        assert store.queue_controller.create(name, {"name": name}) is True
    for limit in (1, 2, 3, 10, len(NAMES), 1_000):
        assert queues(store, limit) == sorted(NAMES)
    for name in NAMES:
        assert store.queue_controller.get(name) == {"name": name}
        assert queues(store, name=name) == [name]


@clause("Q3")
def test_a_page_of_queues_has_its_form(store: DataDriverBase) -> None:
    make(store, "b", k=1)
    make(store, "a", "c")
    assert items(store.queue_controller.list()) == ([{"name": "a"}, {"name": "b"}, {"name": "c"}], "c")
    assert items(store.queue_controller.list(None, None, 2)) == ([{"name": "a"}, {"name": "b"}], "b")
    assert items(store.queue_controller.list(marker="a", limit=1, detailed=True)) == ([{"name": "b", "metadata": {"k": 1}}], "b")
    assert items(store.queue_controller.list(marker="c")) == ([], "")
    assert items(store.queue_controller.list(project="other")) == ([], "")


@clause("Q3")
def test_ten_are_listed_where_no_limit_is_given(store: DataDriverBase) -> None:
    make(store, *(f"q{n:02}" for n in range(12)))
    found, marker = items(store.queue_controller.list())
    assert [one["name"] for one in found] == [f"q{n:02}" for n in range(10)]
    assert marker == "q09"


@clause("Q3")
@rows(
    ("marker", "first"),
    [
        ("", "a"),
        (None, "a"),
        ("A", "a"),
        ("a", "c"),
        ("b", "c"),
        ("bb", "c"),
        ("c", "e"),
        ("c\x01", "e"),
        ("d", "e"),
        ("\uffff", None),
    ],
)
def test_a_marker_need_not_exist(store: DataDriverBase, marker: str | None, first: str | None) -> None:
    for name in ("a", "c", "e"):
        store.queue_controller.create(name)
    found, _ = items(store.queue_controller.list(marker=marker, limit=1))
    assert [one["name"] for one in found] == ([] if first is None else [first])


@clause("Q3")
def test_a_marker_that_is_no_text_is_refused(store: DataDriverBase) -> None:
    with pytest.raises(InvalidInput):
        store.queue_controller.list(marker="a\ud800")


@clause("Q3")
def test_pages_while_queues_come_and_go(store: DataDriverBase) -> None:
    make(store, "a", "c", "e")
    first, marker = items(store.queue_controller.list(limit=2))
    store.queue_controller.delete("c")
    make(store, "b", "d")
    rest, _ = items(store.queue_controller.list(marker=marker))
    assert [one["name"] for one in [*first, *rest]] == ["a", "c", "d", "e"]


KEPT: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["a", "b", "c", "d", "e"]), ({"k": 1}, ["a", "d"]), ({"k": "1"}, ["b"]), ({"k": True}, ["c"]), ({"k": 2}, []),
    ({"k": 1, "l": "x"}, ["d"]), ({"l": "x"}, ["d", "e"]), ({"l": "X"}, []), ({"n": None}, ["e"]), ({"o": {"p": [1]}}, ["e"]),
    ({"o": {"p": [2]}}, []), ({"missing": None}, []), ({"%": 1}, []), ({"k'": 1}, []), ({"\U0001f600": "\u00e9"}, ["e"]),
]  # fmt: skip


@clause("Q4")
@promise("S3")
@rows(("kfilter", "wanted"), KEPT)
def test_queues_by_their_metadata(store: DataDriverBase, kfilter: dict[str, Any], wanted: list[str]) -> None:
    given: dict[str, dict[str, Any]] = {
        "a": {"k": 1}, "b": {"k": "1"}, "c": {"k": True}, "d": {"k": 1, "l": "x"},
        "e": {"l": "x", "n": None, "o": {"p": [1]}, "\U0001f600": "\u00e9"},
    }  # fmt: skip
    for name, metadata in given.items():
        store.queue_controller.create(name, metadata)
    for limit in (1, 2, 100):
        assert queues(store, limit, kfilter=kfilter) == wanted
    found, _ = items(store.queue_controller.list(kfilter=kfilter, detailed=True))
    assert [one["metadata"] for one in found] == [given[name] for name in wanted]


@clause("Q4")
def test_a_filter_comes_before_the_limit(store: DataDriverBase) -> None:
    make(store, *(f"q{n:03}" for n in range(40)))
    make(store, "r", "s", kept="yes")
    assert items(store.queue_controller.list(limit=2, kfilter={"kept": "yes"})) == ([{"name": "r"}, {"name": "s"}], "s")
    assert items(store.queue_controller.list(limit=1, marker="r", kfilter={"kept": "yes"})) == ([{"name": "s"}], "s")


@clause("Q4")
@rows(
    ("name", "wanted"),
    [("a", ["a"]), ("A", []), ("aa", ["aa"]), ("%", []), ("a%", []), ("", []), ("b", ["b"]), ("a\0", []), ("a\ud800", [])],
)
def test_a_queue_by_its_name(store: DataDriverBase, name: str, wanted: list[str]) -> None:
    for each in ("a", "aa", "b"):
        store.queue_controller.create(each, {"k": 1})
    assert queues(store, name=name) == queues(store, name=name, kfilter={"k": 1}) == wanted
    assert queues(store, name=name, kfilter={"k": 2}) == []
    assert items(store.queue_controller.list(name=name, marker="a"))[0] == [{"name": one} for one in wanted if one > "a"]


@clause("Q2")
@promise("C7", "S3")
def test_projects_never_see_each_other(store: DataDriverBase) -> None:
    projects = ["p", "P", "p ", "\u00e9", "e\u0301", "\U0001f600", "%", "_", "p/q", "None", "a" * 256, "'"]
    for project in projects:
        assert store.queue_controller.create("q", {"of": project}, project) is True
        post(store, project, project=project)
        post(store, project, project, queue="more", project=project)
    make(store, f"of {projects[0]}")
    for project in projects:
        assert queues(store, project=project) == ["more", "q"]
        assert store.queue_controller.get("q", project) == {"of": project}
        assert listed(store, project=project) == [project]
        assert listed(store, "more", project=project) == [project] * 2
    assert queues(store) == [f"of {projects[0]}"]
    store.queue_controller.delete("q", projects[0])
    store.queue_controller.set_metadata("q", {}, projects[1])
    assert [store.queue_controller.exists("q", project) for project in projects] == [False] + [True] * (len(projects) - 1)
    assert [listed(store, project=project) for project in projects[1:]] == [[project] for project in projects[1:]]


@clause("Q2")
@needs("claims")
def test_no_project_and_the_empty_one_are_the_same(store: DataDriverBase) -> None:
    scopes: list[str | None] = [None, ""]
    for one, other in (scopes, scopes[::-1]):
        assert store.queue_controller.create("q", {"k": 1}, one) is True
        assert store.queue_controller.create("q", {}, other) is False
        assert store.queue_controller.get("q", other) == {"k": 1}
        assert queues(store, project=other) == ["q"]
        ids = post(store, "a", "b", project=one)
        assert store.message_controller.get("q", ids[0], other)["body"] == "a"
        made, _ = claimed(store, project=other, limit=1)
        assert store.claim_controller.get("q", made, one)[0]["id"] == made
        assert store.queue_controller.calculate_resource_count(other) == 1
        assert store.subscription_controller.create("q", "http://a", 60, {}, one) is not None
        assert store.subscription_controller.create("q", "http://a", 60, {}, other) is None
        found = store.subscription_controller.get_with_subscriber("q", "http://a", other)
        assert found is not None
        store.subscription_controller.delete("q", found["id"], other)
        store.queue_controller.delete("q", other)
        assert store.queue_controller.exists("q", one) is False


@clause("Q7")
@promise("C10")
@assumes("concurrent_writers")
def test_of_sixteen_that_make_a_queue_one_does(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    for n in range(5):
        name = f"q{n}"

        def create(number: int, name: str = name) -> bool:
            return stores[number % 2].queue_controller.create(name, {"by": number}, "p")

        made = numbered(16, create)
        assert made.count(True) == 1
        assert made.count(False) == 15
        assert store.queue_controller.get(name, "p") == {"by": made.index(True)}


@clause("Q3", "Q7", "Q8")
@assumes("concurrent_writers")
def test_a_queue_that_comes_and_goes_is_listed_as_it_is(store: DataDriverBase, open_store: OpenStore) -> None:
    controllers = [store.queue_controller, open_store(init=False).queue_controller]

    def come_or_go(number: int) -> None:
        if number % 2:
            controllers[0].create("q")
        else:
            controllers[1].delete("q")

    for _ in range(200):
        store.queue_controller.create("q")
        numbered(4, come_or_go)
        assert queues(store) == (["q"] if store.queue_controller.exists("q") else [])


@clause("Q8")
@needs("claims")
def test_with_a_queue_go_its_messages_and_claims(store: DataDriverBase) -> None:
    with at(0):
        make(store, "q", k=1)
        make(store, "r")
        make(store, "q", project="p")
        ids = post(store, "a", "b", "c", "d", delay=0)
        post(store, "e", delay=50)
        post(store, "other", queue="r")
        post(store, "other", project="p")
        made, _ = claimed(store, limit=2)
        _, marker = page(store, limit=1, include_claimed=True)
        assert store.queue_controller.delete("q") is None  # type: ignore[func-returns-value]
        for again in (False, True):
            if again:
                assert store.queue_controller.create("q") is True
                assert store.queue_controller.get("q") == {}
                assert counts(store) == (0, 0, 0)
            assert everything(store) == []
            assert page(store, marker=marker, include_claimed=True)[0] == []
            assert store.message_controller.first("q") is None
            assert list(store.message_controller.bulk_get("q", ids)) == []
            assert store.message_controller.pop("q", 10) == []
            with pytest.raises(MessageDoesNotExist):
                store.message_controller.get("q", ids[0])
            with pytest.raises(ClaimDoesNotExist):
                store.claim_controller.get("q", made)
            with pytest.raises(ClaimDoesNotExist):
                store.claim_controller.update("q", made, {"ttl": 60, "grace": 60})
            store.claim_controller.delete("q", made)
            assert listed(store, "r") == listed(store, project="p") == ["other"]


@clause("Q8")
@promise("C5")
def test_messages_of_a_deleted_queue_never_come_back(store: DataDriverBase, open_store: OpenStore) -> None:
    """Through a queue of the same name, whatever is removed when, and through another object that has seen the old one."""
    other = open_store(init=False)
    with at(0):
        for n in range(6):
            make(store, "q")
            old = post(store, f"{n}a", f"{n}b")
            assert listed(other) == [f"{n}a", f"{n}b"]
            store.queue_controller.delete("q")
            make(other, "q")
            post(store, f"{n}c", queue="q")
            assert listed(store) == listed(other) == [f"{n}c"]
            assert counts(store) == counts(other) == (1, 0, 1)
            for each in (store, other):
                each.gc()
                assert list(each.message_controller.bulk_get("q", old)) == []
                each.message_controller.bulk_delete("q", old)
            assert listed(store) == listed(other) == [f"{n}c"]
            other.queue_controller.delete("q")


@clause("Q8", "Q22")
@needs("deduplication")
def test_a_new_queue_remembers_nothing_of_an_old_one(store: DataDriverBase) -> None:
    make(store, "q")
    (old,) = post(store, "a", dedup_id="x")
    store.queue_controller.delete("q")
    make(store, "q")
    (new,) = post(store, "b", dedup_id="x")
    assert new != old
    assert listed(store) == ["b"]


@clause("Q8")
@needs("claims")
def test_messages_of_a_queue_are_forgotten_without_the_queue(store: DataDriverBase) -> None:
    """For a control plane that is elsewhere."""
    for queue in ("known", "unknown"):
        if queue == "known":
            make(store, queue, k=1)
        old = post(store, "a", "b", queue=queue)
        made, _ = claimed(store, queue=queue, limit=1)
        store.message_controller.forget(queue)
        assert everything(store, queue) == []
        assert list(store.message_controller.bulk_get(queue, old)) == []
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get(queue, made)
        assert store.message_controller.stats(queue)["messages"] == {"free": 0, "claimed": 0, "total": 0}
        post(store, "c", queue=queue)
        assert listed(store, queue) == ["c"]
    store.message_controller.forget("never seen", "p")


@clause("Q8")
def test_subscriptions_stay(store: DataDriverBase) -> None:
    make(store, "q")
    store.subscription_controller.create("q", "http://a", 3_600, {})
    store.queue_controller.delete("q")
    assert subscribers(store) == ["http://a"]


@clause("Q8")
def test_to_delete_what_does_not_exist_is_no_error(store: DataDriverBase) -> None:
    make(store, "q")
    for name in ("other", "Q", "q "):
        store.queue_controller.delete(name)
    store.queue_controller.delete("q", "p")
    assert queues(store) == ["q"]
    for _ in range(2):
        store.queue_controller.delete("q")
    assert queues(store) == []


@clause("Q1", "Q7")
def test_queues_are_counted(store: DataDriverBase) -> None:
    make(store, "a", "b", "c")
    make(store, "a", project="p")
    for project, wanted in ((None, 3), ("p", 1), ("other", 0)):
        found = store.queue_controller.calculate_resource_count(project)
        assert type(found) is int
        assert found == wanted
    store.queue_controller.delete("b")
    assert store.queue_controller.calculate_resource_count() == 2


@clause("Q7", "Q21")
def test_a_first_message_makes_its_queue(store: DataDriverBase) -> None:
    assert store.message_controller.post("q", [], CLIENT) == []
    assert queues(store) == []
    store.message_controller.post("q", [message("a")], CLIENT)
    assert listed(store) == ["a"]
    assert queues(store) == queues(store, name="q") == ["q"]
    assert store.queue_controller.exists("q") is True
    assert store.queue_controller.get("q") == {}
    assert store.queue_controller.create("q", {"k": 1}) is False
    store.queue_controller.set_metadata("q", {"k": 2})
    assert store.queue_controller.get("q") == {"k": 2}
    post(store, "b")
    assert listed(store) == ["a", "b"]
    assert counts(store) == (2, 0, 2)


@clause("Q7", "Q21")
def test_a_host_may_make_queues_itself(store: DataDriverBase) -> None:
    store.makes_queues = False
    post(store, "a")
    assert queues(store) == []
    assert store.queue_controller.exists("q") is False
    assert store.queue_controller.create("q", {"k": 1}) is True
    assert store.queue_controller.get("q") == {"k": 1}
    assert listed(store) == ["a"]
    store.message_controller.forget("q")
    assert queues(store) == listed(store) == []

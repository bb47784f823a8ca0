"""What the base classes refuse before a driver is asked: alike for all drivers, and so tested once, on one that only listens."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.messaging.stub import DataDriver
from undercroft.conformance.markers import clause, promise
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.receipt import Receipt
from undercroft.messaging import ClaimDoesNotExist, QueueDoesNotExist, SubscriptionAlreadyExists, SubscriptionDoesNotExist
from undercroft.messaging.contract import arguments
from undercroft.messaging.models import Lease

RECEIPT = Receipt("k", "d", b"")
LEASE = {"ttl": 60, "grace": 60}
Ask = Callable[..., Any]


@pytest.fixture
def store() -> DataDriver:
    return DataDriver()


def asks(store: DataDriver) -> dict[str, Ask]:
    """Every call that takes a queue and a project."""
    queue, topic = store.queue_controller, store.topic_controller
    messages, claims, subscriptions = store.message_controller, store.claim_controller, store.subscription_controller
    return {
        "queue get": queue.get,
        "queue get_metadata": queue.get_metadata,
        "queue set_metadata": lambda name, project=None: queue.set_metadata(name, {}, project),
        "queue create": lambda name, project=None: queue.create(name, {}, project),
        "queue exists": queue.exists,
        "queue delete": queue.delete,
        "queue stats": queue.stats,
        "topic get": topic.get,
        "topic set_metadata": lambda name, project=None: topic.set_metadata(name, {}, project),
        "topic create": lambda name, project=None: topic.create(name, {}, project),
        "topic exists": topic.exists,
        "topic delete": topic.delete,
        "topic stats": topic.stats,
        "list": messages.list,
        "first": messages.first,
        "get": lambda name, project=None: messages.get(name, "1", project),
        "bulk_get": lambda name, project=None: messages.bulk_get(name, ["1"], project),
        "post": lambda name, project=None: messages.post(name, [{"ttl": 60}], None, project),
        "post_once": lambda name, project=None: messages.post_once(
            name, [{"ttl": 60}], None, project, receipt=RECEIPT, answer=lambda _: b""
        ),
        "delete": lambda name, project=None: messages.delete(name, "1", project),
        "bulk_delete": lambda name, project=None: messages.bulk_delete(name, ["1"], project),
        "pop": lambda name, project=None: messages.pop(name, 1, project),
        "redrive": lambda name, project=None: messages.redrive(name, "target", project),
        "redrive to": lambda name, project=None: messages.redrive("source", name, project),
        "stats": messages.stats,
        "forget": messages.forget,
        "claim create": lambda name, project=None: claims.create(name, LEASE, project),
        "claim get": lambda name, project=None: claims.get(name, "1", project),
        "claim update": lambda name, project=None: claims.update(name, "1", LEASE, project),
        "claim delete": lambda name, project=None: claims.delete(name, "1", project),
        "subscription list": subscriptions.list,
        "subscription get": lambda name, project=None: subscriptions.get(name, "1", project),
        "subscription create": lambda name, project=None: subscriptions.create(name, "http://a", 60, {}, project),
        "subscription update": lambda name, project=None: subscriptions.update(name, "1", project, ttl=60),
        "subscription exists": lambda name, project=None: subscriptions.exists(name, "1", project),
        "subscription delete": lambda name, project=None: subscriptions.delete(name, "1", project),
        "subscription get_with_subscriber": lambda name, project=None: subscriptions.get_with_subscriber(name, "http://a", project),
        "subscription confirm": lambda name, project=None: subscriptions.confirm(name, "1", project),
    }


each_ask = pytest.mark.parametrize("ask", asks(DataDriver()))


def test_every_method_is_asked(store: DataDriver) -> None:
    """The list above has all that a controller offers."""
    named = {name.split()[-1] for name in asks(store)} | {"redrive", "receive", "known", "shown", "calculate_resource_count"}
    for controller in (store.queue_controller, store.message_controller, store.claim_controller, store.subscription_controller):
        public = {name for name, _ in inspect.getmembers(type(controller), inspect.isfunction) if not name.startswith("_")}
        assert public <= named


@clause("Q1", "Q2")
@each_ask
def test_the_stub_sees_what_gets_through(store: DataDriver, ask: str) -> None:
    asks(store)[ask]("q", "p")
    ((_, given, named),) = store.asked
    name = "topic/q" if ask.startswith("topic") else "q"
    assert name in given
    assert "p" in given or named.get("project") == "p"


@clause("Q2")
@each_ask
def test_no_project_and_the_empty_one_are_the_same(store: DataDriver, ask: str) -> None:
    for project in (None, ""):
        asks(store)[ask]("q", project)
    # Deletes have the project as it was given, too, for errors; `post_once` has a function.
    first, second = ([one for one in given if not callable(one)] for _, given, _ in store.asked)
    if ask not in {"delete", "bulk_delete"}:
        assert first == second
    assert "" in first


@clause("Q1")
@promise("S3")
@pytest.mark.parametrize("name", ["", None, 5, b"q", ["q"], {"$gt": ""}, "a" * 256, "a\x00b", "\x00", "\ud800", True], ids=ascii)
@each_ask
def test_invalid_names(store: DataDriver, ask: str, name: Any) -> None:
    with pytest.raises(InvalidInput):
        asks(store)[ask](name)
    assert store.asked == []


@clause("Q2")
@promise("S3")
@pytest.mark.parametrize("project", [5, b"p", ["p"], {"$gt": ""}, "a" * 257, "a\x00b", "\ud800", True, False, 0], ids=ascii)
@each_ask
def test_invalid_projects(store: DataDriver, ask: str, project: Any) -> None:
    with pytest.raises(InvalidInput, match="project"):
        asks(store)[ask]("q", project)
    assert store.asked == []


@clause("Q2", "Q3")
def test_lists_and_numbers_of_invalid_projects(store: DataDriver) -> None:
    calls: list[Ask] = [store.queue_controller.list, store.topic_controller.list, store.queue_controller.calculate_resource_count]
    for ask in calls:
        with pytest.raises(WrongType, match="project: expected text or None, got int"):
            ask(5)
    assert store.asked == []


@clause("Q1", "Q2")
def test_as_long_as_is_allowed(store: DataDriver) -> None:
    for name, project in (("a" * 255, "p" * 256), ("\U0001f600" * 255, "\U0001f600" * 256), (".", "."), (" ", " ")):
        assert store.queue_controller.exists(name, project) is True
    assert len(store.asked) == 4


LIMITS: list[Any] = [0, -1, 10_001, 2**63, 1.5, "5", None, True, [1], float("nan")]


@clause("Q3", "Q13", "Q26", "Q27", "Q29")
@pytest.mark.parametrize("limit", LIMITS, ids=ascii)
def test_invalid_limits(store: DataDriver, limit: Any) -> None:
    messages = store.message_controller
    calls: list[Ask] = [
        lambda: store.queue_controller.list(limit=limit), lambda: store.topic_controller.list(limit=limit),
        lambda: messages.list("q", limit=limit), lambda: messages.pop("q", limit), lambda: messages.redrive("q", "r", limit=limit),
        lambda: store.claim_controller.create("q", LEASE, limit=limit),
        lambda: store.subscription_controller.list("q", limit=limit),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidInput, match="limit"):
            call()
    assert store.asked == []


SPANS: list[Any] = [-1, 1.5, "60", True, arguments.LONGEST + 1, 10**30, [60], {"ttl": 60}]


@clause("Q19", "Q29", "Q33", "Q37", "Q38")
@pytest.mark.parametrize("span", SPANS, ids=ascii)
def test_invalid_spans(store: DataDriver, span: Any) -> None:
    messages, claims, subscriptions = store.message_controller, store.claim_controller, store.subscription_controller
    calls: list[tuple[str, Ask]] = [
        (r"messages\[0\]\.ttl", lambda: messages.post("q", [{"ttl": span}], None)),
        (r"messages\[0\]\.delay", lambda: messages.post("q", [{"delay": span}], None)),
        (r"metadata\.ttl", lambda: claims.create("q", {"ttl": span, "grace": 60})),
        (r"metadata\.grace", lambda: claims.create("q", {"ttl": 60, "grace": span})),
        ("ttl", lambda: subscriptions.create("q", "http://a", span, {})),
        ("ttl", lambda: subscriptions.update("q", "1", ttl=span)),
    ]
    for field, call in calls:
        with pytest.raises(InvalidInput, match=rf"^{field}: "):
            call()
    assert store.asked == []


@clause("Q37")
def test_a_subscription_needs_a_life(store: DataDriver) -> None:
    with pytest.raises(WrongType, match="ttl: expected whole seconds, got NoneType"):
        store.subscription_controller.create("q", "http://a", None, {})  # type: ignore[arg-type]
    assert store.asked == []


@clause("Q6", "Q7", "Q37", "Q38")
@pytest.mark.parametrize(
    "value", ["text", 5, [1], [("k", 1)], {5: 1}, {None: 1}, {"k": float("nan")}, {"k": object()}, {"k": "\ud800"}, True]
)
def test_invalid_objects(store: DataDriver, value: Any) -> None:
    queue, topic, subscriptions = store.queue_controller, store.topic_controller, store.subscription_controller
    calls: list[tuple[str, Ask]] = [
        ("metadata", lambda: queue.create("q", value)), ("metadata", lambda: queue.set_metadata("q", value)),
        ("metadata", lambda: topic.create("q", value)), ("metadata", lambda: topic.set_metadata("q", value)),
        ("options", lambda: subscriptions.create("q", "http://a", 60, value)),
        ("options", lambda: subscriptions.update("q", "1", options=value)),
    ]  # fmt: skip
    for field, call in calls:
        with pytest.raises(InvalidInput, match=field):
            call()
    assert store.asked == []


@clause("Q19", "Q20")
@pytest.mark.parametrize("bad", [5, None, "text", ["ttl", 60], b"x"], ids=ascii)
def test_messages_that_are_not_mappings(store: DataDriver, bad: Any) -> None:
    with pytest.raises(WrongType, match=r"^messages\[1\]: expected a mapping"):
        store.message_controller.post("q", [{"ttl": 60}, bad], None)
    assert store.asked == []


@clause("Q19")
@pytest.mark.parametrize("body", [float("nan"), float("inf"), [float("nan")], {"k": object()}, b"bytes", {1, 2}, (1,), 1j])
def test_bodies_that_are_not_json(store: DataDriver, body: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^messages\[0\]\.body: "):
        store.message_controller.post("q", [{"body": body}], None)
    assert store.asked == []


@clause("Q22")
@pytest.mark.parametrize("dedup", ["", 5, b"x", ["x"], "x" * 256, True], ids=ascii)
def test_invalid_dedup_ids(store: DataDriver, dedup: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^messages\[0\]\.dedup_id: expected text of 1 to 255 characters"):
        store.message_controller.post("q", [{"dedup_id": dedup}], None)
    assert store.asked == []


@clause("Q19")
def test_what_a_driver_gets_of_messages(store: DataDriver) -> None:
    """Defaults, JSON text, and a hash of what makes two the same."""
    given: list[dict[str, Any]] = [
        {},
        {"ttl": None, "body": None, "delay": None},
        {"ttl": 0, "body": {"\u00e9": "a\x00"}, "delay": 7, "dedup_id": "x", "id": 5},
    ]
    store.message_controller.post("q", given, "c")
    ((_, (queue, found, client, project), _),) = store.asked
    assert (queue, client, project) == ("q", "c", "")
    assert [(one.ttl, one.delay, one.body) for one in found] == [
        (3_600, 0, b"{}"), (3_600, 0, b"null"), (0, 7, '{"\u00e9":"a\\u0000"}'.encode())
    ]  # fmt: skip
    assert found[0].dedup is found[1].dedup is None
    assert len(found[2].dedup) == 16


@clause("Q19", "Q20")
def test_a_post_of_nothing_is_not_asked_for(store: DataDriver) -> None:
    assert store.message_controller.post("q", [], None) == []
    assert store.message_controller.post("q", iter(()), None) == []
    store.message_controller.bulk_delete("q", [])
    assert store.asked == []


@clause("Q20", "Q25")
def test_lists_from_outside_have_bounds(store: DataDriver) -> None:
    messages = store.message_controller
    many = ["1"] * 10_001
    calls: list[Ask] = [
        lambda: messages.post("q", [{}] * 10_001, None), lambda: messages.post("q", ({} for _ in iter(int, 1)), None),
        lambda: messages.bulk_get("q", many), lambda: messages.bulk_delete("q", many),
        lambda: messages.bulk_delete("q", ["1"], claim_ids=many), lambda: messages.bulk_get("q", ("1" for _ in iter(int, 1))),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidInput, match="it takes 10,000 at most"):
            call()
    assert store.asked == []


@clause("Q25")
def test_ids_are_asked_for_once(store: DataDriver) -> None:
    given: list[Any] = ["b", "a", "b", 5]
    store.message_controller.bulk_delete("q", iter(given), claim_ids=["x", "x"])
    ((_, asked, _),) = store.asked
    assert asked[:4] == ("q", ["b", "a", "5"], "", ["x"])


@clause("Q14", "Q19")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ""), (uuid.UUID(int=5), str(uuid.UUID(int=5))), (uuid.UUID(int=5).hex, str(uuid.UUID(int=5))),
        (str(uuid.UUID(int=5)).upper(), str(uuid.UUID(int=5))), ("client", "client"), ("", ""), ("x" * 255, "x" * 255),
    ],
)  # fmt: skip
def test_clients(store: DataDriver, given: Any, wanted: str) -> None:
    store.message_controller.post("q", [{}], given)
    assert store.asked[0][1][2] == wanted


@clause("Q14", "Q19")
@pytest.mark.parametrize("client", [5, b"x", ["x"], "x" * 256, "a\x00b", "\ud800"], ids=ascii)
def test_invalid_clients(store: DataDriver, client: Any) -> None:
    for call in (
        lambda: store.message_controller.post("q", [{}], client),
        lambda: store.message_controller.list("q", client_uuid=client),
    ):
        with pytest.raises(InvalidInput, match="client_uuid"):
            call()
    assert store.asked == []


@clause("Q13", "Q14")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, (None, 10, None, False, False)),
        ({"marker": "", "limit": 1}, (None, 1, None, False, False)),
        ({"marker": "m", "client_uuid": "c"}, ("m", 10, "c", False, False)),
        ({"marker": 5, "client_uuid": "c", "echo": True}, ("5", 10, None, False, False)),
        ({"include_claimed": True, "include_delayed": 1}, (None, 10, None, True, True)),
    ],
)
def test_what_a_driver_gets_of_a_list(store: DataDriver, given: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    assert list(store.message_controller.list("q", **given)) == [[], str(given.get("marker") or "")]
    assert tuple(store.asked[0][1][2]) == wanted


@clause("Q17")
@pytest.mark.parametrize("sort", [0, 2, -2, "1", None, 1.5])
def test_invalid_orders(store: DataDriver, sort: Any) -> None:
    with pytest.raises(ValueError, match="neither 1, the oldest first, nor -1, the newest first"):
        store.message_controller.first("q", sort=sort)
    assert store.asked == []


@clause("Q27")
def test_a_redrive_needs_another_queue(store: DataDriver) -> None:
    with pytest.raises(InvalidInput, match="target: is the queue itself"):
        store.message_controller.redrive("q", "q")
    assert store.asked == []


@clause("Q29")
@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (None, "expected a mapping with ttl and grace, got NoneType"), ([60, 60], "expected a mapping"),
        ({}, r"metadata\.ttl: is missing"),
        ({"ttl": 60}, r"metadata\.grace: is missing"), ({"grace": 60}, r"metadata\.ttl: is missing"),
        ({"ttl": None, "grace": 60}, "is missing"),
    ],
)  # fmt: skip
def test_invalid_leases(store: DataDriver, metadata: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        store.claim_controller.create("q", metadata)
    assert store.asked == []
    # Whether there is such a claim is looked at first.
    with pytest.raises(InvalidInput, match=problem):
        store.claim_controller.update("q", "3", metadata)
    assert store.calls() == ["_get"]
    store.answers["_get"] = lambda: None
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.update("q", "3", metadata)


@clause("Q32", "Q33", "Q34")
def test_no_claim_is_no_question(store: DataDriver) -> None:
    with pytest.raises(ClaimDoesNotExist, match="Claim None does not exist in queue q for project p"):
        store.claim_controller.get("q", None, "p")
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.update("q", None, LEASE)
    store.claim_controller.delete("q", None)
    assert store.asked == []


@clause("Q29", "Q33")
def test_what_a_driver_gets_of_a_claim(store: DataDriver) -> None:
    assert store.claim_controller.create("q", {"ttl": 60, "grace": 0, "more": 1}, "p", 3) == (None, [])
    store.claim_controller.update("q", 5, {"ttl": 1, "grace": 2})  # type: ignore[arg-type]
    assert store.asked == [
        ("_create", ("q", Lease(60, 0, 3), "p"), {}), ("_update", ("q", "5", Lease(1, 2, 1), ""), {})
    ]  # fmt: skip


@clause("Q36", "Q37", "Q38")
@promise("S3")
@pytest.mark.parametrize(
    "uri", ["", None, 5, b"http://a", "x" * 2_049, "http://\x00", "\ud800", {"$gt": ""}], ids=lambda value: ascii(value)[:40]
)
def test_invalid_subscribers(store: DataDriver, uri: Any) -> None:
    subscriptions = store.subscription_controller
    for call in (
        lambda: subscriptions.create("q", uri, 60, {}), lambda: subscriptions.update("q", "1", subscriber=uri),
        lambda: subscriptions.get_with_subscriber("q", uri),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match="subscriber"):
            call()
    assert store.asked == []


@clause("Q38")
def test_changes_of_subscriptions(store: DataDriver) -> None:
    update = store.subscription_controller.update
    for nothing in ({}, {"age": 1}, {"confirmed": True}):
        with pytest.raises(AssertionError, match="nothing to change: give subscriber, ttl or options"):
            update("q", "1", **nothing)
    with pytest.raises(InvalidInput, match=r"^age: is not to be changed: subscriber, ttl and options are"):
        update("q", "1", ttl=60, age=1)
    assert store.asked == []
    update("q", "1", "p", ttl=5, options=None, subscriber="u")
    assert store.asked == [("_update", ("q", "1", "p", {"ttl": 5, "options": {}, "subscriber": "u"}), {})]
    for answer, error in ((None, SubscriptionDoesNotExist), (False, SubscriptionAlreadyExists)):
        store.answers["_update"] = lambda answer=answer: answer
        with pytest.raises(error):
            update("q", "1", ttl=5)


@clause("Q5", "Q6", "Q9")
def test_an_unknown_queue(store: DataDriver) -> None:
    store.answers.update(_metadata=lambda: None, _set_metadata=lambda: False, _stats=lambda: None)
    queue = store.queue_controller
    for call in (lambda: queue.get("q", "p"), lambda: queue.set_metadata("q", {}, "p"), lambda: queue.stats("q", "p")):
        with pytest.raises(QueueDoesNotExist, match=r"^Queue q does not exist for project p$"):
            call()

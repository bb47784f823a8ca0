"""Messages for the suite, and how a store is asked."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

import msgspec

from undercroft.conformance.clock import now
from undercroft.messaging import DataDriverBase
from undercroft.messaging.models import Arrival, Posted

OpenStore = Callable[..., DataDriverBase]
Found = list[dict[str, Any]]
START = dt.datetime(2024, 3, 1, 12)
CLIENT, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
# What a message has.
FIELDS = {"id", "ttl", "age", "body", "claim_id", "claim_count"}
# Seconds before and behind a moment that the clock of an engine cannot miss.
BEFORE, BEHIND = -0.2, 0.2
# Ids, markers and claims that no store gives. Some look like those that a store may give.
MALFORMED = [
    "x",
    "0",
    "-1",
    "1.5",
    "9" * 40,
    "%",
    "'",
    "\x00",
    "\u00e9",
    "\U0001f600",
    "None",
    "$where",
    "a" * 5_000,
    " 1",
    "\ud800",
]
# Seconds; far above what any call of the suite takes.
_PATIENCE = 60
_MANY = 1_000


def at(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Let it be that many seconds after START."""
    return now(START + dt.timedelta(seconds=seconds))


def message(body: Any = None, ttl: int = 3_600, delay: int = 0, **more: Any) -> dict[str, Any]:
    """A message to post."""
    return {"ttl": ttl, "body": body, "delay": delay, **more}


def post(
    store: DataDriverBase, *bodies: Any, queue: str = "q", project: str | None = None, client: Any = CLIENT, **fields: Any
) -> list[str]:
    """Post a message for each body, all together; their ids."""
    return store.message_controller.post(queue, [message(body, **fields) for body in bodies], client, project)


def items(pages: Iterator[Any]) -> tuple[list[Any], Any]:
    """What a list gives: the items of the page, and the marker."""
    found = list(next(pages))
    marker = next(pages)
    assert next(pages, None) is None
    return found, marker


def page(store: DataDriverBase, queue: str = "q", **given: Any) -> tuple[Found, str]:
    """A page of messages, and its marker."""
    return items(store.message_controller.list(queue, **given))


def bodies(found: Iterable[dict[str, Any]]) -> list[Any]:
    """The bodies of messages."""
    return [each["body"] for each in found]


def ids(found: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of messages."""
    return [each["id"] for each in found]


def listed(store: DataDriverBase, queue: str = "q", **given: Any) -> list[Any]:
    """The bodies of all messages that may be claimed."""
    return bodies(page(store, queue, **{"limit": _MANY, **given})[0])


def everything(store: DataDriverBase, queue: str = "q", project: str | None = None) -> Found:
    """All messages of a queue that have not expired."""
    return page(store, queue, project=project, limit=_MANY, include_claimed=True, include_delayed=True)[0]


def walk(store: DataDriverBase, limit: int, queue: str = "q", marker: str | None = None, **given: Any) -> list[Any]:
    """The bodies of all pages, one after the other."""
    seen: list[Any] = []
    while True:
        found, last = page(store, queue, limit=limit, marker=marker, **given)
        assert len(found) <= limit
        if not found:
            assert last == (marker or "")
            return seen
        assert last != marker
        seen += bodies(found)
        marker = last


def follow(
    store: DataDriverBase, least: int, limit: int, queue: str = "q", marker: str | None = None, **given: Any
) -> tuple[list[Any], str | None]:
    """The bodies behind a marker, and the last marker; until there are `least`, more are waited for."""
    seen: list[Any] = []
    until = monotonic() + _PATIENCE
    while True:
        found, last = page(store, queue, limit=limit, marker=marker, **given)
        seen += bodies(found)
        assert not found or last != marker
        marker = last or marker
        if not found:
            if len(seen) >= least or monotonic() > until:
                return seen, marker
            threading.Event().wait(0.002)


def claim(
    store: DataDriverBase, ttl: int = 60, grace: int = 60, limit: int = 10, queue: str = "q", project: str | None = None
) -> tuple[str | None, Found]:
    """Make a claim: its id, and its messages."""
    made, found = store.claim_controller.create(queue, {"ttl": ttl, "grace": grace}, project, limit)
    return made, list(found)


def claimed(store: DataDriverBase, **given: Any) -> tuple[str, Found]:
    """Make a claim of at least one message."""
    made, found = claim(store, **given)
    assert made is not None
    assert found
    return made, found


def counts(store: DataDriverBase, queue: str = "q", project: str | None = None) -> tuple[int, int, int]:
    """How many messages are free, claimed, and both."""
    found = store.queue_controller.stats(queue, project)["messages"]
    return found["free"], found["claimed"], found["total"]


def make(store: DataDriverBase, *names: str, project: str | None = None, **metadata: Any) -> None:
    """Make queues that do not exist."""
    for name in names:
        assert store.queue_controller.create(name, metadata, project) is True


def queues(store: DataDriverBase, limit: int = 100, project: str | None = None, **given: Any) -> list[str]:
    """The names of all pages of queues."""
    seen: list[str] = []
    while True:
        found, marker = items(store.queue_controller.list(project, seen[-1] if seen else None, limit, **given))
        assert marker == (found[-1]["name"] if found else "")
        assert len(found) <= limit
        if not found:
            return seen
        assert marker not in seen
        seen += [each["name"] for each in found]


def subscribers(store: DataDriverBase, limit: int = 100, queue: str = "q", project: str | None = None) -> list[str]:
    """The subscribers of all pages of subscriptions."""
    seen: list[str] = []
    last: str | None = None
    while True:
        found, marker = items(store.subscription_controller.list(queue, project, last, limit))
        assert marker == (found[-1]["id"] if found else "")
        if not found:
            return seen
        assert marker != last
        last = marker
        seen += [each["subscriber"] for each in found]


def subscribe(
    store: DataDriverBase,
    subscriber: str = "http://a",
    ttl: int = 60,
    options: Any = None,
    *,
    queue: str = "q",
    project: str | None = None,
) -> str:
    """Make a subscription that does not exist; its id."""
    made = store.subscription_controller.create(queue, subscriber, ttl, {} if options is None else options, project)
    assert isinstance(made, str)
    return made


def milliseconds(seconds: float) -> int:
    """The moment that many seconds after START, as drivers have it."""
    return round((START.replace(tzinfo=dt.UTC).timestamp() + seconds) * 1000)


def arrival(name: str, body: Any = None, *, born: float = 0, ttl: int = 3_600, claims: int = 0, client: Any = CLIENT) -> Arrival:
    """A message of another store, posted that many seconds after START."""
    began = milliseconds(born)
    return Arrival(name, began, ttl, began + ttl * 1000, claims, str(client), msgspec.json.encode(body))


def receive(store: DataDriverBase, *arrivals: Arrival, queue: str = "q", project: str | None = None) -> None:
    """Receive messages of another store."""
    store.message_controller.receive(queue, arrivals, project)


def contents(posted: Iterable[Posted]) -> list[Any]:
    """The bodies of entries of the outbox."""
    return [msgspec.json.decode(one.body) for one in posted]


def take_all(store: DataDriverBase, seconds: int = 60, limit: int = _MANY) -> Sequence[Posted]:
    """Entries of the outbox that are to be had."""
    return store.outbox.take(limit, seconds)

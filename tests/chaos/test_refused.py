"""An engine that cannot serve now is never told as the caller's fault: nothing that was sent is dropped (D11).

The senders here do as Ceilometer does: they forget an item when it is acknowledged or refused for good, and keep it else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

import undercroft
from tests.api.service import Service, serving
from tests.chaos import refusals
from tests.chaos.refusals import TOLD, Refusal
from undercroft.compat.panko import Publisher
from undercroft.conformance.events import data as events
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating import data as rating
from undercroft.core.errors import Declined, InvalidInput, UndercroftError
from undercroft.events import EventFilter

pytestmark = [pytest.mark.promise("D11"), pytest.mark.timeout(1800)]
Send = Callable[[int], None]


@dataclasses.dataclass
class Sender:
    """Sends items by their numbers, and again those that it has kept."""

    send: Send
    kept: list[int] = dataclasses.field(default_factory=list)
    acknowledged: int = 0
    dropped: int = 0

    def go(self, *numbers: int) -> None:
        waiting, self.kept = [*self.kept, *numbers], []
        for number in waiting:
            try:
                self.send(number)
            except Kept:
                self.kept.append(number)
            except Dropped:
                self.dropped += 1
            else:
                self.acknowledged += 1


class Kept(Exception):
    """Not stored, and not for the item's sake."""


class Dropped(Exception):
    """Refused for good."""


def by_library(store: Any, kind: str) -> Send:
    def send(number: int) -> None:
        try:
            WRITES[kind](store, number)
        except UndercroftError as error:
            raise (Kept if error.retryable else Dropped) from error

    return send


def _push(store: Any, number: int) -> None:
    store.push([rating.frame(number, rating.point())])


def _record(store: Any, number: int) -> None:
    store.record_events([events.event(f"e{number}", at=number)])


WRITES: dict[str, Callable[[Any, int], None]] = {"rating": _push, "events": _record}
COUNTS: dict[str, Callable[[Any], int]] = {
    "rating": lambda store: len(rating.everything(store)),
    "events": lambda store: len(list(store.get_events(EventFilter()))),
}


@contextlib.contextmanager
def prepared(opener: Opener) -> Iterator[dict[str, Refusal]]:
    """All the ways in which the opener's engine refuses, after the first item is stored."""
    WRITES[opener.target.kind](opener(), 0)
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(way(opener)) for name, way in refusals.ways(opener).items()}


@contextlib.contextmanager
def refusing(way: Refusal) -> Iterator[None]:
    way.begin()
    try:
        yield
    finally:
        way.end()


def walk(opener: Opener, record: Any) -> tuple[int, int]:
    """Send items in each way of refusal, and after it; how many were sent, and how many dropped."""
    sent = dropped = 0
    with prepared(opener) as ways:
        for name, way in ways.items():
            store = undercroft.connect(opener.target.kind, way.url)
            sender = Sender(by_library(store, opener.target.kind))
            numbers = [1000 + sent, 1001 + sent]
            with refusing(way):
                sender.go(*numbers)
                assert sender.acknowledged == 0, f"{name}: the engine took it"
            if not way.in_service:
                # Connections from before remember what the file was like.
                store.close()
                store = undercroft.connect(opener.target.kind, way.url)
                sender.send = by_library(store, opener.target.kind)
            sender.go()
            assert sender.kept == [], name
            sent, dropped = sent + len(numbers), dropped + sender.dropped
            store.close()
        record(ways=len(ways), sent=sent, dropped=dropped)
        assert COUNTS[opener.target.kind](opener(init=False)) == 1 + sent - dropped
    return sent, dropped


@pytest.mark.kind("rating", "events")
def test_nothing_is_dropped(any_opener: Opener, record: Any) -> None:
    sent, dropped = walk(any_opener, record)
    assert sent >= 8
    assert dropped == 0


@pytest.mark.kind("rating", "events")
def test_twin_that_takes_unknown_errors_for_final_drops(any_opener: Opener, record: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Declined, "retryable", False)
    assert walk(any_opener, record)[1] > 0


@pytest.mark.kind("events")
def test_our_publisher_keeps_what_it_could_not_store(any_opener: Opener) -> None:
    """Ceilometer acknowledges a notification when its publisher returns."""
    with prepared(any_opener) as ways:
        for number, (name, way) in enumerate(ways.items(), 1):
            with _publisher(way.url) as publisher:
                with refusing(way), pytest.raises(UndercroftError) as caught:
                    publisher.publish_events([events.event(f"p{number}", at=number)])
                assert caught.value.retryable, name
            # Some connections remember what a file was like.
            with _publisher(way.url) as publisher:
                publisher.publish_events([events.event(f"p{number}", at=number)])
        assert COUNTS["events"](any_opener(init=False)) == 1 + len(ways)


@contextlib.contextmanager
def _publisher(url: str) -> Iterator[Publisher]:
    scheme, _, rest = url.partition("://")
    found = Publisher(None, urllib.parse.urlsplit(f"undercroft://{rest}&engine={scheme}"))
    yield found
    found._store.close()


@pytest.mark.kind("rating", "events")
def test_a_service_says_not_now_and_nothing_else(any_opener: Opener) -> None:
    """The service answers 503, or breaks off where a whole answer would let a publisher forget; and tells no secret."""
    kind = any_opener.target.kind
    with prepared(any_opener) as ways, contextlib.ExitStack() as stack:
        services: dict[str, Service] = {}
        met = {name: way for name, way in ways.items() if way.in_service}
        for number, (name, way) in enumerate(met.items(), 1):
            if way.url not in services:
                stores = {"url": way.url} if kind == "rating" else {"url": None, "events": way.url}
                services[way.url] = stack.enter_context(serving(**stores, auth="none"))
            client = services[way.url].client
            for path, body, stored in POSTS[kind](number):
                with refusing(way):
                    _refused(client, path, body, any_opener, way)
                answer = client.post(path, json=body)
                assert answer.status_code == stored, f"{name}: {answer.text}"
        assert len(met) >= 3
        assert COUNTS[kind](any_opener(init=False)) == 1 + len(met) * len(POSTS[kind](0))


def _posted_events(number: int) -> list[tuple[str, Any, int]]:
    def event(name: str) -> dict[str, Any]:
        when = f"2026-11-01T00:{number:02}:00"
        return {"message_id": f"{name}{number}", "event_type": "t", "generated": when, "traits": [], "raw": {}}

    return [("/events/v1/ceilometer/events", event("c"), 200)]


def _posted_usage(number: int) -> list[tuple[str, Any, int]]:
    point = {"vol": {"unit": "h", "qty": 1}, "rating": {"price": 1}, "groupby": {"project_id": "p"}, "metadata": {}}
    period = {"begin": f"2026-11-02T{number:02}:00:00Z", "end": f"2026-11-02T{number + 1:02}:00:00Z"}
    return [("/rating/v2/dataframes", {"dataframes": [{"period": period, "usage": {"cpu": [point]}}]}, 204)]


POSTS: dict[str, Callable[[int], list[tuple[str, Any, int]]]] = {"rating": _posted_usage, "events": _posted_events}


def _refused(client: httpx.Client, path: str, body: Any, opener: Opener, way: Refusal) -> None:
    try:
        answer = client.post(path, json=body)
    except httpx.RemoteProtocolError:
        assert "ceilometer" in path
        return
    assert "ceilometer" not in path, f"a whole answer: {answer.status_code} {answer.text}"
    assert answer.status_code == 503, answer.text
    told = msgspec.json.decode(answer.content)
    assert answer.headers["x-openstack-request-id"] in str(told)
    assert answer.headers["retry-after"]
    parts = urllib.parse.urlsplit(way.url)
    secrets = [TOLD, opener.namespace, str(parts.port or "sqlite"), parts.hostname or "sqlite", "psycopg", "pymysql", "SQLSTATE"]
    if parts.path.strip("/"):
        secrets.append(parts.path)
    assert [word for word in secrets if word in answer.text] == []


def test_an_item_s_own_fault_is_told_as_such() -> None:
    """The other side of the rule."""
    assert not InvalidInput("item", "x").retryable

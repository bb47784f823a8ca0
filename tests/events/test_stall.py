"""A store that stalls: posts that arrive during the stall are stored after it, and other requests are answered during it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import sqlite3
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.proxy import proxied
from tests.api.service import serving
from tests.conftest import FULL, publisher_url, url_of
from undercroft.compat.ceilometer import EventPublisher
from undercroft.conformance.plugin import Opener
from undercroft.events import Event, EventFilter, Trait
from undercroft.events.models import naive_utc

pytestmark = pytest.mark.one_per_family
SENDERS = 64
INGEST = "/events/v1/ceilometer/events"
STALL = 2.0 if FULL else 1.2
MOMENT = "2026-01-01T00:00:00"


@pytest.fixture
def stalling(opener: Opener) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The URL of a store, and what makes it stall for the length of a block."""
    opener()
    if opener.target.host:
        with proxied(url_of(opener)) as (proxy, url):

            @contextlib.contextmanager
            def silent() -> Iterator[None]:
                proxy.silence()
                try:
                    yield
                finally:
                    proxy.heal()

            yield url, silent
    else:
        file = urllib.parse.urlsplit(opener.url).path.removeprefix("/")

        @contextlib.contextmanager
        def locked() -> Iterator[None]:
            with contextlib.closing(sqlite3.connect(f"/{file.lstrip('/')}", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")

        yield url_of(opener), locked


def stored(opener: Opener) -> set[str]:
    return {event.message_id for event in opener(init=False).get_events(EventFilter())}


class Holding(threading.Thread):
    """A stall of at least STALL seconds, which has begun; it ends when `may_end` is set."""

    def __init__(self, stall: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._stall = stall
        self._begun = threading.Event()
        self.may_end = threading.Event()
        self.start()
        assert self._begun.wait(30)

    def run(self) -> None:
        with self._stall():
            self._begun.set()
            threading.Event().wait(STALL)
            self.may_end.wait(60)


@pytest.mark.promise("D11")
def test_single_posts_during_a_stall_are_all_stored(stalling, opener, record):
    url, stall = stalling
    with (
        serving(None, events=url) as service,
        httpx.Client(base_url=service.url, timeout=30) as others,
        concurrent.futures.ThreadPoolExecutor(SENDERS) as pool,
    ):

        def send(number: int) -> Any:
            event = {"message_id": f"m{number}", "event_type": "t", "generated": MOMENT, "traits": [["n", 2, number]]}
            try:
                return service.client.post(INGEST, json=event).status_code
            except httpx.TransportError:
                return "broken off"

        # Connections are there already, as in a service that has been running.
        assert set(pool.map(send, range(100, 104))) == {200}
        holding = Holding(stall)
        sent = [pool.submit(send, number) for number in range(SENDERS)]
        # Health and refusals wait for nobody: the stall goes on until they have been answered.
        assert others.get("/healthz").status_code == 200
        assert others.get("/events/nothing").status_code == 404
        assert others.post(INGEST, content=b"{").status_code == 400
        assert not any(each.done() for each in sent)
        holding.may_end.set()
        answers = [each.result() for each in sent]
        holding.join()
    record(senders=SENDERS, stall=f"{STALL:g} s", broken_off=answers.count("broken off"))
    assert set(answers) == {200}
    assert stored(opener) >= {f"m{number}" for number in range(SENDERS)}


@pytest.mark.promise("D11")
def test_our_publisher_waits_for_a_stalled_store(stalling, opener):
    url, stall = stalling
    publisher = EventPublisher(None, urllib.parse.urlsplit(publisher_url(url)))
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:

        def send(number: int) -> None:
            publisher.publish_events([Event(f"m{number}", "t", naive_utc(MOMENT), [Trait("n", Trait.INT_TYPE, number)], {})])

        send(100)
        holding = Holding(stall)
        holding.may_end.set()
        list(pool.map(send, range(SENDERS)))
        holding.join()
    publisher._store.close()
    assert stored(opener) >= {f"m{number}" for number in range(SENDERS)}

"""Our publisher inside Ceilometer keeps what an engine refuses for now: a notification is acknowledged when it returns (D11)."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.chaos import refusals
from tests.chaos.events import sending
from tests.conftest import publisher_url
from undercroft.compat.ceilometer import EventPublisher
from undercroft.conformance.events import data
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import UndercroftError

pytestmark = [pytest.mark.kind("events"), pytest.mark.promise("D11"), pytest.mark.timeout(1800)]


def test_it_keeps_what_it_could_not_store(any_opener: Opener) -> None:
    sending.write(any_opener(), 0)
    with refusals.prepared(any_opener) as ways:
        for number, (name, way) in enumerate(ways.items(), 1):
            events = [data.event(f"p{number}", at=number)]
            with _publisher(way.url) as publisher:
                with refusals.refusing(way), pytest.raises(UndercroftError) as caught:
                    publisher.publish_events(events)
                assert caught.value.retryable, name
            # Some connections remember what a file was like.
            with _publisher(way.url) as publisher:
                publisher.publish_events(events)
        assert sending.count(any_opener(init=False)) == 1 + len(ways)


@contextlib.contextmanager
def _publisher(url: str) -> Iterator[EventPublisher]:
    found = EventPublisher(None, urllib.parse.urlsplit(publisher_url(url)))
    with contextlib.closing(found._store):
        yield found

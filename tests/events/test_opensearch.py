"""What only OpenSearch and Elasticsearch have: views of an index, of which a server holds so many and no more."""

from __future__ import annotations

import datetime as dt

import pytest

from undercroft.core.errors import Unavailable
from undercroft.events import Event, EventFilter

START = dt.datetime(2026, 1, 1)
_MOST_VIEWS = "search.max_open_scroll_context"
SCHEMES = ("opensearch:", "es:")


@pytest.fixture
def few_views(store):
    """A server that holds views of two indices at once. Who reads beside us gets what it asked for all the same."""

    def limit(views):
        store._client.call("PUT", "/_cluster/settings", {"transient": {_MOST_VIEWS: views}}, writes=True)

    limit(2)
    yield
    limit(None)


@pytest.mark.usefixtures("few_views")
def test_more_days_are_read_than_the_server_holds_views_of(store):
    made = [Event(f"m{day}-{n:03}", "t", START + dt.timedelta(days=day, seconds=n), [], {}) for day in range(4) for n in range(600)]
    store.record_events(made)
    wanted = [event.message_id for event in made]
    assert [event.message_id for event in store.get_events(EventFilter())] == wanted
    page = {"marker": "m0-099", "limit": 2_100, "sort": [("generated", "asc")]}
    assert [event.message_id for event in store.get_events(EventFilter(), page)] == wanted[100:2_200]


def test_days_that_go_while_they_are_walked_through_leave_no_hole(store):
    made = [Event(f"m{day}-{n:03}", "t", START + dt.timedelta(days=day, seconds=n), [], {}) for day in range(3) for n in range(900)]
    store.record_events(made)
    walk = iter(store.get_events(EventFilter()))
    seen = [next(walk).message_id for _ in range(1_000)]
    store._client.call("DELETE", f"/{store._prefix}2026-01-01", writes=True)
    seen += [event.message_id for event in walk]
    assert seen == [event.message_id for event in made]


def test_a_document_that_is_not_taken_for_now_may_be_sent_again(store):
    event = Event("a", "t", START, [], {})
    store.record_events([event])
    store._client.call("PUT", f"/{store._all}/_settings", {"index.blocks.read_only_allow_delete": True}, writes=True)
    later = Event("b", "t", START, [], {})
    with pytest.raises(Unavailable, match="read-only") as refused:
        store.record_events([later])
    assert refused.value.retryable
    store._client.call("PUT", f"/{store._all}/_settings", {"index.blocks.read_only_allow_delete": None}, writes=True)
    store.record_events([later])
    assert [event.message_id for event in store.get_events(EventFilter())] == ["a", "b"]

"""What only OpenSearch and Elasticsearch have: views and shards, of which a server holds a limited number; an index a period."""

from __future__ import annotations

import contextlib
import datetime as dt

import msgspec
import pytest

from tests.conftest import opener_of, url_of
from undercroft.core import registry, time
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Level
from undercroft.engines import opensearch
from undercroft.events import Event, EventFilter, periods

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


@pytest.fixture
def restricted(store, monkeypatch):
    """A user who has every right on our indices and their template, and none on the cluster."""
    call = store._client.call

    def refused(method, path, *args, **more):
        if path.startswith(("/_nodes", "/_cluster/settings")):
            raise opensearch.failed(403, f"no permissions for {path}")
        return call(method, path, *args, **more)

    monkeypatch.setattr(store._client, "call", refused)
    vars(store._client).pop("largest", None)


@pytest.mark.usefixtures("restricted")
def test_events_are_stored_without_rights_on_the_cluster(store):
    store.record_events([Event("a", "t", START, [], {})])
    assert [event.message_id for event in store.get_events(EventFilter())] == ["a"]
    assert store.largest == 100 * 2**20


@pytest.mark.usefixtures("restricted")
def test_an_examination_goes_on_where_the_cluster_may_not_be_asked(store):
    found = {each.check: each for each in store.diagnose()}
    assert found["shards"].level is Level.WARNING
    assert found["size"].level is Level.OK


# -- indices -----------------------------------------------------------------------------------------------------------


def spread(days: int) -> list[Event]:
    return [Event(f"m{day:03}", "t", START + dt.timedelta(days=day), [], {}) for day in range(days)]


def test_history_with_few_events_a_day_goes_in_by_requests_that_are_not_large(store, monkeypatch):
    """A bulk request that made hundreds of indices outlasted its time."""
    call, made, sizes = store._client.call, set(), []

    def watched(method, path, body=None, **more):
        if method == "PUT":
            made.add(path.removeprefix("/"))
        if path == "/_bulk":
            heads = [msgspec.json.decode(line)["create"]["_index"] for line in body.splitlines()[::2]]
            assert set(heads) <= made
            sizes.append(len(set(heads)))
        return call(method, path, body, **more)

    monkeypatch.setattr(store._client, "call", watched)
    events = spread(60)
    store.record_events([*events[30:], *events[:30]])
    assert sizes == [50, 10]
    assert [event.message_id for event in store.get_events(EventFilter())] == [event.message_id for event in events]
    # A day that is known is not asked for again, nor made.
    before = len(made)
    store.record_events([Event("again", "t", START, [], {})])
    assert len(made) == before


def test_a_cluster_that_is_full_of_shards_takes_the_events_later(store):
    template = f"/_index_template/{store._prefix}template"
    good = store._client.call("GET", template)["index_templates"][0]["index_template"]
    full = msgspec.json.decode(msgspec.json.encode(good))
    full["template"]["settings"]["index"] |= {"number_of_shards": 1_000, "number_of_replicas": 1}
    store._client.call("PUT", template, full, writes=True)
    with pytest.raises(Unavailable, match=r"max_shards_per_node.*index_period=month") as refused:
        store.record_events(spread(1))
    assert refused.value.retryable
    store._client.call("PUT", template, good, writes=True)
    store.record_events(spread(1))
    assert len(list(store.get_events(EventFilter()))) == 1


@pytest.fixture
def opening(server, tmp_path):
    """Opens stores with an index period on a namespace of its own."""
    opener = opener_of(server, tmp_path)
    with contextlib.ExitStack() as opened:

        def of(period=None):
            options = {} if period is None else {"index_period": period}
            return opened.enter_context(contextlib.closing(registry.connect("events", url_of(opener, **options))))

        yield of
        store = of()
        store.clear()
        store.drop()


@pytest.mark.parametrize(("period", "names"), [("week", ["2026-w01", "2026-w02", "2026-w03"]), ("month", ["2025-12", "2026-01"])])
def test_an_index_a_week_or_a_month(opening, period, names):
    store = opening(period)
    store.upgrade()
    days = [-3, 0, 4, 5, 11, 12]
    events = [Event(f"m{day}", "t", START + dt.timedelta(days=day), [], {}) for day in days]
    store.record_events([*events, *events])
    assert store._indices() == [f"{store._prefix}{name}" for name in names]
    # Other processes need not be told.
    assert [event.message_id for event in opening().get_events(EventFilter())] == [event.message_id for event in events]
    # A week that is over goes as a whole, an index that is not loses documents.
    with at(START + dt.timedelta(days=10)):
        assert opening().clear_expired_data(5.5 * 86_400) == 3
    assert [event.message_id for event in store.get_events(EventFilter())] == ["m5", "m11", "m12"]


@contextlib.contextmanager
def at(moment):
    time.bind(lambda: moment.replace(tzinfo=dt.UTC))
    try:
        yield
    finally:
        time.bind(None)


def test_the_index_period_is_kept_in_the_store(opening):
    opening().upgrade()
    opening("month").upgrade()
    store = opening()
    store.upgrade()
    store.record_events(spread(2))
    assert store._indices() == [f"{store._prefix}2026-01"]
    assert [each.found for each in store.diagnose() if each.check == "index period"] == ["an index a month"]
    assert [each.found for each in store.diagnose() if each.check == "shards"]
    for method in ("upgrade", "record_events"):
        with pytest.raises(ConfigInvalid, match="hold a month each"):
            getattr(opening("day"), method)(*([spread(1)] if method == "record_events" else []))
    with pytest.raises(ConfigInvalid, match="index_period"):
        opening("year")


@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize("micros", [time.FIRST, time.LAST, -1, 0, 951_782_400_000_000, 1_483_142_400_000_000])
def test_a_moment_lies_in_its_period(period, micros):
    start, end = periods.bounds(periods.name_of(micros, period))
    assert start <= micros < end
    assert periods.name_of(start if start >= time.FIRST else micros, period) == periods.name_of(micros, period)

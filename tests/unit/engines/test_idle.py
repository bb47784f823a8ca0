"""A server ends idle connections, as do firewalls: the next call of every method opens another, and is answered."""

from __future__ import annotations

import contextlib
import datetime as dt
import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.proxy import Proxy, proxied
from tests.conftest import url_of
from undercroft import metering
from undercroft.core import registry
from undercroft.core.receipt import Receipt
from undercroft.events import Event, EventFilter, Trait
from undercroft.events.contract import Store
from undercroft.messaging.models import Lease
from undercroft.metering import SampleFilter
from undercroft.rating import BaseStorage, DataFrame, DataPoint

pytestmark = pytest.mark.one_per_driver
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WHOLE = {"begin": START, "end": START + dt.timedelta(days=1)}
Calls = dict[str, Callable[[Any], Any]]


def event(name: str) -> Event:
    return Event(name, "t", START.replace(tzinfo=None), [Trait("a", 1, "b")], {})


def frame(hour: int) -> DataFrame:
    begin = START + dt.timedelta(hours=hour)
    return DataFrame(begin, begin + dt.timedelta(hours=1), {"cpu": [DataPoint("h", 1, 2, {"id": "a"}, {})]})


def sample(name: str) -> dict[str, Any]:
    return {
        "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": 1, "resource_id": "r",
        "timestamp": START, "message_id": name,
    }  # fmt: skip


# Those that end something stand last.
EVENTS: Calls = {
    "record_events": lambda s: s.record_events([event("m1")]),
    "store_events": lambda s: s.store_events([event("m2")]),
    "store_once": lambda s: s.store_once([event("m3")], Receipt("k", "d", b""), lambda _: b"a"),
    "get_events": lambda s: list(s.get_events(EventFilter()))[1],
    "a page of get_events": lambda s: next(iter(s.get_events(EventFilter(), {"limit": 1}))),
    "get_traits": lambda s: list(s.get_traits("t"))[1],
    "get_event_types": lambda s: next(iter(s.get_event_types())),
    "get_trait_types": lambda s: next(iter(s.get_trait_types("t"))),
    "count_events": lambda s: s.count_events()[0],
    "tail": lambda s: s.tail().events[1],
    "tail_end": lambda s: s.tail_end(),
    "cursor_key": lambda s: s.cursor_key(),
    "diagnose": lambda s: list(s.diagnose(verify=True)),
    "expiry": lambda s: s.expiry(1.0),
    "expired": lambda s: s.expired(START),
    "clear_expired_data": lambda s: s.clear_expired_data(1),
    "clear": lambda s: s.clear(),
    "init": lambda s: s.init(),
    "upgrade": lambda s: s.upgrade(),
    "drop": lambda s: s.drop(),
}
RATING: Calls = {
    "push": lambda s: s.push([frame(0), frame(1)]),
    "push_once": lambda s: s.push_once([frame(2)], Receipt("k", "d", b"a")),
    "replace": lambda s: s.replace(*WHOLE.values(), {}, [frame(0), frame(1)]),
    "retrieve": lambda s: s.retrieve(**WHOLE)["dataframes"][1],
    "the whole of retrieve": lambda s: s.retrieve(**WHOLE, paginate=False)["dataframes"][1],
    "iter_frames": lambda s: list(s.iter_frames(**WHOLE))[1],
    "total": lambda s: s.total(["id"], **WHOLE)["results"][0],
    "scopes": lambda s: s.scopes(),
    "get_tenants": lambda s: s.get_tenants(**WHOLE),
    "span": lambda s: s.span(),
    "maintain": lambda s: s.maintain(),
    "diagnose": lambda s: list(s.diagnose(verify=True)),
    "delete": lambda s: s.delete(**WHOLE),
    "expiry": lambda s: s.expiry(START),
    "expire": lambda s: s.expire(),
    "expired": lambda s: s.expired(START),
    "expire_before": lambda s: list(s.expire_before(START)),
    "init": lambda s: s.init(),
    "drop": lambda s: s.drop(),
}
METERING: Calls = {
    "record_metering_data": lambda s: s.record_metering_data(sample("m1")),
    "record_metering_data_batch": lambda s: s.record_metering_data_batch([sample("m2")]),
    "store_samples": lambda s: s.store_samples([sample("m3")]),
    "store_once": lambda s: s.store_once([sample("m4")], Receipt("k", "d", b""), lambda _: b"a"),
    "get_samples": lambda s: list(s.get_samples(None))[1],
    "a page of get_samples": lambda s: next(iter(s.get_samples(SampleFilter(meter="cpu"), limit=1))),
    "query_samples": lambda s: list(s.query_samples({"=": {"meter": "cpu"}}))[1],
    "count_samples": lambda s: s.count_samples(),
    "maintain": lambda s: s.maintain(),
    "get_meters": lambda s: next(iter(s.get_meters())),
    "get_meter_names": lambda s: s.get_meter_names(["r"])["r"],
    "get_resources": lambda s: next(iter(s.get_resources())),
    "get_meter_statistics": lambda s: next(iter(s.get_meter_statistics(SampleFilter(meter="cpu"), period=3600))),
    "get_windows": lambda s: s.get_windows("cpu", START - dt.timedelta(hours=1), START)["r"],
    "get_volumes": lambda s: s.get_volumes("cpu", START - dt.timedelta(hours=1), START, ["r"])["r"],
    "diagnose": lambda s: list(s.diagnose(verify=True)),
    "expiry": lambda s: s.expiry(1.0),
    "expired": lambda s: s.expired(START),
    "expire_part": lambda s: s.expire_part(1),
    "clear_expired_metering_data": lambda s: s.clear_expired_metering_data(1),
    "clear": lambda s: s.clear(),
    "init": lambda s: s.init(),
    "upgrade": lambda s: s.upgrade(),
    "drop": lambda s: s.drop(),
}
LEASE = {"ttl": 60, "grace": 60}
MESSAGING: Calls = {
    "create a queue": lambda s: s.queue_controller.create("q", {"a": 1}, "p"),
    "metadata": lambda s: s.queue_controller.get("q", "p")["a"],
    "queues": lambda s: next(s.queue_controller.list("p"))[0],
    "post": lambda s: s.message_controller.post("q", [{"ttl": 60, "body": n} for n in range(9)], "c", "p")[8],
    "post one": lambda s: s.message_controller.post("q", [{"ttl": 60}], "c", "p")[0],
    "list": lambda s: next(s.message_controller.list("q", "p", echo=True))[0],
    "first": lambda s: s.message_controller.first("q", "p")["id"],
    "claim": lambda s: s.claim_controller.create("q", LEASE, "p", 2)[1][1],
    "pop": lambda s: s.message_controller.pop("q", 1, "p")[0],
    "stats": lambda s: s.queue_controller.stats("q", "p")["messages"]["oldest"],
    "delete messages": lambda s: s.message_controller.bulk_delete("q", ["0" * 16], "p"),
    "renew": lambda s: s.claim_controller._update("q", "0" * 16, Lease(1, 1, 1), "p"),
    "release": lambda s: s.claim_controller.delete("q", "0" * 16, "p"),
    "subscribe": lambda s: s.subscription_controller.create("q", "http://a", 60, {}, "p")[0],
    "depths": lambda s: s.depths(1).queues[0],
    "clean": lambda s: s.clean(),
    "diagnose": lambda s: list(s.diagnose(verify=True)),
    "delete the queue": lambda s: s.queue_controller.delete("q", "p"),
    "init": lambda s: s.init(),
    "drop": lambda s: s.drop(),
}
# They ask nothing of the engine, or open and close the store.
NOTHING = {
    "open", "close", "require", "locks", "event_class", "trait_class", "frame_class", "point_class", "get_capabilities",
    "get_storage_capabilities", "get_retention", "kept_for", "parse_groupby_syntax_to_groupby_elements",
}  # fmt: skip
OF = {"events": EVENTS, "messaging": MESSAGING, "metering": METERING, "rating": RATING}
# A client library that looks at a connection only when it was idle for a second, and that repeats only what it knows as a read. A
# write that meets a younger one that is dead ends in OutcomeUnknown, as it may have been done.
IDLE_SECONDS = {"mongodb": 1.1}
SENT_ONCE = {
    "post",
    "post one",
    "claim",
    "pop",
    "delete messages",
    "renew",
    "release",
    "record_events",
    "store_events",
    "store_once",
    "clear_expired_data",
    "clear",
    "init",
    "upgrade",
    "drop",
    "diagnose",
}


@pytest.mark.parametrize(("contract", "calls"), [(Store, EVENTS), (metering.Store, METERING), (BaseStorage, RATING)])
def test_every_method_of_the_contracts_is_called(contract, calls):
    public = {name for name, value in inspect.getmembers(contract) if callable(value) and not name.startswith("_")}
    assert public - NOTHING == {name for name in calls if " " not in name}


@contextlib.contextmanager
def behind_a_proxy(opener: Any) -> Iterator[tuple[Proxy, Any]]:
    opener().close()
    with proxied(url_of(opener)) as (proxy, url), contextlib.closing(registry.connect(opener.target.kind, url)) as store:
        yield proxy, store


def test_after_idle_connections_were_ended_every_call_is_answered(any_opener):
    if not any_opener.target.host:
        pytest.skip("not a gap: this engine is a file, and has no connections that could be ended")
    with behind_a_proxy(any_opener) as (proxy, store):
        for name, call in OF[any_opener.target.kind].items():
            if not getattr(store.capabilities, {"tail_end": "tail", "cursor_key": "tail"}.get(name, name), True):
                continue
            proxy.cut()
            if name in SENT_ONCE:
                time.sleep(IDLE_SECONDS.get(any_opener.target.driver, 0.05))
            call(store)
        assert proxy.cuts > len(OF[any_opener.target.kind]) / 2


@pytest.mark.kind("events")
def test_a_walk_whose_connection_ends_later_is_not_begun_anew(any_opener):
    """What was handed out cannot be taken back: the caller is told."""
    from undercroft.core.errors import Unavailable

    if not any_opener.target.host:
        pytest.skip("not a gap: this engine is a file, and has no connections that could be ended")
    with behind_a_proxy(any_opener) as (proxy, store):
        store.record_events([event(f"m{number:04}") for number in range(2_500)])
        walk = iter(store.get_events(EventFilter()))
        seen = [next(walk).message_id]
        proxy.cut()
        with contextlib.suppress(Unavailable):
            seen += [each.message_id for each in walk]
        assert seen == sorted(set(seen))

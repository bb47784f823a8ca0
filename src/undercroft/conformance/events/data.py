"""Events for the suite, and how answers are compared."""

from __future__ import annotations

import datetime as dt
import threading
import types
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from undercroft.conformance.events.oracle import Stored
from undercroft.events import Event, EventFilter, Store, Trait

OpenStore = Callable[..., Store]
START = dt.datetime(2024, 3, 1, 12)
# Seconds; far above what any write of the suite takes.
_PATIENCE = 60
FIRST, LAST = dt.datetime.min, dt.datetime.max


def after(seconds: float) -> dt.datetime:
    """The moment that many seconds after START."""
    return START + dt.timedelta(seconds=seconds)


def text(name: str, value: Any) -> Trait:
    """A trait of text."""
    return Trait(name, Trait.TEXT_TYPE, value)


def whole(name: str, value: Any) -> Trait:
    """An integer trait."""
    return Trait(name, Trait.INT_TYPE, value)


def real(name: str, value: Any) -> Trait:
    """A float trait."""
    return Trait(name, Trait.FLOAT_TYPE, value)


def moment(name: str, value: Any) -> Trait:
    """A trait that is a moment."""
    return Trait(name, Trait.DATETIME_TYPE, value)


def event(message_id: Any, *traits: Trait, kind: Any = "thing.made", at: Any = 0, raw: Any = None) -> Event:
    """An event; a number as `at` counts seconds from START."""
    generated = after(at) if isinstance(at, (int, float)) else at
    return Event(message_id, kind, generated, list(traits), {} if raw is None else raw)


def foreign(**fields: Any) -> Any:
    """A host's own event, of which only these attributes are there."""
    return types.SimpleNamespace(**fields)


def follow(store: Store, cursor: str | None, limit: int, least: int = 0, **given: Any) -> tuple[list[Event], str]:
    """The tail behind the cursor, and the cursor behind that.

    Where a transaction is at work that began before an event's, of anybody on that server, the event comes when it has ended: until
    there are `least`, the tail is waited for.
    """
    seen: list[Event] = []
    until = monotonic() + _PATIENCE
    while True:
        events, cursor = store.tail(EventFilter(**given), cursor, limit)
        assert len(events) <= limit
        seen += events
        if not events:
            if len(seen) >= least or monotonic() > until:
                return seen, cursor
            threading.Event().wait(0.05)


def flat(events: Iterable[Any]) -> list[Stored]:
    """Events, in order, in a form that compares by value and type."""
    return [
        Stored(e.message_id, e.event_type, e.generated, tuple((t.name, t.dtype, t.value) for t in e.traits), e.raw) for e in events
    ]


def exact(events: Iterable[Stored]) -> list[str]:
    """Events with the types of all that is in them: 1 is not 1.0, and not True."""
    return [repr(each) for each in events]


def found(store: Store, pagination: dict[str, Any] | None = None, **given: Any) -> list[Stored]:
    """Events that the store gives for the arguments of a filter."""
    return flat(store.get_events(EventFilter(**given), pagination))


def ids(store: Store, pagination: dict[str, Any] | None = None, **given: Any) -> list[str]:
    """Their message ids."""
    return [each.message_id for each in found(store, pagination, **given)]


def having(store: Store, *tests: dict[str, Any], **given: Any) -> list[str]:
    """Message ids of the events that pass tests of traits."""
    return ids(store, traits_filter=list(tests), **given)


def walk(store: Store, limit: int, sort: list[tuple[str, str]] | None = None, **given: Any) -> list[str]:
    """Message ids of all pages, one after the other."""
    seen: list[str] = []
    while True:
        page = ids(store, {"limit": limit, "sort": sort, "marker": seen[-1] if seen else None}, **given)
        if not page:
            return seen
        assert len(page) <= limit
        seen += page


def trait_types(store: Store, kind: str) -> list[tuple[str, int]]:
    """What `get_trait_types` tells, as pairs."""
    rows = list(store.get_trait_types(kind))
    assert all(row.keys() == {"name", "data_type"} for row in rows)
    return [(row["name"], row["data_type"]) for row in rows]


def traits(store: Store, kind: str, name: str | None = None) -> list[tuple[str, int, Any]]:
    """What `get_traits` tells, as tuples."""
    return [(trait.name, trait.dtype, trait.value) for trait in store.get_traits(kind, name)]


def everything(store: Store) -> list[Stored]:
    """All that is stored, in the order of time."""
    return found(store)

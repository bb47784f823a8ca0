"""A random walk through the contract: the same steps on every store and on the oracle, the same answers."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from undercroft.conformance.clock import now
from undercroft.conformance.events.data import START, everything, exact, flat, follow, trait_types, traits
from undercroft.conformance.events.oracle import Oracle, Refused, Unknown
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import Walker
from undercroft.core.errors import InvalidInput
from undercroft.events import Event, EventFilter, InvalidMarker, Store, Trait

# Far from the borders of expiry, because engines' clocks differ by a moment.
_MOMENTS = st.one_of(
    st.builds(lambda h, m: START + dt.timedelta(hours=h, microseconds=m), st.integers(-4, 4), st.integers(0, 2)),
    st.sampled_from([dt.datetime.min, dt.datetime.max, dt.datetime(1970, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)]),
)
_IDS = st.sampled_from([*(f"m{n}" for n in range(14)), "M1", "m1 ", "é", "\U0001f600", "", "$where", "m\x001"])
_KINDS = st.sampled_from(["thing.made", "Thing.made", "thing", "é", "a b", "'%_\\", ""])
_NAMES = st.sampled_from(["x", "X", "project_id", "user_id", "a.b", "$where", "é", "", "x\x00"])
_TEXTS = st.one_of(
    st.sampled_from(["", "a", "A", "a ", "b", "é", "\uffff", "\U0001f600", "p", "q", "%", "1", "x" * 300, "a\x00b"]),
    st.text(max_size=4),
).filter(lambda text: not any(0xD800 <= ord(character) < 0xE000 for character in text))
_WHOLE = st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63), 2**31, 2**53 + 1]))
_REAL = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False), st.sampled_from([math.inf, -math.inf, -0.0, 0.1]))
_TRAITS = st.one_of(
    st.builds(Trait, _NAMES, st.sampled_from([1, 1, 1, 0]), _TEXTS),
    st.builds(Trait, _NAMES, st.just(2), _WHOLE),
    st.builds(Trait, _NAMES, st.just(3), _REAL),
    st.builds(Trait, _NAMES, st.just(4), _MOMENTS),
)
_BAD = st.sampled_from([Trait("x", 2, 2**63), Trait("x", 3, math.nan), Trait("n" * 256, 1, "x"), Trait("x", 1, "\ud800")])
_RAW = st.sampled_from([{}, {}, None, [1, "a", None, 1.5], {"a.b": {"$c": [True]}}, "text", 10**20])
_EVENTS = st.builds(
    Event,
    _IDS, _KINDS, _MOMENTS, st.lists(_TRAITS, max_size=5), _RAW,
)  # fmt: skip
_OPS = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", None])
_TESTS = st.one_of(
    st.builds(lambda key, op, value: {"key": key, "op": op, "string": value}, _NAMES, _OPS, _TEXTS),
    st.builds(lambda key, op, value: {"key": key, "op": op, "integer": value}, _NAMES, _OPS, st.one_of(_WHOLE, st.just(2**70))),
    st.builds(lambda key, op, value: {"key": key, "op": op, "float": value}, _NAMES, _OPS, _REAL),
    st.builds(lambda key, op, value: {"key": key, "op": op, "datetime": value}, _NAMES, _OPS, _MOMENTS),
    st.builds(lambda key: {"key": key}, _NAMES),
)
_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "start_timestamp": _MOMENTS,
        "end_timestamp": _MOMENTS,
        "event_type": _KINDS,
        "message_id": _IDS,
        "traits_filter": st.lists(_TESTS, max_size=3),
        "admin_proj": st.sampled_from(["p", "q", "nobody", ""]),
    },
)
_SORTS = st.one_of(
    st.none(),
    st.lists(
        st.tuples(st.sampled_from(["generated", "message_id"]), st.sampled_from(["asc", "desc"])),
        max_size=2,
        unique_by=lambda s: s[0],
    ),
)


class EventsMachine(Walker):
    """One walk.

    Args:
        openers: one for each store.
    """

    oracle: Oracle
    stores: list[Store]
    refused, refusal = Refused, InvalidInput

    def __init__(self, openers: Sequence[Opener]) -> None:
        super().__init__(openers, Oracle())
        self.cursors: list[Any] = []
        for store in self.stores:
            store.clear()
            self.cursors.append(store.tail_end() if store.capabilities.tail else None)

    @initialize(batch=st.lists(_EVENTS, max_size=8))
    def begin(self, batch: list[Event]) -> None:
        """Most walks start with something stored."""
        self.record(batch)

    @rule(batch=st.lists(_EVENTS, max_size=6))
    def record(self, batch: list[Event]) -> None:
        """Record; ids that are there are passed over."""
        self._write(lambda store: store.record_events(batch) if isinstance(store, Store) else store.record(batch))

    @rule(batch=st.lists(_EVENTS, max_size=4), bad=_BAD, place=st.integers(0, 4))
    def record_a_bad_one(self, batch: list[Event], bad: Trait, place: int) -> None:
        """A bad event among good ones."""
        self.record([*batch[:place], Event("bad", "bad", START, [Trait("good", 1, "x"), bad], {}), *batch[place:]])

    @precondition(lambda self: self.can("expire"))
    @rule(hours=st.integers(-5, 5), count=st.none() | st.integers(0, 4))
    def expire(self, hours: int, count: int | None) -> None:
        """Delete what is old."""
        before = START + dt.timedelta(hours=hours, minutes=30)
        wanted = self.oracle.expire(before, count)
        with now(before + dt.timedelta(hours=1)):
            assert [store.clear_expired_data(3_600, count) for store in self.stores] == [wanted] * len(self.stores)
        self._compare()

    @rule()
    def clear(self) -> None:
        """Remove everything, now and then."""
        self.oracle.events.clear()
        for store in self.stores:
            store.clear()
        self._compare()

    @rule(given=_FILTERS, sort=_SORTS, limit=st.integers(1, 5))
    def find(self, given: dict[str, Any], sort: Any, limit: int) -> None:
        """Ask for events, whole and by pages."""
        given, sort = self._possible(given, sort)
        wanted = exact(self.oracle.page(given, {"sort": sort}))
        for store in self.stores:
            assert exact(flat(store.get_events(EventFilter(**given), {"sort": sort}))) == wanted
            if self.can("page"):
                pages: list[Any] = []
                while page := flat(store.get_events(EventFilter(**given), {"sort": sort, "limit": limit, "marker": _last(pages)})):
                    assert len(page) <= limit
                    pages += page
                    if not _last(pages):
                        break
                assert exact(pages) == wanted[: len(pages)]
                assert len(pages) == len(wanted) or not _last(pages)

    @precondition(lambda self: self.can("page"))
    @rule(given=_FILTERS, sort=_SORTS, limit=st.none() | st.integers(0, 5), marker=_IDS.filter(lambda text: "\x00" not in text))
    def page(self, given: dict[str, Any], sort: Any, limit: int | None, marker: str) -> None:
        """Ask for the page after any event."""
        given, sort = self._possible(given, sort)
        asked = {"sort": sort, "limit": limit, "marker": marker}
        try:
            wanted = exact(self.oracle.page(given, asked))
        except Unknown:
            for store in self.stores:
                with pytest.raises(InvalidMarker):
                    store.get_events(EventFilter(**given), asked)
        else:
            for store in self.stores:
                assert exact(flat(store.get_events(EventFilter(**given), asked))) == wanted

    @rule(kind=_KINDS, name=st.none() | _NAMES)
    def types(self, kind: str, name: str | None) -> None:
        """Ask for types, their traits, and the traits' values."""
        clean = name.replace("\x00", "") if name else None
        for store in self.stores:
            assert list(store.get_event_types()) == self.oracle.event_types()
            found = trait_types(store, kind)
            assert len(found) == len(set(found))
            assert set(found) == self.oracle.trait_types(kind)
            values = traits(store, kind, name)
            assert [trait[:2] for trait in values] == [trait[:2] for trait in self.oracle.traits(kind, clean or None)]
            assert sorted(map(repr, values)) == sorted(map(repr, self.oracle.traits(kind, clean or None)))

    @precondition(lambda self: self.can("tail"))
    @rule(given=_FILTERS, limit=st.integers(1, 50))
    def tail(self, given: dict[str, Any], limit: int) -> None:
        """Follow the tail from the beginning of the walk on: what is left of it, each once."""
        given, _ = self._possible(given, None)
        wanted = sorted(exact(self.oracle.select(given)))
        for store, start in zip(self.stores, self.cursors, strict=True):
            seen, _ = follow(store, start, limit, len(wanted), **given)
            assert sorted(exact(flat(seen))) == wanted

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _possible(self, given: dict[str, Any], sort: Any) -> tuple[dict[str, Any], Any]:
        """A question without what a store declares it cannot do."""
        if not self.can("filter_traits"):
            given = {name: value for name, value in given.items() if name not in {"traits_filter", "admin_proj"}}
        return given, sort if self.can("page") else None

    def _compare(self) -> None:
        wanted = exact(self.oracle.select({}))
        for store in self.stores:
            assert exact(everything(store)) == wanted
            assert list(store.get_event_types()) == self.oracle.event_types()


def _last(pages: list[Any]) -> str | None:
    return pages[-1].message_id if pages else None

"""A random walk through the contract: the same steps on every store and on the oracle, the same answers."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from undercroft.conformance.clock import now
from undercroft.conformance.metering.data import (
    START,
    everything,
    exact,
    expire,
    flat,
    hour,
    record,
    same_meters,
    same_resources,
    same_samples,
    same_statistics,
    sample,
    uuid1,
)
from undercroft.conformance.metering.oracle import GROUPS, Oracle, Refused
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import Walker
from undercroft.core.errors import InvalidInput
from undercroft.metering import SampleFilter, Store

_MICRO = dt.timedelta(microseconds=1)
# On hours, beside them, between them; over three days, and of long ago.
_MOMENTS = st.one_of(
    st.builds(
        lambda h, part: hour(h) + part,
        st.integers(-20, 50),
        st.sampled_from([0 * _MICRO, _MICRO, -_MICRO, dt.timedelta(minutes=20)]),
    ),
    st.builds(hour, st.integers(-20, 50)),
    st.sampled_from(
        [dt.datetime(1970, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(2023, 7, 1), dt.datetime.min]
    ),
)
_IDS = st.one_of(
    st.sampled_from([*(f"m{n}" for n in range(20)), "M1", "m1 ", "é", "\U0001f600", "m\x001"]),
    st.builds(lambda h, node: uuid1(hour(h), node), st.integers(0, 3), st.integers(0, 5)),
)
_NAMES = st.sampled_from(["a", "a", "b", "A", "é", "%"])
_OWNERS = st.sampled_from([None, "p", "q", "None", ""])
_VOLUMES = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), 2**70, 10**100 - 1, 2**53 + 1]),
    st.sampled_from([0.1, -0.0, 1e16, -1e16, 1e15 + 0.5, 5e-324, 1.7e308, -1.7e308]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
_METADATA = st.sampled_from(
    [{}, {}, {"k": 1}, {"k": "1"}, {"k": True}, {"k": {"l": None}, "instance_type": "m"}, {"instance_type": 7, "k": 1.0}]
)
_SAMPLES = st.builds(
    lambda message_id, volume, at, meter, resource, unit, user, project, source, metadata, kind: sample(
        message_id, volume, at=at, meter=meter, resource=resource, counter_unit=unit, user_id=user, project_id=project,
        source=source,
        resource_metadata=metadata, counter_type=kind,
    ),
    _IDS, _VOLUMES, _MOMENTS, _NAMES, _NAMES, st.sampled_from(["%", "%", "B"]), _OWNERS, _OWNERS, st.sampled_from([None, "s", "S"]),
    _METADATA, st.sampled_from(["gauge", "gauge", "delta"]),
)  # fmt: skip
_BAD = st.sampled_from([{"counter_volume": math.nan}, {"counter_volume": 10**100}, {"resource_id": ""}, {"source": "x" * 256}])
_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "meter": _NAMES,
        "resource": _NAMES,
        "user": _OWNERS,
        "project": _OWNERS,
        "source": st.sampled_from(["s", "S", "x"]),
        "start_timestamp": _MOMENTS,
        "start_timestamp_op": st.sampled_from(["gt", "ge"]),
        "end_timestamp": _MOMENTS,
        "end_timestamp_op": st.sampled_from(["le", "lt"]),
        "message_id": _IDS.filter(lambda text: "\x00" not in text),
        "metaquery": st.sampled_from(
            [{"metadata.k": 1}, {"metadata.k": "1"}, {"metadata.k": True}, {"metadata.instance_type": "m"}]
        ),
    },
)
_LISTED = ("user", "project", "resource", "source", "metaquery")
_BOUNDS = ("start_timestamp", "start_timestamp_op", "end_timestamp", "end_timestamp_op")
_NAMED = [(name, None) for name in ("min", "max", "sum", "avg", "count", "stddev")] + [
    ("cardinality", "resource_id"),
    ("cardinality", "user_id"),
]
_TESTS = st.one_of(
    st.builds(lambda op, field, value: {op: {field: value}}, st.sampled_from(["=", "!=", "<", ">="]),
              st.sampled_from(["meter", "resource_id", "user"]), st.sampled_from(["a", "b", "p", "é"])),
    st.builds(lambda op, value: {op: {"timestamp": value.isoformat()}}, st.sampled_from(["=", "<", "<=", ">", ">="]), _MOMENTS),
    st.builds(lambda op, value: {op: {"volume": value}}, st.sampled_from(["=", "<", ">="]), _VOLUMES),
    st.builds(lambda op, value: {op: {"metadata.k": value}}, st.sampled_from(["=", "!="]), st.sampled_from([1, 1.0, "1", True])),
    st.builds(lambda values: {"in": {"project_id": values}}, st.lists(st.sampled_from(["p", "q", ""]), max_size=3)),
)  # fmt: skip
_EXPRESSIONS = st.recursive(
    _TESTS,
    lambda inner: st.one_of(
        st.builds(lambda op, parts: {op: parts}, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=4,
)


class MeteringMachine(Walker):
    """One walk.

    Args:
        openers: one for each store.
    """

    oracle: Oracle
    stores: list[Store]
    refused, refusal = Refused, InvalidInput

    def __init__(self, openers: Sequence[Opener]) -> None:
        super().__init__(openers, Oracle())
        # Other objects of the same stores, with memories of their own.
        self.others = self._open(init=False) if self.reopens else self.stores
        for store in self.stores:
            store.clear()

    @initialize(batch=st.lists(_SAMPLES, max_size=12))
    def begin(self, batch: list[dict[str, Any]]) -> None:
        """Most walks start with something stored."""
        self.record(batch, 0)

    @rule(batch=st.lists(_SAMPLES, max_size=8), moment=st.integers(-40, 60))
    def record(self, batch: list[dict[str, Any]], moment: int) -> None:
        """Record, in any hour of the clock; ids that are there are passed over."""

        def write(store: Any) -> None:
            with now(hour(moment)):
                record(store, batch)

        self._write(write)

    @rule(batch=st.lists(_SAMPLES, max_size=4), bad=_BAD, place=st.integers(0, 4))
    def record_a_bad_one(self, batch: list[dict[str, Any]], bad: dict[str, Any], place: int) -> None:
        """A bad sample among good ones."""
        self.record([*batch[:place], sample("bad") | bad, *batch[place:]], 0)

    @rule(moment=st.sampled_from([-21, 0, 10, 60, 60]), part=st.sampled_from([0, 0.3]))
    def maintain(self, moment: int, part: float) -> None:
        """Have the stores add up what is over in some hour of the clock."""
        with now(hour(moment + part)):
            for store in self.stores:
                store.maintain()

    @rule(hours=st.sampled_from([-20, -5, 0, 3, 9, 30]), part=st.sampled_from([0, 0.3]))
    def expire(self, hours: int, part: float) -> None:
        """Delete what is old."""
        self._expire(hour(hours + part), None)

    @precondition(lambda self: len(self.stores) == 1)
    @rule(hours=st.integers(-20, 50), count=st.integers(0, 5))
    def expire_some(self, hours: int, count: int) -> None:
        """Delete some of what is old. Of samples of one moment, each store may take others."""
        self._expire(hour(hours), count)

    def _expire(self, before: dt.datetime, count: int | None) -> None:
        for store in self.stores[1:]:
            with now(before + dt.timedelta(hours=1)):
                store.clear_expired_metering_data(3_600, count)
        expire(self.stores[0], self.oracle, before, count)
        self._compare()

    @rule()
    def clear(self) -> None:
        """Remove everything, now and then."""
        self.oracle.samples.clear()
        for store in self.stores:
            store.clear()
        self._compare()

    def teardown(self) -> None:
        """Close the other objects, too."""
        super().teardown()
        if self.reopens:
            self.stores = self.others
            self._close()

    @rule()
    def change_over(self) -> None:
        """Go on with the other objects."""
        self.stores, self.others = self.others, self.stores

    @rule(given=_FILTERS, limit=st.none() | st.integers(0, 6))
    def samples(self, given: dict[str, Any], limit: int | None) -> None:
        """Ask for samples, and how many there are."""
        for store in self.stores:
            same_samples(store, self.oracle, limit, **given)
            assert store.count_samples(SampleFilter(**given)) == len(self.oracle.select(**given))

    @rule(expression=_EXPRESSIONS, ascends=st.booleans())
    def query(self, expression: dict[str, Any], ascends: bool) -> None:
        """Ask for the samples of which an expression holds."""
        order = [{"timestamp": "asc" if ascends else "desc"}, {"message_id": "asc"}]
        wanted = exact(self.oracle.query(expression, order))
        for store in self.stores:
            assert exact(flat(store.query_samples(expression, order))) == wanted

    @rule(given=_FILTERS, limit=st.none() | st.integers(1, 3))
    def lists(self, given: dict[str, Any], limit: int | None) -> None:
        """Ask for meters and resources."""
        for store in self.stores:
            same_meters(store, self.oracle, limit, **{name: given[name] for name in _LISTED if name in given})
            same_resources(store, self.oracle, limit, **{name: given[name] for name in (*_LISTED, *_BOUNDS) if name in given})

    @rule(
        given=_FILTERS,
        period=st.sampled_from([None, None, 3_600, 7_200, 86_400, 1_000_000]),
        groupby=st.none() | st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3, unique=True),
        aggregate=st.none() | st.lists(st.sampled_from(_NAMED), min_size=1, max_size=4, unique=True),
    )
    def statistics(self, given: dict[str, Any], period: int | None, groupby: Any, aggregate: Any) -> None:
        """Ask for statistics of any samples."""
        for store in self.stores:
            same_statistics(store, self.oracle, given, period, groupby, aggregate)

    @rule(
        meter=_NAMES,
        first=st.integers(-21, 30),
        count=st.integers(0, 40),
        groupby=st.sampled_from([None, ["resource_id"], ["project_id"]]),
    )
    def statistics_of_whole_hours(self, meter: str, first: int, count: int, groupby: Any) -> None:
        """Ask for statistics of a meter, over hours, days, or all of it."""
        given: dict[str, Any] = {"meter": meter}
        if count:
            given |= {"start_timestamp": hour(first), "end_timestamp": hour(first + count)}
        for store in self.stores:
            same_statistics(store, self.oracle, given, None, groupby, _NAMED)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        wanted = exact(sorted(self.oracle.samples.values(), key=lambda each: each.message_id))
        for store in self.stores:
            assert exact(everything(store)) == wanted
            same_statistics(store, self.oracle, {"start_timestamp": START - dt.timedelta(days=3)}, None, None, _NAMED)

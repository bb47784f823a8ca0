"""Samples for the suite, and how answers are compared."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from undercroft.conformance.clock import now
from undercroft.conformance.metering.oracle import Oracle, Row, Stored, canonical, is_close, utc
from undercroft.metering import Aggregate, SampleFilter, Store

# Ask everything of everything, for hours where it is asked for seldom.
WHOLE = bool(os.environ.get("UCTEST_WHOLE"))
OpenStore = Callable[..., Store]
HOUR = dt.timedelta(hours=1)
# A whole hour, and no whole day.
START = dt.datetime(2024, 3, 1, 12)
FIRST, LAST = dt.datetime.min, dt.datetime.max
# Long before and long after most samples.
EARLIER, LATER = dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)
# How far sums and means, and deviations, may be from the exact ones.
SUM, DEVIATION = 1e-12, 1e-9
_GREGORIAN = dt.datetime(1582, 10, 15)


def after(seconds: float) -> dt.datetime:
    """The moment that many seconds after START."""
    return START + dt.timedelta(seconds=seconds)


def hour(number: float) -> dt.datetime:
    """The moment that many hours after START."""
    return START + number * HOUR


def uuid1(at: dt.datetime, node: int = 0) -> str:
    """The id that Ceilometer makes at a moment; others of that moment have another node."""
    ticks = (at - _GREGORIAN) // dt.timedelta(microseconds=1) * 10
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48
    return str(uuid.UUID(fields=(low, middle, high | 0x1000, 0x80, 0, node)))


def sample(
    message_id: str, volume: Any = 1, *, at: Any = 0, meter: str = "cpu_util", resource: str = "r", **other: Any
) -> dict[str, Any]:
    """A sample in the form of `record_metering_data`; a number as `at` counts seconds from START."""
    return {
        "counter_name": meter,
        "counter_type": "gauge",
        "counter_unit": "%",
        "counter_volume": volume,
        "user_id": "u",
        "project_id": "p",
        "resource_id": resource,
        "timestamp": after(at) if isinstance(at, (int, float)) else at,
        "resource_metadata": {},
        "source": "openstack",
        "message_id": message_id,
        "message_signature": None,
    } | other


def record(store: Any, samples: Iterable[dict[str, Any]]) -> None:
    """Record in a store, or in the oracle."""
    if isinstance(store, Oracle):
        store.record(samples)
    else:
        store.record_metering_data_batch(list(samples))


def pending(store: Any, samples: Sequence[dict[str, Any]]) -> None:
    """Record long before the moments of the samples: none of their hours is over yet, and so none may be added up."""
    with now(max(min(utc(each["timestamp"]) for each in samples), EARLIER) - HOUR):
        record(store, samples)


def maintained(store: Store, until: dt.datetime | None = None) -> None:
    """Have the store add up all hours that are over then; without a moment, all of them."""
    with now(until or LATER):
        store.maintain()


def expire(store: Store, oracle: Oracle, before: dt.datetime, count: int | None = None) -> int:
    """Expire what was measured before that moment from both; of samples of one moment, any may go first."""
    with now(before + HOUR):
        told = store.clear_expired_metering_data(3_600, count)
    old = sorted(each.timestamp for each in oracle.samples.values() if each.timestamp < before)[:count]
    there = {each.message_id for each in store.get_samples(SampleFilter())}
    gone = [each for each in oracle.samples.values() if each.message_id not in there]
    assert sorted(each.timestamp for each in gone) == old
    assert told == len(old)
    for each in gone:
        del oracle.samples[each.message_id]
    return told


def flat(samples: Iterable[Any]) -> list[Stored]:
    """Samples, in order, in a form that compares by value."""
    return [
        Stored(
            each.message_id, each.counter_name, each.counter_type, each.counter_unit, each.counter_volume, each.user_id,
            each.project_id, each.resource_id, each.source, each.timestamp, canonical(each.resource_metadata),
            each.message_signature,
        )
        for each in samples
    ]  # fmt: skip


def exact(samples: Iterable[Stored]) -> list[str]:
    """Samples with the types of all that is in them: 1 is not 1.0."""
    return [repr(each) for each in samples]


def found(store: Store, limit: int | None = None, **given: Any) -> list[Stored]:
    """Samples that the store gives for the arguments of a filter."""
    return flat(store.get_samples(SampleFilter(**given), limit))


def ids(store: Store, limit: int | None = None, **given: Any) -> list[str]:
    """Their message ids."""
    return [each.message_id for each in found(store, limit, **given)]


def only(field: str, value: Any) -> dict[str, Any]:
    """The arguments of a filter with one part."""
    return {field: value}


def everything(store: Store) -> list[Stored]:
    """All that is stored, in the order of message ids."""
    return sorted(found(store), key=lambda each: each.message_id)


def asked(store: Store, expression: Any = None, orderby: Any = None, limit: int | None = None) -> list[str]:
    """Message ids of the samples for which an expression holds."""
    return [each.message_id for each in store.query_samples(expression, orderby, limit)]


def meters(store: Store, **given: Any) -> list[tuple[Any, ...]]:
    """Meters as tuples, in the order of the store."""
    return [
        (each.name, each.type, each.unit, each.resource_id, each.project_id, each.source, each.user_id)
        for each in store.get_meters(**given)
    ]


def resources(store: Store, **given: Any) -> list[tuple[Any, ...]]:
    """Resources as tuples, in the order of the store; metadata as text."""
    return [
        (
            each.resource_id, each.project_id, each.first_sample_timestamp, each.last_sample_timestamp, each.source, each.user_id,
            canonical(each.metadata),
        )
        for each in store.get_resources(**given)
    ]  # fmt: skip


def statistics(
    store: Store, given: dict[str, Any], period: Any = None, groupby: Any = None, aggregate: Sequence[tuple[str, Any]] | None = None
) -> list[Any]:
    """What the store tells of the samples that a filter selects."""
    chosen = None if aggregate is None else [Aggregate(*each) for each in aggregate]
    return list(store.get_meter_statistics(SampleFilter(**given), period, groupby, chosen))


# -- comparing with the oracle -----------------------------------------------------------------------------------------


def same_samples(store: Store, oracle: Oracle, limit: int | None = None, **given: Any) -> None:
    """The store selects what the oracle does; of samples of one moment, any may come first."""
    told, wanted = found(store, limit, **given), oracle.select(**given)
    assert [each.timestamp for each in told] == [each.timestamp for each in wanted][:limit]
    there, left = Counter(exact(told)), Counter(exact(wanted))
    assert there <= left
    assert limit is not None or there == left


def same_meters(store: Store, oracle: Oracle, limit: int | None = None, **given: Any) -> None:
    """The meters of the samples that a filter selects, in order, each with what its latest sample says."""
    latest = oracle.meters(**given)
    told = meters(store, limit=limit, **given)
    assert [(each[3], each[0]) for each in told] == sorted((resource, name) for name, resource in latest)[:limit]
    for name, kind, unit, resource, project, source, user in told:
        says = {(s.counter_type, s.counter_unit, s.project_id, s.source, s.user_id) for s in latest[name, resource]}
        assert (kind, unit, project, source, user) in says, (name, resource)
    names = oracle.meter_names(**given)
    told = meters(store, limit=limit, unique=True, **given)
    assert [each[0] for each in told] == sorted(names)[:limit]
    for name, kind, unit, *others in told:
        assert (kind, unit) in {(s.counter_type, s.counter_unit) for s in names[name]}, name
        assert others == [None] * 4


def same_resources(store: Store, oracle: Oracle, limit: int | None = None, **given: Any) -> None:
    """The resources of the samples that a filter selects, in order, each with what the latest of those says."""
    latest = oracle.resources(**given)
    told = resources(store, limit=limit, **given)
    assert [each[0] for each in told] == sorted(latest)[:limit]
    for name, project, first, last, source, user, metadata in told:
        assert (first, last) == oracle.span(**given | {"resource": name}), name
        says = {(s.project_id, s.source, s.user_id, s.resource_metadata) for s in latest[name]}
        assert (project, source, user, metadata) in says, name


def same_statistics(
    store: Store, oracle: Oracle, given: dict[str, Any], period: Any = None, groupby: Any = None, aggregate: Any = None
) -> None:
    """The statistics that the oracle tells, in any order of groups, as exact as the contract wants them."""
    told = statistics(store, given, period, groupby, aggregate)
    assert not period or [each.period_start for each in told] == sorted(each.period_start for each in told)
    told.sort(key=_place)
    wanted = sorted(oracle.statistics(given, period, groupby, aggregate), key=_place)
    assert [_place(each) for each in told] == [_place(each) for each in wanted]
    for one, row in zip(told, wanted, strict=True):
        same_row(one, row, aggregate is not None)


def _place(row: Any) -> tuple[Any, ...]:
    groups = [(value is not None, value or "") for _, value in sorted((row.groupby or {}).items())]
    return (row.period_start, row.unit, groups)


def same_row(told: Any, wanted: Row, is_chosen: bool) -> None:
    """One row of statistics is as the oracle has it."""
    shared = ("unit", "period", "period_start", "period_end", "duration", "duration_start", "duration_end", "groupby")
    assert [getattr(told, name) for name in shared] == [getattr(wanted, name) for name in shared]
    absent = {"min", "max", "avg", "sum", "count", "stddev"} - wanted.values.keys()
    assert [name for name in absent if hasattr(told, name)] == []
    for name, value in wanted.values.items():
        if "/" not in name:
            same_value(getattr(told, name), name, value)
        if is_chosen:
            # As floats, whatever they were.
            assert is_close(told.aggregate[name], value, DEVIATION), (name, told.aggregate[name], value)
    if is_chosen:
        assert told.aggregate.keys() == wanted.values.keys()


def same_value(told: Any, name: str, wanted: Any) -> None:
    """A measure is as exact as the contract wants it: what is counted, compared or an integer exactly, the others to their part."""
    if isinstance(wanted, Fraction):
        assert is_close(told, wanted, DEVIATION if name == "stddev" else SUM), (name, told, wanted)
    else:
        assert told == wanted, (name, told, wanted)

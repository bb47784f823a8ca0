"""How statistics are told: the host's models, of the sums that a driver found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator

from undercroft.metering import query
from undercroft.metering.models import Aggregate, Statistics
from undercroft.metering.sums import Number, Sums


def told(groups: Iterable[query.Group], question: query.Question) -> Iterator[Statistics]:
    """The models of groups, in their order, one at a time."""
    return (_statistics(group, question) for group in groups)


def _statistics(group: query.Group, question: query.Question) -> Statistics:
    sums = group.sums
    first, last = query.moment(sums.first), query.moment(sums.last)
    period, start, end = 0.0, first, last
    if question.period is not None and group.start is not None:
        period = question.period / 1_000_000
        began = group.start + group.window * question.period
        start, end = _moment(began), _moment(began + question.period)
    named = {_key(each): _measured(each, group, question) for each in question.aggregates}
    data: dict[str, object] = dict(named) if named else {each: _MEASURES[each](sums) for each in query.STANDARD}
    if named:
        data["aggregate"] = {key: _float(value) for key, value in named.items()}
    fields = dict(zip(question.groupby, group.values, strict=True)) if question.groupby else None
    length = int(period) if period == int(period) else period
    return Statistics(group.unit, length, start, end, (last - first).total_seconds(), first, last, fields, **data)


def _key(aggregate: Aggregate) -> str:
    return f"{aggregate.func}/{aggregate.param}" if aggregate.param else aggregate.func


def _measured(aggregate: Aggregate, group: query.Group, question: query.Question) -> Number:
    if aggregate.func == query.CARDINALITY and aggregate.param:
        return len(group.different[question.cardinalities.index(aggregate.param)] - {None})
    return _MEASURES[aggregate.func](group.sums)


_MEASURES: dict[str, Callable[[Sums], Number]] = {
    "max": lambda sums: sums.high,
    "min": lambda sums: sums.low,
    "sum": lambda sums: sums.total,
    "avg": lambda sums: sums.mean,
    "count": lambda sums: sums.count,
    "stddev": lambda sums: sums.deviation,
}


def _float(value: Number) -> Number:
    try:
        return float(value)
    except OverflowError:
        return value


def _moment(micros: int) -> dt.datetime:
    """The moment, or the nearest that there is: periods may begin before the year 1, or end after 9999."""
    try:
        return query.moment(micros)
    except OverflowError:
        return dt.datetime.min if micros < 0 else dt.datetime.max  # noqa: DTZ901 - naive, as models are

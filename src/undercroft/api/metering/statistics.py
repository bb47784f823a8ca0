"""Statistics of samples, as Ceilometer's clients ask for them."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.query import Bounds
from undercroft.api.metering.schemas import StatisticsOut, StatisticsQuery
from undercroft.api.questions import Refused
from undercroft.core.names import unknown
from undercroft.metering import Aggregate, Statistics
from undercroft.metering.query import FUNCTIONS, GROUPS, INSTANCE_TYPE, STANDARD
from undercroft.metering.wire import text

_HOUR = 3600


def is_long(asked: StatisticsQuery) -> bool:
    """What cannot be told from sums of whole hours goes through samples, and is worked on among the long requests."""
    period = (asked.period or "").strip()
    off_hours = period.isdecimal() and len(period) < 12 and int(period) % _HOUR != 0
    return off_hours or INSTANCE_TYPE in asked.groupby or query.reads_samples(asked)


def statistics_of_meter(call: MeteringCall) -> Answer:
    """Give statistics of the samples of a meter, in groups and by periods."""
    asked: StatisticsQuery = call.query
    which = query.asked(asked, call.caller, fixed={"meter": call.path["meter_name"]})
    found = call.store.get_meter_statistics(
        which.sample_filter, period=_period(asked.period), groupby=_groupby(asked.groupby), aggregate=_aggregates(asked)
    )
    return Answer(200, [_out(each, which.bounds) for each in found])


def _period(given: str | None) -> int | None:
    if given is None:
        return None
    seconds = query.whole(given, "period")
    if seconds < 0:
        raise Refused("Period must be positive.")
    return seconds


def _groupby(given: list[str]) -> list[str] | None:
    for each in given:
        if each not in GROUPS:
            raise Refused(f'Unknown argument: "{each[:64]}": Invalid groupby fields, valid are: {", ".join(GROUPS)}')
    return list(dict.fromkeys(given)) or None


def _aggregates(asked: StatisticsQuery) -> list[Aggregate] | None:
    if len(asked.param) > len(asked.func):
        raise Refused("there are more parameters of aggregates than functions")
    params = [*asked.param, *[""] * (len(asked.func) - len(asked.param))]
    for func in asked.func:
        if func not in FUNCTIONS:
            raise query.refused("aggregate.func", func, unknown("function", func, FUNCTIONS))
    return [Aggregate(func, param or None) for func, param in zip(asked.func, params, strict=True)] or None


def _out(found: Statistics, bounds: Bounds) -> StatisticsOut:
    """As clients get it; the duration is that within the bounds, of which `search_offset` made the samples leave."""
    values: dict[str, Any] = found.as_dict()
    start, end = values["duration_start"], values["duration_end"]
    if start is not None and bounds.start is not None:
        start = max(start, bounds.start)
    if end is not None and bounds.end is not None:
        end = min(end, bounds.end)
    if start is None or end is None or start > end:
        start = end = duration = None
    else:
        duration = (end - start).total_seconds()
    return StatisticsOut(
        values["unit"], values["groupby"], duration, text(start), text(end), values["period"], str(text(values["period_start"])),
        str(text(values["period_end"])), **{name: values.get(name, UNSET) for name in (*STANDARD, "aggregate")},
    )  # fmt: skip

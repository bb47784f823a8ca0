"""Statistics of samples, as Ceilometer's clients ask for them."""

from __future__ import annotations

import itertools
import re
from typing import Any

from msgspec import UNSET

from undercroft.api.call import Answer
from undercroft.api.metering import query
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.query import Bounds
from undercroft.api.metering.schemas import StatisticsOut, StatisticsQuery
from undercroft.api.metering.v2 import parts
from undercroft.api.questions import Refused
from undercroft.core.names import unknown
from undercroft.metering import Aggregate, Statistics
from undercroft.metering.query import FUNCTIONS, GROUPS, INSTANCE_TYPE, STANDARD
from undercroft.metering.wire import text

_HOUR, _DIGITS = 3600, 11
# Rows that are in memory; of long requests more are sent while they are read.
_MOST = 50_000
_LOWER = (("timestamp", "ge"), ("timestamp", "gt"))
_WHOLE_HOUR = re.compile(r"[0-9-]{8,10}([T ][0-9]{2}(:?00){0,2}(\.0+)?(Z|[+-][0-9]{2}(:?00)?)?)?", re.ASCII)


def is_long(asked: StatisticsQuery) -> bool:
    """What cannot be told from sums of whole hours goes through samples, and groups by periods are many: long requests.

    Those of one resource are few.
    """
    is_by_both = bool(asked.groupby) and _has_period(asked)
    return not query.is_of_one(asked) and (
        is_by_both or INSTANCE_TYPE in asked.groupby or query.reads_samples(asked) or _is_off_hours(asked)
    )


def _has_period(asked: StatisticsQuery) -> bool:
    period = (asked.period or "0").strip()
    return period.isdecimal() and len(period) <= _DIGITS and int(period) > 0


def _is_off_hours(asked: StatisticsQuery) -> bool:
    """Whether periods are asked for that are not whole hours, or begin within one."""
    if not _has_period(asked):
        return False
    begins = [value for name, op, value in zip(asked.q_field, asked.q_op, asked.q_value, strict=False) if (name, op) in _LOWER]
    return int(asked.period or 0) % _HOUR != 0 or not begins or _WHOLE_HOUR.fullmatch(begins[-1]) is None


def statistics_of_meter(call: MeteringCall) -> Answer:
    """Give statistics of the samples of a meter, in groups and by periods."""
    asked: StatisticsQuery = call.query
    which = query.asked(asked, call.caller, fixed={"meter": call.path["meter_name"]})
    found = call.store.get_meter_statistics(
        which.sample_filter, period=_period(asked.period), groupby=_groupby(asked.groupby), aggregate=_aggregates(asked)
    )
    rows = (_out(each, which.bounds) for each in found)
    head = list(itertools.islice(rows, _MOST + 1))
    if len(head) <= _MOST:
        return Answer(200, head)
    if is_long(asked):
        return Answer(200, stream=parts(itertools.chain(head, rows)))
    raise Refused(f"The answer has more than {_MOST:,} rows: ask for longer periods, for less time, or for one project")


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
    # Not `as_dict`, which looks at each value: there may be many of these.
    values: dict[str, Any] = vars(found)
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

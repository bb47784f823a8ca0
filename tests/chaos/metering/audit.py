"""Is every sample that was acknowledged there, once, and do statistics and lists follow from what is there?"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.metering.operations import Ledger
from undercroft.conformance.metering.data import (
    HOUR,
    START,
    exact,
    flat,
    same_meters,
    same_resources,
    same_samples,
    same_statistics,
)
from undercroft.metering import SampleFilter, Store

Question = tuple[str, Callable[[Store, Ledger], None]]
CPU = {"meter": "cpu"}
_DAY = dt.datetime(2024, 3, 2)
_NAMED = [(name, None) for name in ("min", "max", "sum", "avg", "count", "stddev")]


def _statistics(given: dict[str, Any], **asked: Any) -> Question:
    return f"statistics of {given} {asked}", lambda store, ledger: same_statistics(store, ledger, given, **asked)


def _samples(limit: int | None = None, **given: Any) -> Question:
    return f"samples of {given}", lambda store, ledger: same_samples(store, ledger, limit, **given)


# They are answered from samples, from what is kept of hours and days, and from what is kept of series.
QUESTIONS: list[Question] = [
    _statistics({}, groupby=["resource_id"], aggregate=_NAMED),
    _statistics(CPU, aggregate=[*_NAMED, ("cardinality", "resource_id")]),
    _statistics(CPU, groupby=["project_id"]),
    _statistics({"meter": "cpu_util"}, aggregate=_NAMED),
    _statistics(CPU, period=86_400, groupby=["user_id"]),
    _statistics({"meter": "cpu_util", "start_timestamp": START}, period=3_600),
    _statistics({"start_timestamp": _DAY, "end_timestamp": _DAY + 24 * HOUR}, groupby=["resource_id"]),
    _statistics(CPU | {"start_timestamp": START + 20.4 * HOUR}),
    _statistics({"resource": "r3", "end_timestamp": START + 40 * HOUR}),
    _statistics(CPU, groupby=["resource_metadata.instance_type"]),
    _samples(20),
    _samples(5, meter="cpu", resource="r2"),
    _samples(project="None", start_timestamp=START + 30 * HOUR),
    ("meters", same_meters),
    ("resources", same_resources),
    ("resources of a project", lambda store, ledger: same_resources(store, ledger, project="a", start_timestamp=START)),
]


def audit(store: Store, ledger: Ledger, questions: Sequence[Question] = QUESTIONS) -> Faults:
    """Compare a store with what was acknowledged: every sample, their number, and the answers to these questions."""
    wanted, found = ledger.select(), flat(store.get_samples(SampleFilter()))
    left, right = Counter(exact(found)), Counter(exact(wanted))
    wrong = [] if store.count_samples() == len(found) else ["the number of samples"]
    for name, agree in questions:
        try:
            agree(store, ledger)
        except AssertionError:
            wrong.append(name)
    return Faults((right - left).total(), (left - right).total(), wrong)

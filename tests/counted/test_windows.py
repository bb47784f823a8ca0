"""What a meter's samples of 1,000 resources come to in a stretch of time: one statement, a row a resource or a sample."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.counted.tally import tally
from undercroft.conformance.metering.data import START, after, sample
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.kind("metering"), pytest.mark.timeout(1800)]
RESOURCES = [f"r{place}" for place in range(1_000)]
# Of each resource, one a minute; the window has the last ones.
SAMPLES, WITHIN = 12, 5


def filled(opener: Opener) -> None:
    """Store samples, also of another meter."""
    store: Any = opener()
    store.record_metering_data_batch([
        sample(f"{meter}-{name}-{minute}", place, at=60 * minute, meter=meter, resource=name)
        for meter in ("cpu", "memory") for minute in range(SAMPLES) for place, name in enumerate(RESOURCES)
    ])  # fmt: skip
    opener.close(store)


def test_a_window_is_one_statement(opener: Opener) -> None:
    filled(opener)
    end = after(60 * (SAMPLES - 1))
    begin = end - dt.timedelta(minutes=WITHIN)
    for resources in (None, RESOURCES[:500], RESOURCES[:1]):
        many = len(resources or RESOURCES)
        for method, rows in (("get_windows", many), ("get_volumes", many * WITHIN)):
            with tally() as counted:
                # One that has asked nothing before: what it knows of names can be none of it.
                store: Any = opener(init=False)
                answer = getattr(store, method)("cpu", begin, end, resources)
                opener.close(store)
            assert answer.keys() == set(resources or RESOURCES)
            asked = [statement for statement in counted.queries if "sample" in statement]
            assert (len(asked), counted.rows) == (1, rows), str(counted)
            assert asked == counted.queries, str(counted)
    assert begin > START

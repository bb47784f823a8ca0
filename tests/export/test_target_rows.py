"""The quick way through a batch gives the rows that the slow one gives."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.export.places import sample
from undercroft.export import COLUMNS, EXTRA_COLUMNS
from undercroft.export.rows import Rows

NAMES = (*COLUMNS, *EXTRA_COLUMNS)
WIDTHS = {"message_id": 9, "counter_name": 3, "counter_unit": 2, "resource_id": 4}


@pytest.fixture
def rows() -> Rows:
    return Rows(NAMES, WIDTHS, strict=False)


def ways(rows: Rows, *given: Any) -> None:
    """Both ways agree, and the quick one was possible."""
    columns = list(zip(*given, strict=True))
    for name, values in zip(NAMES, columns, strict=True):
        rows._column(name, values)
    assert rows.of(given) == rows._one_by_one(given)


def test_both_ways_agree(rows):
    ways(rows, sample(3), sample(1, counter_volume=7, timestamp=dt.datetime(1, 1, 1)), sample(2, project_id=None, source="ü"))
    ways(rows, sample(0, counter_volume=None, recorded_at=None, user_id=None), sample(1, source="", resource_id=None))


def test_rows_are_in_the_order_of_their_ids(rows):
    """Writers of the same rows wait for each other in one order, instead of for ever."""
    found = rows.of([sample(number) for number in (5, 3, 9, 1)]).rows
    assert [row[NAMES.index("message_id")] for row in found] == ["id-000001", "id-000003", "id-000005", "id-000009"]


def test_of_several_with_one_id_the_first_counts(rows):
    given = [sample(1, counter_volume=1.0), sample(0), sample(1, counter_volume=2.0), sample(1, counter_volume=3.0)]
    for prepared in (rows.of(given), rows._one_by_one(given)):
        assert [row[NAMES.index("counter_volume")] for row in prepared.rows] == [0.0, 1.0]


def test_one_bad_sample_sends_the_batch_the_slow_way(rows):
    prepared = rows.of([sample(0), sample(1, source="\0"), sample(2, counter_unit="long"), sample(2, counter_unit="long")])
    assert [row[NAMES.index("counter_unit")] for row in prepared.rows] == ["ns", "lo"]
    assert (len(prepared.refused), prepared.cut) == (1, {"id-000002": 1})


def test_no_samples_are_no_rows(rows):
    assert rows.of([]) == ([], [], {})


@pytest.mark.parametrize(
    "over", [{"message_id": 7}, {"counter_name": 7}, {"counter_volume": "x"}, {"timestamp": "2026-03-01"}, {"recorded_at": 7}]
)
def test_a_value_of_another_type_is_refused(rows, over):
    prepared = rows.of([sample(0), sample(1, **over)])
    assert (len(prepared.rows), len(prepared.refused)) == (1, 1)

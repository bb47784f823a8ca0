"""A page of points fetches its points, and counts that say where it lies: never the points before or after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.counted.conftest import Filled
from tests.counted.usage import DAYS, HOUR, RESOURCES, START, TYPES, resource
from undercroft.conformance.rating.data import flat

pytestmark = pytest.mark.timeout(1800)
EVER: dict[str, Any] = {"begin": START, "end": START + DAYS * 24 * HOUR}
EDGES: dict[str, Any] = {"begin": START + 10.5 * HOUR, "end": START + (DAYS * 24 - 30.25) * HOUR}
# The zone of a store that nobody has asked yet, and what the dictionary knows of the filters.
ASIDE = 10
STATEMENTS = 5
FILTERS: list[dict[str, Any]] = [
    {},
    {"metric_types": "cpu"},
    {"filters": {"project_id": "p3"}},
    {"filters": {"name": "vm-7"}},
    {"filters": {"month": "3", "project_id": ["p3", "p4"]}},
    {"resource": resource(17)},
]


def pages(count: int) -> list[tuple[int, int]]:
    """Offsets and limits: the first page, one in the middle, the last, one beyond, an empty one."""
    return [(0, 1), (0, 100), (count // 2, 100), (max(0, count - 50), 100), (count // 3, 1000), (count + 7, 100), (3, 0)]


def test_a_page_fetches_its_points_and_counts(filled: Filled, record):
    per_day = -(-filled.periods // DAYS)
    most_statements = most_beyond = asked = 0
    bad = []
    for filters in FILTERS:
        count = filled.count("retrieve", **EVER, **filters, limit=0)[0]["total"]
        for range_ in EVER, EDGES:
            for offset, limit in pages(count):
                arguments = {**range_, **filters, "offset": offset, "limit": limit}
                answer, counted = filled.count("retrieve", **arguments)
                found = len(flat(answer["dataframes"]))
                # Counts by day, and those by period and type of the days that the page lies in.
                days = 2 + limit // (per_day * RESOURCES // 200)
                bound = found + DAYS + min(days, DAYS) * per_day * len(TYPES) + ASIDE
                asked += 1
                most_statements = max(most_statements, len(counted.queries))
                most_beyond = max(most_beyond, counted.rows - found)
                if counted.rows > bound or len(counted.queries) > STATEMENTS:
                    bad.append(f"retrieve({arguments}): {found} points, at most {bound} rows, {counted}")
    record(points=filled.points, pages=asked, most_statements=most_statements, most_rows_beyond_points=most_beyond)
    assert not bad, "\n\n".join(bad)


def test_a_walk_fetches_each_point_once(filled: Filled, record):
    frames, counted = filled.count("iter_frames", begin=START + 20 * 24 * HOUR, end=START + 30 * 24 * HOUR)
    found = len(flat(frames))
    slots = -(-filled.periods * 10 // DAYS + 1) * len(TYPES)
    record(points=found, rows=counted.rows)
    assert found > 1000
    assert counted.rows <= found + slots + ASIDE

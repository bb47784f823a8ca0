"""A total over months takes at most three statements, and fetches at most its groups and a hundred rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.counted.conftest import Filled
from tests.counted.usage import DAYS, HOUR, START, resource

pytestmark = pytest.mark.timeout(1800)
STATEMENTS = 3
BEYOND = 100
EVER: dict[str, Any] = {"begin": START, "end": START + DAYS * 24 * HOUR}
MONTHS: dict[str, Any] = {"begin": START + 31 * 24 * HOUR, "end": START + 120 * 24 * HOUR}
EDGES: dict[str, Any] = {"begin": START + 10.5 * HOUR, "end": START + (DAYS * 24 - 30.25) * HOUR}
GROUPS: list[list[str]] = [
    [], ["type"], ["project_id"], ["id"], ["nobody"], ["project_id", "type"], ["project_id", "user_id", "flavor_id", "type"],
    ["time"], ["time", "type"], ["time", "project_id"],
    ["time-d"], ["time-w"], ["time-m"], ["time-y"], ["time-d", "project_id"], ["time-m", "type", "flavor_id"],
    ["month"], ["day_of_the_year"], ["week_of_the_year", "type"], ["year", "project_id"],
]  # fmt: skip
FILTERS: list[dict[str, Any]] = [
    {"filters": {"project_id": "p3"}},
    {"filters": {"project_id": ["p3", "p4"], "user_id": ["u3", "u4", "u23"]}},
    {"filters": {"name": "vm-7"}},
    {"filters": {"version": "1", "type": ["cpu", "instance"]}},
    {"filters": {"month": "2"}},
    {"filters": {"day_of_the_year": ["40", "41"], "project_id": "p5"}},
    {"filters": {"nobody": "nothing"}},
    {"metric_types": ["cpu", "volume.size"]},
    {"resource": resource(17)},
    {"resource": [resource(17), resource(18)], "metric_types": "instance"},
]
PAGES: list[dict[str, Any]] = [
    {"limit": 10},
    {"offset": 5, "limit": 7},
    {"offset": 10**6, "limit": 7},
    {"limit": 0},
]
QUESTIONS = [
    *((groupby, EVER, {"paginate": False}) for groupby in GROUPS),
    *((groupby, EDGES, {"paginate": False}) for groupby in GROUPS),
    *((groupby, range_, {**filters, "paginate": False})
      for filters in FILTERS for groupby, range_ in (([], EVER), (["type"], EDGES), (["time-m", "project_id"], MONTHS))),
    *((groupby, MONTHS, page) for page in PAGES for groupby in (["id"], ["time-d"], ["month"], ["project_id", "type"])),
    *((["time-d", "type"], EDGES, {**FILTERS[0], **page}) for page in PAGES),
    *((groupby, EDGES, {"custom_fields": fields, "paginate": False})
      for fields in ("MAX(price) AS dearest, COUNT(qty) AS points", "MEAN(qty) AS mean") for groupby in ([], ["project_id"])),
]  # fmt: skip


def test_a_total_is_few_statements_and_few_rows(filled: Filled, record):
    most_statements = most_rows = 0
    bad = []
    for groupby, range_, further in QUESTIONS:
        arguments = {**range_, **further}
        answer, counted = filled.count("total", groupby, **arguments)
        beyond = counted.rows - len(answer["results"])
        most_statements, most_rows = max(most_statements, len(counted.queries)), max(most_rows, beyond)
        if len(counted.queries) > STATEMENTS or beyond > BEYOND:
            bad.append(f"total({groupby}, {arguments}): {len(answer['results'])} groups, {counted}")
    record(points=filled.points, totals=len(QUESTIONS), most_statements=most_statements, most_rows_beyond_groups=most_rows)
    assert not bad, "\n\n".join(bad)

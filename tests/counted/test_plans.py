"""The cost of one resource is found by looking it up: no engine walks through all points for it.

How an engine explains itself differs, so this is about the engines by name; the suite of the contract knows none.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.counted.conftest import Filled
from tests.counted.usage import DAYS, HOUR, START, resource
from undercroft.rating import BaseStorage

pytestmark = pytest.mark.timeout(1800)
EVER: dict[str, Any] = {"begin": START, "end": START + DAYS * 24 * HOUR}
EDGES: dict[str, Any] = {"begin": START + 10.5 * HOUR, "end": START + (DAYS * 24 - 30.25) * HOUR}
ONE: dict[str, Any] = {"resource": resource(17)}
QUESTIONS: dict[str, Callable[[BaseStorage], Any]] = {
    "its cost": lambda store: store.total(**EVER, **ONE),
    "its cost, by a filter": lambda store: store.total(**EVER, filters={"id": resource(17)}),
    "its cost between any two moments": lambda store: store.total(**EDGES, **ONE),
    "its cost by type": lambda store: store.total(["type"], **EDGES, **ONE),
    "its cost by day": lambda store: store.total(["time-d"], **EDGES, **ONE),
    "its cost by period": lambda store: store.total(["time"], **EDGES, **ONE),
    "its dearest period": lambda store: store.total([], **EDGES, **ONE, custom_fields="MAX(price) AS dearest"),
    "its points": lambda store: store.retrieve(**EVER, **ONE, offset=100, limit=50),
    "its points, all of them": lambda store: store.retrieve(**EDGES, **ONE, paginate=False),
}


@contextlib.contextmanager
def scans() -> Iterator[list[str]]:
    """The steps of all plans within the block that go through points without looking for their series."""
    found: list[str] = []
    explaining: dict[str, tuple[str, Callable[[list[Any]], Iterator[str]]]] = {
        "sqlite": ("EXPLAIN QUERY PLAN ", _sqlite_scans),
        "postgresql": ("EXPLAIN (FORMAT JSON) ", _postgresql_scans),
        "mariadb": ("EXPLAIN ", _mariadb_scans),
    }

    def explain(connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if sql.lstrip().upper().startswith("SELECT") and "_point" in sql and not many:
            prefix, read = explaining[connection.dialect.name]
            # On a cursor of its own: the statement itself has not begun yet.
            with contextlib.closing(connection.connection.driver_connection.cursor()) as cursor:
                cursor.execute(prefix + sql, parameters)
                found.extend(read(cursor.fetchall()))

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", explain)


def _sqlite_scans(rows: list[Any]) -> Iterator[str]:
    yield from (detail for *_, detail in rows if re.match(r"\w+ \w+_point\b", detail) and "series_id=" not in detail)


# It may find a resource's points by their slots alone where few share one: its choice, by what it counts pages to cost.
def _postgresql_scans(rows: list[Any]) -> Iterator[str]:
    ((plans,),) = rows
    pending = [plan["Plan"] for plan in (json.loads(plans) if isinstance(plans, str) else plans)]
    while pending:
        plan = pending.pop()
        pending += plan.get("Plans", [])
        looked_up = "Index Cond" in plan or "Recheck Cond" in plan
        if str(plan.get("Relation Name", "")).endswith("_point") and not looked_up:
            yield f"{plan['Node Type']} on {plan['Relation Name']}"


# Its plans as JSON are none where identifiers stand in double quotes. Of the key's integers, the series is the second.
def _mariadb_scans(rows: list[Any]) -> Iterator[str]:
    for _, _, table, access, _, key, length, *_ in rows:
        if str(table).endswith("_point") and (key is None or access in ("ALL", "index") or int(length) < 8):
            yield f"{access} of {table}"


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_resource_is_looked_up(filled: Filled, question: str, record):
    with scans() as found, filled.fresh() as store:
        assert QUESTIONS[question](store)["total"]
    record(points=filled.points, scans=len(found))
    assert found == []


def test_twin_that_looks_at_everything_is_seen(filled: Filled, record):
    with scans() as found, filled.fresh() as store:
        assert store.total(["time", "project_id"], **EVER)["total"]
    record(points=filled.points, scans=len(found))
    assert found

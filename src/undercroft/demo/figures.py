"""What the demo shows, asked from the store: totals by project, by type and by hour."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from undercroft.demo.traces import DAY, HOURS
from undercroft.demo.usage import CPU, INSTANCE
from undercroft.rating import BaseStorage

BEGIN = DAY
END = DAY + dt.timedelta(days=1)
ZERO = Decimal(0)


class Cost(msgspec.Struct):
    """Quantity and price of the two types for one project or hour."""

    machine_hours: Decimal = ZERO
    cpu_hours: Decimal = ZERO
    instance: Decimal = ZERO
    cpu: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Price of both types."""
        return self.instance + self.cpu

    def add(self, row: dict[str, Any]) -> None:
        """Take a row of `total` in that was grouped by type."""
        if row["type"] == INSTANCE:
            self.machine_hours += row["qty"]
            self.instance += row["rate"]
        elif row["type"] == CPU:
            self.cpu_hours += row["qty"]
            self.cpu += row["rate"]


class Figures(msgspec.Struct):
    """The day in numbers."""

    machines: int
    points: int
    total: Decimal
    day: Cost
    by_project: dict[str, Cost]
    by_hour: dict[int, Cost]
    by_project_and_hour: dict[tuple[str, int], Cost]


def ask(store: BaseStorage) -> Figures:
    """Ask the store for the demo's day."""

    def rows(*groupby: str) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = store.total(list(groupby), BEGIN, END, paginate=False)["results"]
        return results

    day = Cost()
    for row in rows("type"):
        day.add(row)
    by_project: dict[str, Cost] = {}
    for row in rows("project_id", "type"):
        by_project.setdefault(row["project_id"], Cost()).add(row)
    by_hour = {hour: Cost() for hour in range(HOURS)}
    for row in rows("time", "type"):
        by_hour[_hour(row)].add(row)
    by_both: dict[tuple[str, int], Cost] = {}
    for row in rows("project_id", "time", "type"):
        by_both.setdefault((row["project_id"], _hour(row)), Cost()).add(row)
    return Figures(
        machines=store.total(["id"], BEGIN, END, limit=0)["total"],
        points=store.retrieve(BEGIN, END, limit=0)["total"],
        total=sum((row["rate"] for row in rows()), ZERO),
        day=day,
        by_project=by_project,
        by_hour=by_hour,
        by_project_and_hour=by_both,
    )


def _hour(row: dict[str, Any]) -> int:
    begin: dt.datetime = row["begin"]
    return int((begin - BEGIN) // dt.timedelta(hours=1))

"""Points and frames for the rating suite, and how answers are compared."""

from __future__ import annotations

import datetime as dt
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from undercroft.conformance.rating.oracle import Stored, column, identity, order
from undercroft.rating import BaseStorage, DataFrame, DataPoint

OpenStore = Callable[..., BaseStorage]

HOUR = dt.timedelta(hours=1)
START = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
# Bounds around everything that the examples store, because the default is the present month.
ALWAYS: dict[str, Any] = {
    "begin": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    "end": dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
}


def hour(number: float) -> dt.datetime:
    """The moment `number` hours after START."""
    return START + number * HOUR


def point(
    qty: Any = 1,
    price: Any = "0.5",
    groupby: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    unit: str = "GiB",
) -> DataPoint:
    """A point; by default of project `p`, resource `r`."""
    attributes = {"project_id": "p", "id": "r"} if groupby is None else groupby
    return DataPoint(unit, qty, price, attributes, metadata or {})


def foreign(**fields: Any) -> Any:
    """A host's own point: no check of ours has seen it. `fields` take the place of those of `point()`."""
    return types.SimpleNamespace(**{**point()._asdict(), **fields})


def of(project: str, qty: Any = 1, price: Any = "0.5", **groupby: Any) -> DataPoint:
    """A point of a project, with further attributes to group by."""
    return point(qty, price, {"project_id": project, **groupby})


def frame(
    start: dt.datetime | float, *points: DataPoint, metric: str = "cpu", end: dt.datetime | None = None, length: dt.timedelta = HOUR
) -> DataFrame:
    """A frame with points of one type; a number as `start` counts hours from START."""
    first = start if isinstance(start, dt.datetime) else hour(start)
    return DataFrame(first, end or first + length, {metric: list(points)})


def flat(frames: Iterable[Any]) -> list[Stored]:
    """The points of frames, in order."""
    return [Stored(f.start, f.end, type_, *tuple(p)[:5]) for f in frames for type_, p in f.iterpoints()]


def everything(store: BaseStorage, **arguments: Any) -> list[Stored]:
    """All points that the store gives for the arguments, by default at all times."""
    answer = store.retrieve(**{**ALWAYS, **arguments}, paginate=False)
    points = flat(answer["dataframes"])
    assert answer["total"] == len(points)
    assert [p[:3] for p in points] == sorted(p[:3] for p in points)
    return points


def sums(store: BaseStorage, groupby: list[str] | None = None, **arguments: Any) -> list[dict[str, Any]]:
    """All rows that the store gives for the arguments, by default at all times."""
    answer = store.total(**{**ALWAYS, "groupby": groupby, **arguments}, paginate=False)
    assert answer["total"] == len(answer["results"])
    rows: list[dict[str, Any]] = answer["results"]
    return rows


def table(store: BaseStorage, *groupby: str, **arguments: Any) -> dict[Any, Any]:
    """Quantities by the values of the groups: `{'a': 1}` for one groupby name, `{('a', 'b'): 1}` for several."""
    found = {}
    for row in sums(store, list(groupby), **arguments):
        values = [(row["begin"], row["end"]) if name == "time" else row[column(name)] for name in groupby]
        found[values[0] if len(values) == 1 else tuple(values)] = row["qty"]
    return found


def quantity(store: BaseStorage, **arguments: Any) -> Any:
    """The sum of all quantities; 0 where nothing matches."""
    return sum((row["qty"] for row in sums(store, **arguments)), Decimal(0))


def quantities(points: Iterable[Stored]) -> list[Decimal]:
    """The points' quantities, sorted."""
    return sorted(point.qty for point in points)


def same_points(found: Iterable[Stored], wanted: Iterable[Stored]) -> None:
    """Assert that two walks hold the same points, with the same types of values; those of one (start, end, type) in any order."""
    left, right = ([(*p[:4], identity(list(p[4:]))) for p in points] for points in (found, wanted))
    assert [p[:3] for p in left] == [p[:3] for p in right]
    assert Counter(left) == Counter(right)


def same_rows(found: list[dict[str, Any]], wanted: list[dict[str, Any]], groupby: list[str] | None = None) -> None:
    """Assert that two totals hold the same rows with the same keys in the same order; rows whose texts are equal in any order."""
    names = list(dict.fromkeys(groupby or []))

    def place(row: dict[str, Any]) -> list[Any]:
        return [(row["begin"], row["end"]) if name == "time" else order(row[column(name)]) for name in names]

    assert [place(row) for row in found] == [place(row) for row in wanted]
    assert [list(row) for row in found] == [list(row) for row in wanted]
    left, right = (Counter(identity(list(row.values())) for row in rows) for rows in (found, wanted))
    assert left == right

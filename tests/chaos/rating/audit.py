"""Is all usage that was acknowledged there, once, and do all answers add up?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.rating.operations import APART, HOUR, START, Ledger
from undercroft.conformance.rating.data import ALWAYS, flat
from undercroft.conformance.rating.oracle import Oracle, Stored, column, identity, order
from undercroft.rating import BaseStorage

Question = tuple[list[str], dict[str, Any]]
# Ends within days and hours, so that months, days and single points answer together.
EDGES: dict[str, Any] = {"begin": START + 30 * HOUR, "end": START + (100 * APART + 5) * HOUR}
# They are answered from different tables, which must agree.
QUESTIONS: list[Question] = [
    *((groupby, ALWAYS) for groupby in ([], ["type"], ["time"], ["time-d"], ["time-m"], ["time-w", "type"])),
    *((groupby, ALWAYS) for groupby in (["project_id"], ["id", "type"], ["time", "project_id"], ["time-d", "id"], ["month"])),
    *((groupby, EDGES) for groupby in ([], ["project_id"], ["time-d", "id"])),
    ([], {**EDGES, "resource": "r3"}),
    (["type"], {**ALWAYS, "filters": {"project_id": ["a", "b"]}}),
    (["project_id"], {**ALWAYS, "filters": {"name": "vm-2"}}),
    (["time-m"], {**ALWAYS, "metric_types": "cpu"}),
]


def audit(store: BaseStorage, ledger: Ledger, questions: Sequence[Question] = QUESTIONS) -> Faults:
    """Compare a store with what was acknowledged: every point, the counts of pages, and the answers to these questions."""
    wanted = ledger.points()
    found = flat(store.iter_frames(**ALWAYS))
    lost, doubled = differences(found, wanted)
    oracle = Oracle()
    oracle.points = wanted
    wrong = [
        f"total({groupby}, {sorted(arguments)})"
        for groupby, arguments in questions
        if rows(store.total(groupby, **arguments, paginate=False)["results"], groupby)
        != rows(oracle.total(groupby, **arguments), groupby)
    ]
    wrong += [
        f"count({sorted(arguments)})"
        for arguments in (ALWAYS, {**ALWAYS, "filters": {"project_id": "a"}})
        if store.retrieve(**arguments, limit=1)["total"] != len(oracle.retrieve(**arguments))
    ]
    return Faults(lost, doubled, wrong)


def differences(found: Iterable[Stored], wanted: Iterable[Stored]) -> tuple[int, int]:
    """How many of the wanted points are missing, and how many are found beyond them."""
    left, right = (Counter((*point[:4], identity(list(point[4:]))) for point in points) for points in (found, wanted))
    return (right - left).total(), (left - right).total()


def rows(results: Iterable[dict[str, Any]], groupby: list[str]) -> list[Any]:
    """Rows of a total in a form that compares every value and the order; rows whose groups have equal texts in any order."""
    found: dict[Any, Counter[Any]] = {}
    for row in results:
        place = tuple((row["begin"], row["end"]) if name == "time" else order(row[column(name)]) for name in groupby)
        found.setdefault(place, Counter())[identity(list(row.values()))] += 1
    return list(found.items())

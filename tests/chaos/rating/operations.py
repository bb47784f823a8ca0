"""What a writer of rated usage does in its n-th step, from a seed alone: whoever checks it knows without being told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from decimal import Decimal
from typing import Any

from undercroft.conformance.rating.oracle import Stored, kept, matches, series, utc
from undercroft.rating import BaseStorage, DataFrame, DataPoint

KINDS = ("push", "again", "delete", "replace")
# Deletions take longer, and so are hit more often.
_OFTEN = (4, 4, 1.5, 1)
START = dt.datetime(2024, 2, 20, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
# 110 periods nine hours apart: six weeks with a whole month in them.
PERIODS = 110
APART = 9
TYPES = ("cpu", "image.size", "volume.size")
PROJECTS = ("a", "b", "c'%")


@dataclasses.dataclass(frozen=True)
class Operation:
    """One call of a store."""

    kind: str
    frames: list[DataFrame]
    begin: dt.datetime | None = None
    end: dt.datetime | None = None
    filters: dict[str, Any] | None = None

    def run(self, store: BaseStorage) -> None:
        if self.kind == "delete":
            store.delete(self.begin, self.end, self.filters)
        elif self.kind == "replace":
            store.replace(self.begin, self.end, self.filters, self.frames)
        else:
            store.push(self.frames)


def operation(seed: int, number: int) -> Operation:
    """The n-th operation; those that change something old look for it in earlier steps' periods."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, _OFTEN)[0] if number >= len(KINDS) else "push"
    period = number if kind == "push" else rng.randrange(number)
    frames = [_frame(rng, (period * 3 + k) % PERIODS) for k in range(rng.randint(1, 3))]
    if kind in ("push", "again"):
        return Operation(kind, frames)
    begin = frames[0].start - rng.choice([0, 0, 30]) * HOUR
    end = max(frame.start for frame in frames) + rng.choice([1, 1, 60]) * HOUR
    filters: dict[str, Any] = rng.choice(
        [{}, {}, {"project_id": rng.choice(PROJECTS)}, {"type": ["cpu", "none"]}, {"name": "vm-1"}, {"id": ["r2", "r5"]}]
    )
    if kind == "delete":
        return Operation(kind, [], begin, end, filters)
    return Operation(kind, frames, begin, end, filters)


def _frame(rng: random.Random, period: int) -> DataFrame:
    start = START + period * APART * HOUR
    usage: dict[str, list[DataPoint]] = {}
    for resource in rng.choices(range(8), k=rng.randint(4, 20)):
        groupby = {"id": f"r{resource}", "project_id": PROJECTS[resource % 3], "month": str(start.month)}
        metadata = {"name": f"vm-{rng.randrange(3)}"}
        point = DataPoint(rng.choice(["GiB", "h"]), _number(rng), _number(rng), groupby, metadata)
        usage.setdefault(TYPES[resource % 2 + rng.randrange(2)], []).append(point)
    return DataFrame(start, start + HOUR, usage)


def _number(rng: random.Random) -> Decimal:
    digits, places = rng.choice([(3, 0), (9, 6), (12, 12), (38, 38), (38, 18)])
    return Decimal(rng.randrange(-(10**digits), 10**digits)).scaleb(-places)


class Ledger:
    """What a store must hold after some operations."""

    def __init__(self) -> None:
        self._by_key: dict[Any, list[Stored]] = {}

    def copy(self) -> Ledger:
        """Another ledger with the same contents."""
        other = Ledger()
        other._by_key = dict(self._by_key)
        return other

    def __len__(self) -> int:
        return len(self.points())

    def points(self) -> list[Stored]:
        """Every point."""
        return [point for points in self._by_key.values() for point in points]

    def enter(self, done: Operation) -> bool:
        """Enter one operation; whether it changed anything."""
        before = dict(self._by_key)
        if done.kind in ("delete", "replace"):
            self._delete(done)
        fresh: dict[Any, list[Stored]] = {}
        for frame in done.frames:
            for type_, point in frame.iterpoints():
                stored = Stored(
                    utc(frame.start), utc(frame.end), type_, point.unit, kept(point.qty), kept(point.price),
                    dict(point.groupby), dict(point.metadata),
                )  # fmt: skip
                fresh.setdefault(series(stored), []).append(stored)
        self._by_key |= fresh
        return self._by_key != before

    def left_by(self, done: Operation, _store: BaseStorage) -> Ledger:
        """What there is when this call was done, though nobody was told: all of it."""
        after = self.copy()
        after.enter(done)
        return after

    def _delete(self, done: Operation) -> None:
        def goes(point: Stored) -> bool:
            inside = (done.begin is None or done.begin <= point.start) and (done.end is None or point.start < done.end)
            return inside and all(matches(point, [name], wanted) for name, wanted in (done.filters or {}).items())

        left = {key: [point for point in points if not goes(point)] for key, points in self._by_key.items()}
        self._by_key = {key: points for key, points in left.items() if points}

"""Writers and readers of one store at the same time, each a process of its own."""

from __future__ import annotations

import multiprocessing.connection
import random
import threading
import time
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import undercroft
from tests.chaos.rating.operations import APART, HOUR, PERIODS, START, TYPES, Operation
from tests.chaos.rating.sabotaged import in_parts
from undercroft.conformance.rating.data import ALWAYS
from undercroft.core.errors import Corrupt, Declined, UndercroftError
from undercroft.rating import BaseStorage, DataFrame, DataPoint

# Every push has so many points, and their quantities and prices add up to these, to the last digit.
POINTS = 12
QTY = Fraction("1000.000000000000000000000000000000001")
PRICE = Fraction(-3)
_UNIT = 10**33
# A writer has so many pushes that it makes again and again, with other numbers.
PUSHES = 8


def step(seed: int, writer: int, number: int) -> Operation:
    """A writer's n-th call. All write to the same periods, none to another's series."""
    rng = random.Random(f"{seed}/{writer}/{number}")
    push = number % PUSHES
    groupby = {"project_id": f"w{writer}", "push": f"{writer}/{push}"}
    qtys, prices = _numbers(rng, QTY), _numbers(rng, PRICE)
    points = [DataPoint("h", qtys[n], prices[n], {**groupby, "id": f"r{n % 5}"}, {}) for n in range(POINTS)]
    frames = []
    for n in range(2):
        start = START + (push * 13 + n * 50) % PERIODS * APART * HOUR
        frames.append(DataFrame(start, start + HOUR, {type_: points[n::2][k::3] for k, type_ in enumerate(TYPES)}))
    kind = {5: "delete", 6: "replace"}.get(number % 7, "push")
    return Operation(kind, [] if kind == "delete" else frames, START, START + 1000 * HOUR, {"push": f"{writer}/{push}"})


def _numbers(rng: random.Random, total: Fraction) -> list[Decimal]:
    """Numbers of 33 decimal places that add up to `total`."""
    units = [rng.randrange(-(10**36), 10**36) for _ in range(POINTS - 1)]
    return [Decimal(f"{each}E-33") for each in (*units, int(total * _UNIT) - sum(units))]


def write(
    pipe: multiprocessing.connection.Connection,
    url: str,
    options: dict[str, Any],
    seed: int,
    writer: int,
    seconds: float,
    twin: str | None,
) -> None:
    """Make calls for so long, repeating what was refused; say how many were made, and how many were repeated."""
    store = undercroft.connect("rating", url, **options)
    number = repeated = 0
    pipe.send("ready")
    pipe.recv()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if twin == "in parts":
                in_parts(store, step(seed, writer, number))
            else:
                step(seed, writer, number).run(store)
        except UndercroftError as error:
            if not error.retryable or isinstance(error, (Corrupt, Declined)):
                raise
            repeated += 1
        else:
            number += 1
    pipe.send((number, repeated))
    store.close()


def read(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], seed: int) -> None:
    """Ask until told to stop; say how many answers came, and which of them were not made of whole pushes."""
    store = undercroft.connect("rating", url, **options)
    rng = random.Random(seed)
    answers, bad = 0, []
    pipe.send("ready")
    pipe.recv()
    while not pipe.poll():
        question = rng.choice(QUESTIONS)
        try:
            wrong = question(store)
        except UndercroftError as error:
            if not error.retryable or isinstance(error, (Corrupt, Declined)):
                raise
            threading.Event().wait(0.05)
            continue
        answers += 1
        if wrong:
            bad.append(wrong)
    pipe.send((answers, bad))
    store.close()


# -- questions, and what is wrong with the answer -----------------------------------------------------------------------


def _whole(rows: Iterable[dict[str, Any]]) -> bool:
    """Whether rows add up to the same number of whole pushes by quantity and by price."""
    listed = list(rows)
    pushes = sum(Fraction(row["qty"]) for row in listed) / QTY
    return pushes.denominator == 1 and pushes == sum(Fraction(row["rate"]) for row in listed) / PRICE


def _all(store: BaseStorage) -> str:
    return "" if _whole(store.total(**ALWAYS)["results"]) else "total"


def _by_period(store: BaseStorage) -> str:
    groupby = ["time-d", "type"]
    return "" if _whole(store.total(groupby, **ALWAYS, paginate=False)["results"]) else "total by day and type"


def _by_project(store: BaseStorage) -> str:
    rows = store.total(["project_id"], **ALWAYS, paginate=False)["results"]
    return "" if all(_whole([row]) for row in rows) else "total by project"


def _by_push(store: BaseStorage) -> str:
    rows = store.total(["push"], **ALWAYS, paginate=False)["results"]
    return "" if all((Fraction(row["qty"]), Fraction(row["rate"])) == (QTY, PRICE) for row in rows) else "total by push"


def _count(store: BaseStorage) -> str:
    count = store.retrieve(**ALWAYS, limit=1)["total"]
    return "" if count % POINTS == 0 else f"{count} points"


def _points(store: BaseStorage) -> str:
    found = store.retrieve(**ALWAYS, filters={"project_id": "w1"}, paginate=False)
    points = [point for frame in found["dataframes"] for _, point in frame.iterpoints()]
    whole = _whole({"qty": point.qty, "rate": point.price} for point in points)
    return "" if whole and len(points) == found["total"] and len(points) % POINTS == 0 else "points of one writer"


QUESTIONS = [_all, _by_period, _by_project, _by_push, _count, _points]

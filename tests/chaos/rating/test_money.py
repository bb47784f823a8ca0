"""Quantities and prices are exact from push to answer, however many digits they have and however many are added up (M1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS, everything, frame, hour, of
from undercroft.rating import BaseStorage, DataFrame, DataPoint

pytestmark = [pytest.mark.promise("M1"), pytest.mark.timeout(1800)]
# The largest number of 38 digits below 10^20, in units of 10^-18.
LARGEST = 10**38 - 1
UNIT = 10**18


def numbers(places: int) -> st.SearchStrategy[Decimal]:
    """Numbers of so many places, below 10^20 and of no more than 38 digits."""
    most = 10 ** min(38, 20 + places) - 1
    return st.integers(-most, most).map(lambda digits: Decimal(f"{digits}E{-places}"))


NUMBERS = st.integers(-19, 38).flatmap(numbers)
PUSHES = st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12), min_size=1, max_size=3)


def frames(values: Iterable[tuple[Decimal, Decimal]]) -> list[DataFrame]:
    """One point for each quantity and price, over three hours of two days, of two projects and six resources."""
    found: dict[int, list[DataPoint]] = defaultdict(list)
    for number, (qty, price) in enumerate(values):
        found[(0, 1, 24)[number % 3]].append(of("ab"[number % 2], qty, price, id=number % 6))
    return [frame(start, *points) for start, points in found.items()]


def wrong(store: BaseStorage, pushes: list[list[tuple[Decimal, Decimal]]]) -> list[Any]:
    """Push usage, replace it by other usage of the same keys, and so on; what is not exact then."""
    store.delete()
    held: dict[Any, list[tuple[Decimal, Decimal]]] = {}
    for values in pushes:
        store.push(frames(values))
        fresh: dict[Any, list[tuple[Decimal, Decimal]]] = defaultdict(list)
        for number, value in enumerate(values):
            fresh[(0, 1, 24)[number % 3], "ab"[number % 2], number % 6].append(value)
        held |= fresh
    wanted = {key: sorted(value) for key, value in held.items()}
    found: dict[Any, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for point in everything(store):
        key = (point.start - hour(0)) // (hour(1) - hour(0)), point.groupby["project_id"], point.groupby["id"]
        found[key].append((point.qty, point.price))
    bad: list[Any] = [key for key in wanted.keys() | found.keys() if sorted(found[key]) != wanted.get(key)]
    # Answered from the sums by period, from those by series, from single points, and from a mixture.
    for groupby, bounds in ([], ALWAYS), (["project_id"], ALWAYS), (["time", "project_id"], ALWAYS), (["id"], EDGES):
        sums: dict[Any, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
        for (start, project, resource), values in held.items():
            if bounds["begin"] <= hour(start) < bounds["end"]:
                place = {"project_id": project, "id": resource, "time": hour(start)}
                for qty, price in values:
                    group = sums[tuple(place[name] for name in groupby)]
                    group[0] += Fraction(qty)
                    group[1] += Fraction(price)
        answer = {
            tuple(row["begin"] if name == "time" else row[name] for name in groupby): [Fraction(row["qty"]), Fraction(row["rate"])]
            for row in store.total(groupby, **bounds, paginate=False)["results"]
        }
        bad += [(groupby, group) for group in sums.keys() | answer.keys() if sums.get(group) != answer.get(group)]
    return bad


EDGES: dict[str, Any] = {"begin": hour(1), "end": hour(25)}


def examples(store: BaseStorage, seed: int, count: int) -> list[Any]:
    """Try `count` series of pushes; what was not exact in the first bad one."""
    bad: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, deadline=None, database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(PUSHES)
    def attempt(pushes: list[list[tuple[Decimal, Decimal]]]) -> None:
        if not bad:
            bad.extend(wrong(store, pushes))

    attempt()
    return bad


def test_every_digit_comes_back_and_counts(opener: Opener, seed: int, record, figure):
    count = figure(50, 2000)
    bad = examples(opener(), seed, count)
    record(examples=count, different=len(bad))
    assert bad == []


@pytest.mark.parametrize("twin", ["summed as floats", "stored as floats"])
def test_twin_is_caught(opener: Opener, seed: int, twin: str, record, monkeypatch: pytest.MonkeyPatch):
    store: Any = opener()
    if twin == "summed as floats":
        layout = store._tables.exact
        decode_sums = layout.decode_sums
        monkeypatch.setattr(layout, "decode_sums", lambda columns: list(map(through_a_float, decode_sums(columns))))
    else:
        encode = store._encode

        def lossy(frames: Any) -> Any:
            batch = encode(frames)
            columns = [column._replace(qtys=_lossy(column.qtys), prices=_lossy(column.prices)) for column in batch.columns]
            return batch._replace(columns=columns)

        monkeypatch.setattr(store, "_encode", lossy)
    bad = examples(store, seed, 50)
    record(different=len(bad))
    assert bad


def _lossy(numbers: Any) -> Any:
    return numbers._replace(exact=[through_a_float(number) for number in numbers.exact], units=None)


def through_a_float(number: Decimal) -> Decimal:
    """What is left of a number after it was a float, unless that is more than a store takes."""
    left = Decimal(repr(float(number)))
    return left if abs(left) < 10**20 else number


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_the_largest_numbers_do_not_overflow(opener: Opener, sign: int, record, figure):
    """In one series and one period, so that every sum beside the points takes all of them."""
    store = opener()
    # Beyond 10,000 a sum has more digits than four limbs, beyond 92,000 its uppermost limb more than 64 bits.
    count = figure(20_000, 200_000)

    def units(number: int) -> int:
        return sign * (LARGEST - number)

    def usage(points: int) -> list[DataFrame]:
        values = [Decimal(f"{units(number)}E-18") for number in range(points)]
        return [
            frame(0, of("a", sign), of("b", values[0])),
            frame(5, *(of("a", value, value.copy_negate()) for value in values)),
            frame(24, of("a", values[-1], values[-1])),
        ]

    def check(points: int) -> None:
        many = sum(units(number) for number in range(points))
        last = units(points - 1)
        wanted = {"a": sign * UNIT + many + last, "b": units(0)}
        for groupby in ["project_id"], ["time-m", "project_id"]:
            answer = store.total(groupby, **ALWAYS)["results"]
            assert {row["project_id"]: Fraction(row["qty"]) * UNIT for row in answer} == wanted
        for groupby, arguments, sums in (
            ([], ALWAYS, sum(wanted.values())),
            (["time-y"], ALWAYS, sum(wanted.values())),
            ([], {"begin": hour(5), "end": hour(6)}, many),
            (["project_id"], {"begin": hour(2), "end": hour(25)}, many + last),
            (["project_id"], {"begin": hour(0), "end": hour(24), "filters": {"project_id": "a"}}, sign * UNIT + many),
        ):
            (row,) = store.total(groupby, **arguments)["results"]
            assert Fraction(row["qty"]) * UNIT == sums, (groupby, arguments)

    for points in (count, count, count // 4, count):
        store.push(usage(points))
        check(points)
    store.delete(hour(5), hour(6))
    (row,) = store.total(**ALWAYS)["results"]
    assert Fraction(row["qty"]) * UNIT == sign * UNIT + units(0) + units(count - 1)
    record(points=count, magnitude="10^20")

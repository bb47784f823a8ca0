"""Totals and pages depend on what was pushed, not on the order, the batches, the engine or the size of a page (M2)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.chaos.rating.audit import QUESTIONS
from tests.chaos.rating.operations import operation
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS, flat
from undercroft.conformance.rating.oracle import Stored, identity
from undercroft.rating import BaseStorage, DataFrame

pytestmark = [pytest.mark.promise("M2"), pytest.mark.timeout(1800)]
PAGES = (1, 7, 1000)
# Points in one push; None: everything in one.
BATCHES = (None, 1, 50)


def usage(seed: int, frames: int) -> list[DataFrame]:
    """Usage of many periods, numbers of any size; no period comes twice."""
    found: dict[Any, DataFrame] = {}
    number = 0
    while len(found) < frames:
        found |= {frame.start: frame for frame in operation(seed, number).frames}
        number += 1
    return list(found.values())


def batches(frames: list[DataFrame], size: int | None, rng: random.Random) -> Iterator[list[DataFrame]]:
    """The same usage in another order, so many series to a push; points of one series stay together, for they would replace."""
    if size is None:
        yield rng.sample(frames, len(frames))
        return
    series: dict[Any, DataFrame] = {}
    for frame in frames:
        for type_, point in frame.iterpoints():
            key = (frame.start, type_, identity(point.groupby))
            series.setdefault(key, DataFrame(frame.start, frame.end)).add_point(point, type_)
    mixed = rng.sample(list(series.values()), len(series))
    for start in range(0, len(mixed), size):
        yield mixed[start : start + size]


def told(store: BaseStorage, page: int) -> list[Any]:
    """All that a store answers, read in pages: sums to the last digit and in their order, then points."""
    found: list[Any] = [list(rows(store, page, groupby, arguments)) for groupby, arguments in QUESTIONS]
    points: list[Stored] = []
    total = 1
    while len(points) < total:
        answer = store.retrieve(**ALWAYS, offset=len(points), limit=page * 10)
        total = answer["total"]
        fresh = flat(answer["dataframes"])
        assert fresh, "a page before the last one is empty"
        points += fresh
    assert [point[:3] for point in points] == sorted(point[:3] for point in points)
    # Below start, end and type the order is the store's own.
    return [*found, [point[:3] for point in points], sorted(repr(identity(list(point))) for point in points)]


def rows(store: BaseStorage, page: int, groupby: list[str], arguments: dict[str, Any]) -> Iterator[str]:
    """The rows of a total, page after page."""
    offset, total = 0, 1
    while offset < total:
        answer = store.total(groupby, **arguments, offset=offset, limit=page)
        total = answer["total"]
        yield from map(repr, answer["results"])
        offset += page


def different(stores: Iterable[BaseStorage], seed: int, frames: int) -> tuple[int, int]:
    """Push the same usage into each store in an order and in batches of its own, and read it in pages of every size.

    Returns:
        how many readings there were, and how many differ from the first.
    """
    rng = random.Random(seed)
    first: list[Any] = []
    count = unlike = 0
    for number, store in enumerate(stores):
        for call in batches(usage(seed, frames), BATCHES[number % len(BATCHES)], rng):
            store.push(call)
        for page in PAGES:
            found = told(store, page)
            first = first or found
            count += 1
            unlike += found != first
    return count, unlike


def copies(openers: Iterable[Opener], **options: Any) -> list[BaseStorage]:
    """A store for each way to batch, on each engine."""
    found = []
    for opener in openers:
        for number, _ in enumerate(BATCHES):
            other = Opener(opener.target, opener.url, f"{opener.namespace}_{number}", opener.opened)
            found.append(other(**options))
    return found


@pytest.fixture
def stores(openers: list[Opener]) -> Iterator[list[BaseStorage]]:
    found = copies(openers)
    yield found
    for store in found:
        store.drop()


def test_totals_depend_on_what_was_pushed_alone(stores: list[BaseStorage], seed: int, record, figure):
    frames = figure(5, 60)
    readings, unlike = different(stores, seed, frames)
    record(stores=len(stores), readings=readings, different=unlike)
    assert readings == len(stores) * len(PAGES)
    assert unlike == 0


@pytest.mark.parametrize("twin", ["one sums as floats", "one sorts by length", "one merges equal points"])
def test_twin_is_caught(stores: list[Any], seed: int, twin: str, record, monkeypatch: pytest.MonkeyPatch):
    odd = stores[-1]
    total, push = odd._total, odd._push
    if twin == "one sums as floats":

        def floats(*arguments: Any) -> Any:
            count, groups = total(*arguments)
            return count, [g._replace(measures=tuple(type(m)(repr(float(m))) for m in g.measures)) for g in groups]

        monkeypatch.setattr(odd, "_total", floats)
    elif twin == "one sorts by length":

        def shortest_first(*arguments: Any) -> Any:
            count, groups = total(*arguments)
            return count, sorted(groups, key=lambda group: [len(str(value)) for value in group.values])

        monkeypatch.setattr(odd, "_total", shortest_first)
    else:

        def merged(frames: Any) -> None:
            for frame in frames:
                usage = {type_: {identity(p.groupby): p for p in points}.values() for type_, points in frame.itertypes()}
                push([DataFrame(frame.start, frame.end, usage)])

        monkeypatch.setattr(odd, "_push", merged)
    readings, unlike = different([stores[0], odd], seed, 4)
    record(readings=readings, different=unlike)
    assert 0 < unlike <= len(PAGES)

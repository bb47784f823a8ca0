"""Pushing a period again never adds up: three times, in another order, and by writers that are killed on the way (C9)."""

from __future__ import annotations

import pathlib
import random
import time
from typing import Any

import pytest

from tests.chaos.processes import Acknowledgements, life
from tests.chaos.rating.audit import QUESTIONS
from tests.chaos.rating.operations import operation
from tests.chaos.rating.writers import push_again
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS
from undercroft.rating import BaseStorage, DataFrame

pytestmark = [pytest.mark.promise("C9"), pytest.mark.timeout(1800)]


def answers(store: BaseStorage) -> list[str]:
    """Every sum, to the last digit, and the number of points."""
    found = [repr(store.total(groupby, **arguments, paginate=False)) for groupby, arguments in QUESTIONS]
    return [*found, repr(store.retrieve(**ALWAYS, limit=0)["total"])]


def usage(seed: int) -> list[DataFrame]:
    """Some periods' usage; a period is in it once."""
    frames = [frame for number in range(6) for frame in operation(seed, number * 4).frames]
    return list({frame.start: frame for frame in frames}.values())


def orders(rng: random.Random, frames: list[DataFrame]) -> list[list[DataFrame]]:
    """The same usage in several orders of frames, types and points."""
    found = [frames]
    for _ in range(2):
        mixed: list[Any] = []
        for frame in rng.sample(frames, len(frames)):
            other = DataFrame(frame.start, frame.end)
            types = list(frame.itertypes())
            for type_, points in rng.sample(types, len(types)):
                other.add_points(rng.sample(points, len(points)), type_)
            mixed.append(other)
        found.append(mixed)
    return found


def pushed_again(opener: Opener, seed: int, **options: Any) -> tuple[list[str], list[list[str]]]:
    """The answers after one push of a period, and those after each of its repetitions."""
    store = opener(**options)
    calls = orders(random.Random(seed), usage(seed))
    store.push(calls[0])
    once, again = answers(store), []
    for call in (calls[0], *calls):
        store.push(call)
        again.append(answers(store))
    return once, again


def test_a_period_pushed_again_in_any_order_counts_once(opener: Opener, seed: int, record):
    once, again = pushed_again(opener, seed)
    record(pushes=1 + len(again), answers=len(once), different=sum(found != once for found in again))
    assert again == [once] * 4


def test_twin_that_appends_adds_up(opener: Opener, seed: int, record):
    once, again = pushed_again(opener, seed, on_conflict="append")
    different = sum(found != once for found in again)
    record(pushes=1 + len(again), answers=len(once), different=different)
    assert different == 4


def pushed_by_the_dying(opener: Opener, folder: pathlib.Path, seed: int, kills: int, **options: str) -> tuple[int, int, int]:
    """Kill a writer that pushes one period again and again, until it has pushed at all where everything is slow.

    Returns:
        how often it was killed, how many pushes it made, and after how many kills sums differed.
    """
    store = opener()
    rng = random.Random(seed)
    calls = orders(rng, usage(seed))
    acknowledgements = Acknowledgements(folder / "acknowledged")
    store.push(calls[0])
    once, different = answers(store), 0
    killed = 0
    while killed < kills or not acknowledgements.read():
        with life(push_again, opener.url, {"namespace": opener.namespace, **options}, calls, acknowledgements) as writer:
            assert writer.hear() == "ready"
            time.sleep(rng.uniform(0.02, 0.12))
            writer.kill()
        killed += 1
        different += answers(store) != once
    return killed, len(acknowledgements.read()), different


def test_a_period_pushed_by_writers_that_die_counts_once(opener: Opener, tmp_path: pathlib.Path, seed: int, record, figure):
    kills, pushes, different = pushed_by_the_dying(opener, tmp_path, seed, figure(4, 25))
    record(kills=kills, pushes_acknowledged=pushes, different=different)
    assert not different


def test_twin_that_appends_adds_up_when_it_dies(opener: Opener, tmp_path: pathlib.Path, seed: int, record, figure):
    kills, pushes, different = pushed_by_the_dying(opener, tmp_path, seed, figure(4, 25), on_conflict="append")
    record(kills=kills, pushes_acknowledged=pushes, different=different)
    assert different

"""What is kept of volumes is exact, however it is put together: against fractions, and in bytes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from undercroft.conformance.metering.oracle import Exact, is_close
from undercroft.conformance.metering.test_statistics import VOLUMES
from undercroft.metering import sums
from undercroft.metering.sums import Sums

EXTREME = [
    0,
    1,
    -1,
    0.0,
    -0.0,
    0.1,
    1e-300,
    5e-324,
    1.7e308,
    -1.7e308,
    2**53 + 1,
    10**100 - 1,
    1 - 10**100,
    1e15,
    1e15 + 0.125,
    3e-155,
    1e155,
]


def of(volumes: Sequence[Any]) -> Sums:
    return sums.of(volumes, 10, 20, 3)


def agree(found: Sums, volumes: Sequence[Any]) -> None:
    """Count, bounds and sum are exact, the others as near as the contract wants them."""
    exact = Exact(volumes)
    assert (found.count, found.low, found.high) == (len(volumes), min(volumes), max(volumes))
    assert found.exact() == exact.sum
    if all(isinstance(each, int) for each in volumes):
        assert found.total == exact.total
        assert isinstance(found.total, int)
    # As an integer where a float cannot say it.
    assert is_close(found.total, exact.sum, 1e-12) or found.total == int(exact.sum)
    assert is_close(found.mean, exact.sum / len(volumes), 1e-12)
    assert is_close(found.deviation, exact.deviation, 1e-9), (found.deviation, float(exact.deviation))


def through_bytes(found: Sums) -> Sums:
    """What comes back of what is kept; itself, where it cannot be kept."""
    try:
        body = found.pack(7)
    except sums.Unrepresentable:
        return found
    again = Sums.unpack(body, 7)
    assert again.pack(7) == body
    return again


def agree_in_parts(volumes: Sequence[Any], rng: random.Random) -> None:
    """Of all together; of parts, and of parts of parts; and of what was bytes."""
    agree(of(volumes), volumes)
    cuts = sorted(rng.sample(range(1, len(volumes)), min(len(volumes) - 1, rng.randint(0, 4))))
    parts = [of(volumes[a:b]) for a, b in zip([0, *cuts], [*cuts, len(volumes)], strict=True)]
    agree(sums.merged(parts), volumes)
    kept = [through_bytes(part) for part in parts]
    half = max(1, len(kept) // 2)
    agree(sums.merged([through_bytes(sums.merged(kept[:half])), *kept[half:]]), volumes)


@pytest.mark.parametrize("name", VOLUMES)
def test_hard_volumes(name: str) -> None:
    rng = random.Random(name)
    for _ in range(5):
        agree_in_parts(rng.sample(VOLUMES[name], len(VOLUMES[name])), rng)


@pytest.mark.parametrize("seed", range(8))
def test_random_volumes(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        kind = rng.randrange(5)
        makes = [
            lambda: rng.choice(EXTREME),
            lambda: rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300),
            lambda: rng.randrange(-(10**rng.randrange(1, 90)), 10**50),
            lambda: rng.choice([rng.gauss(1e9, 1e-3), rng.randrange(5)]),
            lambda: rng.gauss(0, 1),
        ]  # fmt: skip
        agree_in_parts([makes[kind]() for _ in range(rng.randint(1, 30))], rng)


def test_moments_and_metadata_are_those_of_the_latest() -> None:
    early, late, between = sums.of([1], 5, 9, 1), sums.of([2], 6, 30, 2), sums.of([3], 2, 8, 3)
    for order in ([early, late, between], [late, between, early]):
        found = sums.merged(order)
        assert (found.first, found.last, found.meta) == (2, 30, 2)
        assert Sums.unpack(found.pack(2), 2).pack(2) == found.pack(2)
    assert sums.merged([early]) == early


@pytest.mark.parametrize("volumes", [[1.7e308, 1.7e308], [1e300, -1e300], [5e-324, 1e-308], [1.7e308, -1.7e308, 1]])
def test_what_floats_cannot_hold_is_not_kept(volumes: list[Any]) -> None:
    """It is computed of the samples each time."""
    with pytest.raises(sums.Unrepresentable):
        of(volumes).pack(0)


def test_the_bytes_are_few() -> None:
    """There is a row for each series and hour."""
    hour = 3_600_000_000
    gauge = sums.of([3.25 + n / 7 for n in range(12)], hour, 2 * hour - 1, 700)
    counter = sums.of([5 * 10**16 + n * 10**9 for n in range(12)], hour, 2 * hour - 1, 700)
    assert len(gauge.pack(hour)) < 70
    assert len(counter.pack(hour)) < 60


def test_the_square_root_of_any_fraction() -> None:
    rng = random.Random(4)
    for _ in range(300):
        number = Fraction(rng.uniform(1, 2)) * Fraction(2) ** rng.randrange(-1_000, 1_000)
        assert is_close(sums._root(number * number), number, 1e-15)
    assert sums._root(Fraction(0)) == 0.0
    assert sums._root(Fraction(5e-324) ** 2) == 5e-324
    assert math.isfinite(sums._root(Fraction(1.7e308) ** 2))

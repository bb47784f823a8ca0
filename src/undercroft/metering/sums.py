"""What is kept of many volumes, so that statistics need not read them again: exact, whatever is added to it in which order.

Integers are added up as integers. A sum of floats is kept as the floats that add up to it without an error (`math.fsum` says what
they add up to, rounded once). The spread is kept as the sum of squared deviations from the own mean, and merged by the means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

Number = int | float

_SMALLEST, _GREATEST = -(2**63), 2**63 - 1
# Below this part of the mean, deviations are computed without rounding: floats would leave too few digits of them.
_CLOSE = 1e-5
# Below this, floats lose digits.
_TINY = 1e-290


class Unrepresentable(Exception):
    """The numbers are so large that a float cannot hold their sum, or that of their squares."""


class Sums(msgspec.Struct, array_like=True):
    """The volumes of some samples of one series.

    Attributes:
        count: how many there are; at least one.
        first, last: the first and the last timestamp, in microseconds since 1970.
        meta: a driver's id of the metadata of the latest sample.
        low, high: the least and the greatest volume.
        whole: the sum of those that are integers; None when there are none.
        parts: floats whose sum is exactly that of those that are floats.
        spread: the sum of squared deviations from the mean; a fraction where a float cannot hold it.
    """

    count: int
    first: int
    last: int
    meta: int
    low: Number
    high: Number
    whole: int | None
    parts: list[float]
    spread: float | Fraction

    def pack(self, start: int) -> bytes:
        """As bytes, moments counted from `start`.

        Raises:
            Unrepresentable: floats cannot hold the sums.
        """
        if isinstance(self.spread, Fraction) or (len(self.parts) > 1 and not _has_sum(self.parts)):
            raise Unrepresentable
        return _encode(
            (
                self.count, self.first - start, self.last - start, self.meta, _packed(self.low), _packed(self.high),
                None if self.whole is None else _packed(self.whole), self.parts, self.spread,
            )
        )  # fmt: skip

    @classmethod
    def unpack(cls, body: bytes, start: int) -> Sums:
        """The sums in what `pack` made."""
        found = _decode(body)
        found.first += start
        found.last += start
        # Text where an integer has more than 64 bits.
        if found.low.__class__ is str or found.high.__class__ is str:
            found.low, found.high = _unpacked(found.low), _unpacked(found.high)
        if found.whole.__class__ is str:
            found.whole = int(found.whole)
        return found

    @property
    def total(self) -> Number:
        """The sum: an exact integer where all volumes are integers, else rounded once."""
        if not self.parts:
            return self.whole or 0
        return _added(self.parts, self.whole)

    @property
    def mean(self) -> float:
        """The mean."""
        return self.total / self.count

    @property
    def deviation(self) -> float:
        """The standard deviation of all volumes (not of a sample of them)."""
        return _root(self.spread / self.count)

    def exact(self) -> Fraction:
        """The sum without any rounding."""
        return sum(map(Fraction, self.parts), Fraction(self.whole or 0))


class _Packed(Sums, array_like=True):
    """Sums in their form in bytes: integers of more than 64 bits are text."""

    low: int | float | str  # type: ignore[assignment]  # until it is unpacked
    high: int | float | str  # type: ignore[assignment]
    whole: int | str | None  # type: ignore[assignment]
    spread: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def _packed(number: Number) -> Number | str:
    return str(number) if isinstance(number, int) and not _SMALLEST <= number <= _GREATEST else number


def _unpacked(value: Number | str) -> Number:
    return int(value) if isinstance(value, str) else value


def of(volumes: Sequence[Number], first: int, last: int, meta: int) -> Sums:
    """The sums of volumes.

    Args:
        volumes: at least one.
        first, last: their first and last timestamp.
        meta: see `Sums`.
    """
    count = len(volumes)
    integers = [each for each in volumes if each.__class__ is int]
    if len(integers) == count:
        whole = sum(integers)
        # Deviations from an integer near the mean are exact.
        near = whole // count
        shifted = [each - near for each in integers]
        left = whole - near * count
        spread = _divided(sum(each * each for each in shifted) * count - left * left, count)
        return Sums(count, first, last, meta, min(integers), max(integers), whole, [], spread)
    if integers:
        floats = [each for each in volumes if each.__class__ is not int]
        parts = compressed(floats)
        found = Sums(count, first, last, meta, min(volumes), max(volumes), sum(integers), parts, 0.0)
        found.spread = _exact_spread(volumes, found.exact())
        return found
    parts = compressed(volumes)
    found = Sums(count, first, last, meta, min(volumes), max(volumes), None, parts, 0.0)
    try:
        mean = math.fsum(parts) / count
        shifted_floats = [each - mean for each in volumes]
        rest = math.fsum(shifted_floats)
        found.spread = max(0.0, math.fsum(each * each for each in shifted_floats) - rest * rest / count)
    except OverflowError:
        found.spread = math.inf
    if not _TINY < found.spread < math.inf or _is_close(found):
        found.spread = _exact_spread(volumes, found.exact())
    return found


def merged(all_sums: Sequence[Sums], *, with_spread: bool = True) -> Sums:
    """The sums of all that is in some sums; the metadata are those of the latest.

    Args:
        all_sums: at least one.
        with_spread: False leaves the spread out, which takes more time than the rest.
    """
    if len(all_sums) == 1:
        return all_sums[0]
    latest = max(all_sums, key=_last)
    wholes = [each.whole for each in all_sums if each.whole is not None]
    found = Sums(
        sum(each.count for each in all_sums),
        min(each.first for each in all_sums),
        latest.last,
        latest.meta,
        min(each.low for each in all_sums),
        max(each.high for each in all_sums),
        sum(wholes) if wholes else None,
        compressed([part for each in all_sums for part in each.parts]),
        0.0,
    )
    if with_spread:
        found.spread = _spread(all_sums, found)
    return found


def _last(sums: Sums) -> int:
    return sums.last


def _spread(all_sums: Sequence[Sums], together: Sums) -> float | Fraction:
    """The sum of squared deviations of all that is in some sums, from the mean of them together."""
    inner = [each.spread for each in all_sums]
    try:
        mean = together.mean
        found = math.fsum([*inner, *[each.count * (each.mean - mean) ** 2 for each in all_sums]])
    except OverflowError:
        found = math.inf
    else:
        # Means that are rounded differ by so much where the volumes do not differ at all.
        if _TINY < found < math.inf and math.sqrt(found / together.count) > _CLOSE * abs(mean):
            return found
    exact = together.exact() / together.count
    squares = sum((each.count * (each.exact() / each.count - exact) ** 2 for each in all_sums), Fraction(0))
    return _held(sum((Fraction(each) for each in inner), squares))


def _is_close(sums: Sums) -> bool:
    return sums.deviation <= _CLOSE * abs(sums.mean)


def _exact_spread(volumes: Sequence[Number], total: Fraction) -> float | Fraction:
    mean = total / len(volumes)
    return _held(sum(((Fraction(each) - mean) ** 2 for each in volumes), Fraction(0)))


def compressed(floats: Iterable[float]) -> list[float]:
    """Few floats whose sum is exactly that of these, the rounded sum first; all of them where a float cannot hold the sum."""
    given = list(floats)
    if len(given) < 2:
        return given
    left = list(given)
    parts: list[float] = []
    try:
        while True:
            part = math.fsum(left)
            if part == 0.0 and parts:
                return parts
            parts.append(part)
            if part == 0.0:
                return parts
            left.append(-part)
    except OverflowError:
        return given


def _has_sum(parts: Sequence[float]) -> bool:
    try:
        math.fsum(parts)
    except OverflowError:
        return False
    return True


def _added(parts: Sequence[float], whole: int | None) -> Number:
    try:
        return math.fsum(parts) if not whole else float(sum(map(Fraction, parts), Fraction(whole)))
    except OverflowError:
        # Floats of this size are integers.
        return int(sum(map(Fraction, parts), Fraction(whole or 0)))


def _divided(number: int, by: int) -> float | Fraction:
    """The quotient, rounded once, where a float can hold it."""
    try:
        return number / by
    except OverflowError:
        return Fraction(number, by)


def _held(number: Fraction) -> float | Fraction:
    """A float, where one can hold it with all its digits."""
    try:
        found = float(number)
    except OverflowError:
        return number
    return found if not number or found > _TINY else number


def _root(square: float | Fraction) -> float:
    if isinstance(square, float):
        return math.sqrt(square)
    # Scaled to about one, by a power of four.
    shift = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(float(square / Fraction(4) ** shift)), shift)

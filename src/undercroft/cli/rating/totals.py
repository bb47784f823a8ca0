"""What a selection of points adds up to, exactly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from undercroft.rating import BaseStorage, DataFrame
from undercroft.rating.numbers import CONTEXT, ZERO, plain, storable


class Totals(msgspec.Struct, frozen=True):
    """Number of points, and the sums of their numbers."""

    points: int = 0
    qty: Decimal = ZERO
    price: Decimal = ZERO

    def less(self, other: Totals) -> Totals:
        """The difference."""
        qty, price = CONTEXT.subtract(self.qty, other.qty), CONTEXT.subtract(self.price, other.price)
        return Totals(self.points - other.points, plain(qty), plain(price))


def stored(store: BaseStorage, begin: dt.datetime, end: dt.datetime, filters: dict[str, Any] | None = None) -> Totals:
    """The totals of what is stored."""
    points = store.retrieve(begin, end, filters, limit=0)["total"]
    for row in store.total(begin=begin, end=end, filters=filters)["results"]:
        return Totals(points, row["qty"], row["rate"])
    return Totals(points)


class Tally:
    """Adds up frames, as a store would keep them, while they pass by."""

    def __init__(self) -> None:
        self.points = 0
        self._qty = self._price = ZERO

    def add(self, frame: DataFrame) -> DataFrame:
        """Count a frame; gives it back."""
        for _, point in frame.iterpoints():
            self.points += 1
            self._qty = CONTEXT.add(self._qty, storable(point.qty, "qty")[0])
            self._price = CONTEXT.add(self._price, storable(point.price, "price")[0])
        return frame

    def totals(self) -> Totals:
        """What has passed by so far."""
        return Totals(self.points, plain(self._qty), plain(self._price))


def given(frames: Iterable[DataFrame]) -> Totals:
    """The totals of frames."""
    tally = Tally()
    for frame in frames:
        tally.add(frame)
    return tally.totals()

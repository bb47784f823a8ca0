"""The first of many items, and whether there are more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Cut(Generic[T]):
    """The first of some items, counted as they pass by.

    Args:
        items: one more than `limit` where there are more.
        limit: how many pass; None for all.

    Attributes:
        count: how many have passed.
        has_more: whether there was one more.
        last: the last that has passed.
    """

    def __init__(self, items: Iterable[T], limit: int | None) -> None:
        self.count = 0
        self.has_more = False
        self.last: T | None = None
        self._items = items
        self._limit = limit

    def __iter__(self) -> Iterator[T]:
        for item in self._items:
            if self.count == self._limit:
                # Read to the end, which gives the connection back.
                self.has_more = True
                continue
            self.count += 1
            self.last = item
            yield item

"""Parts of what comes in bulk, each as much as may go at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

R = TypeVar("R")


def portions(rows: Iterable[R], most: int, size: int, weigh: Callable[[R], int]) -> Iterator[list[R]]:
    """The rows, in order, in lists of at most `most` that weigh at most `size`; a heavier row is a list of its own."""
    portion: list[R] = []
    filled = 0
    for each in rows:
        weight = weigh(each)
        if portion and (len(portion) >= most or filled + weight > size):
            yield portion
            portion, filled = [], 0
        portion.append(each)
        filled += weight
    if portion:
        yield portion


def batches(rows: Iterable[R], most: int) -> Iterator[list[R]]:
    """The rows, in order, in lists of at most `most`."""
    rest = iter(rows)
    while batch := list(islice(rest, most)):
        yield batch

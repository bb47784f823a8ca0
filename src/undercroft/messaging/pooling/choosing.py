"""Which pool takes a queue."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """What is chosen from."""

    @property
    def weight(self) -> int:
        """How much of all it takes."""
        ...


P = TypeVar("P", bound=Weighted)


def chosen(pools: Sequence[P]) -> P | None:
    """One of these, by their weights; None where none has any."""
    total = sum(pool.weight for pool in pools)
    if not total:
        return None
    place = random.randrange(total)  # noqa: S311 - spreads queues, keeps no secret
    for pool in pools:
        place -= pool.weight
        if place < 0:
            return pool
    return None

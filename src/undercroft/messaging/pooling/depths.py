"""How full queues are, over all pools."""

from __future__ import annotations

from collections.abc import Iterable

from undercroft.messaging.models import Depth, Depths
from undercroft.messaging.pooling.pools import Pool


def merged(found: Iterable[tuple[Pool, Depths]], limit: int) -> Depths:
    """What the pools say, as one; a queue that is on its way is in several of them."""
    queues: dict[tuple[str, str], Depth] = {}
    total = 0
    for _, depths in found:
        # The control plane's own store has every queue that was made.
        total = max(total, len(depths.queues) + depths.left_out)
        for one in depths.queues:
            other = queues.get((one.project, one.queue))
            queues[one.project, one.queue] = one if other is None else _sum(one, other)
    ordered = sorted(queues.values(), key=lambda one: (-one.free - one.claimed, one.project, one.queue))
    return Depths(ordered[:limit], max(total, len(ordered)) - len(ordered[:limit]))


def _sum(one: Depth, other: Depth) -> Depth:
    return one._replace(
        free=one.free + other.free, claimed=one.claimed + other.claimed, oldest_age=max(one.oldest_age, other.oldest_age)
    )

"""The cache of queues that a store has whose opener gave none: a region of dogpile.cache in the memory of the process."""

from __future__ import annotations

import collections
from typing import Any

import dogpile.cache
from dogpile.cache.region import CacheRegion

# Queues that are remembered: of each at most 64 KiB over HTTP.
MOST = 1_000


class Newest(collections.OrderedDict[str, Any]):
    """A dict that keeps what was set last."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > MOST:
            self.popitem(last=False)


def region() -> CacheRegion:
    """A region that keeps so many values."""
    return dogpile.cache.make_region().configure("dogpile.cache.memory", arguments={"cache_dict": Newest()})

"""The metering store of this product, through its own contract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import undercroft
from undercroft.conformance.datasources.feeders.agents import samples
from undercroft.conformance.datasources.feeding import Series


class Feeder:
    """Stores samples as Ceilometer's publisher does.

    Args:
        url: of the store.
    """

    def __init__(self, url: str) -> None:
        self._store = undercroft.connect("metering", url)
        self._store.init()

    def feed(self, series: Sequence[Series]) -> None:
        """Store the samples."""
        self._store.record_metering_data_batch(itertools.chain.from_iterable(map(samples, series)))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

"""What stores tell about themselves on `/metrics`: numbers that are asked for when somebody looks, and kept for some seconds."""

from __future__ import annotations

import logging
import threading
import time as monotonic
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from undercroft.core import deadline
from undercroft.core.errors import UndercroftError

LOG = logging.getLogger(__name__)
# How long an answer counts, also one that failed, and how long it may take.
KEPT_SECONDS = 5.0
_SECONDS = 2.5


class Gauge(NamedTuple):
    """One number of a store, or the same number of several things in it.

    Attributes:
        name: with `undercroft_` and the kind's name before it, the metric's name.
        does: what it says, for its help.
        labels: names of its labels.
        values: values of the labels, and the number.
    """

    name: str
    does: str
    labels: Sequence[str]
    values: Sequence[tuple[Sequence[str], float]]


class Asked(Collector):
    """The numbers of one store. They are asked for at most each `KEPT_SECONDS`, by one request at a time; others get what is known.

    Args:
        kind: the kind's name.
        ask: asks the store.
    """

    def __init__(self, kind: str, ask: Callable[[], Sequence[Gauge]]) -> None:
        self._kind = kind
        self._ask = ask
        self._lock = threading.Lock()
        self._until = 0.0
        self._known: Sequence[Gauge] = ()
        self._is_up = False

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The numbers, and whether the store answered."""
        self._refresh()
        yield GaugeMetricFamily(f"undercroft_{self._kind}_up", "Whether the store gave its numbers.", float(self._is_up))
        for gauge in self._known:
            family = GaugeMetricFamily(f"undercroft_{self._kind}_{gauge.name}", gauge.does, labels=gauge.labels)
            for labels, value in gauge.values:
                family.add_metric(labels, value)
            yield family

    def _refresh(self) -> None:
        if monotonic.monotonic() < self._until or not self._lock.acquire(blocking=False):
            return
        try:
            with deadline.within(_SECONDS):
                self._known, self._is_up = self._ask(), True
        except UndercroftError as error:
            LOG.warning("the store of %s does not give its numbers: %s", self._kind, error)
            self._known, self._is_up = (), False
        finally:
            self._until = monotonic.monotonic() + KEPT_SECONDS
            self._lock.release()

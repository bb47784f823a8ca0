"""What the base class asks a driver, and what a driver answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from undercroft.core import time
from undercroft.datasources.meters import Meter, Metric
from undercroft.datasources.resources import Reference


class Window(NamedTuple):
    """A stretch of time, in microseconds since 1970: `after` is outside, `until` inside.

    Moments of samples are compared with these as they are: `after < moment <= until`.
    """

    after: int
    until: int

    @property
    def start(self) -> dt.datetime:
        """`after` as a moment."""
        return time.from_micros(self.after)

    @property
    def end(self) -> dt.datetime:
        """`until` as a moment."""
        return time.from_micros(self.until)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until - self.after) / 1_000_000


class Question(NamedTuple):
    """One query for one meter of many resources.

    Attributes:
        meter: what is asked for.
        metric: how this backend stores it.
        window: which samples count.
        aggregate: `mean`, `min`, `max` or `count`, of what is stored: min and max are swapped already for a complement.
        granularity: seconds, a hint which stored resolution to read; None for the finest.
        ids: instances only: the uuids that are asked about; None for every resource that has the metric. Hosts are few: they are
            always asked for all together, and picked by the base class.
        references: the resources that are asked about, for a driver that can ask for one at a time only; empty for all.
        prefix: where `ids` is None, only instances whose uuid begins so, with hexadecimal digits; of drivers with `slices` alone.
    """

    meter: Meter
    metric: Metric
    window: Window
    aggregate: str
    granularity: int | None
    ids: Sequence[str] | None = None
    references: Sequence[Reference] = ()
    prefix: str = ""


class Found(NamedTuple):
    """What a backend has of one resource in the window.

    Attributes:
        value: the aggregate of what is stored, in its own unit; for `count` the number of samples.
    """

    value: float


# A sample: microseconds since 1970, and the value as it is stored.
Point = tuple[int, float]

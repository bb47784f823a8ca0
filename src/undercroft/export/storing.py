"""Batches go from the source to the target: counted."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from undercroft.core import deadline, time
from undercroft.export.metrics import Metrics
from undercroft.export.source import Batch
from undercroft.export.state import Unit
from undercroft.export.target import Target


class Window(NamedTuple):
    """Times that are asked for, naive UTC: `begin` <= timestamp < `end`."""

    begin: dt.datetime
    end: dt.datetime


class Step(NamedTuple):
    """A batch that is in the target.

    Attributes:
        unit: the endpoint, filter and meter that it is of.
        window: what was asked for.
        until: naive UTC; everything of the window before it was read.
        read: samples that the API gave.
        new: rows that were added.
        refused: samples that cannot be stored, each counted once.
        cut: texts that were cut to the width of their column.
        place, of: which of how many windows of this pass it is of, from 0.
    """

    unit: Unit
    window: Window
    until: dt.datetime
    read: int
    new: int
    refused: int
    cut: int
    place: int
    of: int

    @property
    def done(self) -> float:
        """How much of this pass is done, 0 to 1."""
        whole = (self.window.end - self.window.begin).total_seconds()
        part = (self.until - self.window.begin).total_seconds() / whole if whole > 0 else 1.0
        return (self.place + min(1.0, max(0.0, part))) / max(1, self.of)


class Storing:
    """Stores batches in a target.

    Args:
        target: where to.
        hang_up: see the attribute.
        metrics: see the attribute.

    Attributes:
        metrics: counts what is done.
        is_under_way: whether a transaction is, which a signal must not break off.
        hang_up: cuts off such a transaction when it takes too long after a signal; nothing is lost by that: nothing was moved.
    """

    def __init__(self, target: Target, hang_up: deadline.HangUp | None = None, metrics: Metrics | None = None) -> None:
        self._target = target
        self.metrics = metrics or Metrics()
        self.is_under_way = False
        self.hang_up = hang_up or deadline.HangUp()

    def store(self, unit: Unit, batch: Batch, window: Window, place: int, of: int, *, moves: bool) -> Step:
        """Store a batch.

        Args:
            unit, batch, window: what was read.
            place, of: for `Step`.
            moves: whether the unit's point moves on with it.
        """
        until = min(batch.until, window.end)
        with self._shielded():
            stored = self._target.store(unit, batch.samples, until if moves else None, batch.refused)
        step = Step(
            unit, window, until, len(batch.samples) + len(batch.refused), stored.new, len(stored.refused), stored.cut, place, of
        )
        self.metrics.stored(unit.filter, unit.meter, read=step.read, new=step.new, refused=step.refused, cut=step.cut)
        if moves:
            self.metrics.at(unit.filter, unit.meter, until, time.now().replace(tzinfo=None))
        return step

    @contextlib.contextmanager
    def _shielded(self) -> Iterator[None]:
        self.is_under_way = True
        try:
            with deadline.until(self.hang_up):
                yield
        finally:
            self.is_under_way = False

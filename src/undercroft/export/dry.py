"""A target in which nothing is stored: what would be read is counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from undercroft.core.errors import Denied
from undercroft.export.sample import Refused, Sample
from undercroft.export.state import Point, Stored, Unit
from undercroft.export.target import Target


class DryTarget(Target):
    """Reads the points of a target, and leaves everything as it is."""

    def prepare(self, create: bool = True) -> None:
        """Nothing is made."""

    def points(self, endpoint_id: str) -> dict[Unit, Point]:
        """See `Target`; none where the tables, or the database, are not there yet."""
        try:
            return super().points(endpoint_id)
        except Denied:
            return {}

    def store(self, unit: Unit, samples: Sequence[Sample], position: dt.datetime | None, unread: Sequence[Refused] = ()) -> Stored:
        """Count."""
        return Stored(len({sample.message_id for sample in samples}), list(unread), 0)

    def failed(self, unit: Unit, text: str) -> None:
        """Nothing is kept."""

    def acquire(self, endpoint_id: str) -> bool:
        """A worker may run beside it."""
        return True

    def holds(self) -> bool:
        """See `acquire`."""
        return True

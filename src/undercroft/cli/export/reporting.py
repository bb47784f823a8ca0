"""What the worker's commands tell about what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.export.storing import Step


class Totals(msgspec.Struct):
    """Sums over what was done.

    Attributes:
        read: samples that the API gave.
        new: rows that were added.
        refused: samples that cannot be stored.
        cut: texts that were cut.
    """

    read: int = 0
    new: int = 0
    refused: int = 0
    cut: int = 0

    def add(self, step: Step) -> None:
        """Add a step."""
        self.read += step.read
        self.new += step.new
        self.refused += step.refused
        self.cut += step.cut

    @property
    def words(self) -> str:
        """The sums for people."""
        found = [f"{number(self.read, 'samples')} read", f"{number(self.new, 'rows')} added"]
        if self.refused:
            found.append(f"{number(self.refused, 'samples')} refused")
        if self.cut:
            found.append(f"{number(self.cut, 'texts')} cut")
        return ", ".join(found)


# A bar goes in thousandths.
WHOLE = 1000


def followed(steps: Iterable[Step], show: Callable[[int, str], None]) -> Totals:
    """Go through steps, and show each."""
    totals = Totals()
    for step in steps:
        totals.add(step)
        show(round(step.done * WHOLE), f"{step.unit.filter}/{step.unit.meter}: {totals.words}")
    return totals

"""What an audit finds."""

from __future__ import annotations

from typing import NamedTuple


class Faults(NamedTuple):
    """How a store differs from what was acknowledged.

    Attributes:
        lost: items that are missing, or are there fewer times than they should be.
        doubled: items that are there too often, or should not be there, or not in this form.
        answers: questions whose answer differs from what follows from the items that should be there.
    """

    lost: int
    doubled: int
    answers: list[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.answers)

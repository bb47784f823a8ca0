"""What an import of events reports."""

from __future__ import annotations

import msgspec

from undercroft.cli import importing


class Outcome(importing.Outcome):
    """What one run did with one file of events.

    Attributes:
        left_out: traits of notifications that were left out, by their names.
    """

    left_out: dict[str, int] = msgspec.field(default_factory=dict)

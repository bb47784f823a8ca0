"""The four exceptions of seed 001, each at its place in the tree of `core.errors`."""

from __future__ import annotations

from undercroft.core.errors import ConfigInvalid, InvalidInput, UndercroftError


class InvalidMarker(InvalidInput):
    """The marker of a page names no event.

    May be raised with a text alone, as the hosts do.
    """

    def __init__(self, text: str = "the marker was not found") -> None:
        super().__init__("marker", text)

    def __str__(self) -> str:
        return self.problem


class StorageBadAggregate(InvalidInput):
    """An aggregate is unacceptable to the storage."""

    code = 400  # the seed has it on the class, too

    def __init__(self, text: str = "unacceptable aggregate") -> None:
        super().__init__("aggregate", text)


class StorageBadVersion(ConfigInvalid):
    """The engine is too old."""


class StorageUnknownWriteError(UndercroftError):
    """Events could not be written, for a reason that is not known."""

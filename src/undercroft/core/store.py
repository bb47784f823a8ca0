"""What the shared parts of the product ask of a store of any kind. A kind's contract class has these beside its own methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from undercroft.core.findings import Finding
from undercroft.core.jobs import Locks


class Store(Protocol):
    """An open store, which may be shared by threads."""

    def init(self) -> None:
        """Create or upgrade what it keeps its data in; harmless to repeat."""

    def locks(self) -> Locks:
        """Where processes agree who does a periodic job."""
        ...

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        """Examine it, changing nothing; with `verify`, all that is stored."""
        ...

    def drop(self) -> None:
        """Remove its namespace with all that is in it."""

    def close(self) -> None:
        """Close its connections."""


@runtime_checkable
class Versioned(Store, Protocol):
    """A store whose tables have a version."""

    def check(self) -> list[str]:
        """What keeps the tables from being current."""
        ...

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version, and the one that is needed."""
        ...

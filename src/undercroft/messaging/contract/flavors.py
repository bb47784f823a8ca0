"""Flavors: groups of pools that a queue may ask for."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any


class FlavorsBase(abc.ABC):
    """The register of flavors. A flavor is `{"name"}`, and `capabilities` when detailed.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @abc.abstractmethod
    def list(self, project: str | None = None, marker: str | None = None, limit: int = 10, detailed: bool = False) -> Iterator[Any]:
        """A page of the project's flavors in the order of their names, then the marker of the next page."""

    @abc.abstractmethod
    def create(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Make a flavor, or make it anew."""

    @abc.abstractmethod
    def get(self, name: str, project: str | None = None, detailed: bool = False) -> dict[str, Any]:
        """One flavor; raises FlavorDoesNotExist."""

    @abc.abstractmethod
    def exists(self, name: str, project: str | None = None) -> bool:
        """Whether there is such a flavor."""

    @abc.abstractmethod
    def delete(self, name: str, project: str | None = None) -> None:
        """Remove a flavor; an unknown one is ignored."""

    @abc.abstractmethod
    def update(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Change what it offers; raises FlavorDoesNotExist."""

    @abc.abstractmethod
    def drop_all(self) -> None:
        """Remove every flavor."""

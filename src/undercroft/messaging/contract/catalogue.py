"""The catalogue: which pool a queue is in."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import Any


class CatalogueBase(abc.ABC):
    """Maps queues to pools. An entry is `{"project", "queue", "pool"}`.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @abc.abstractmethod
    def list(self, project: str | None) -> Iterable[dict[str, Any]]:
        """Every entry of a project."""

    @abc.abstractmethod
    def get(self, project: str | None, queue: str) -> dict[str, Any]:
        """One entry; raises QueueNotMapped."""

    @abc.abstractmethod
    def exists(self, project: str | None, queue: str) -> bool:
        """Whether the queue has an entry."""

    @abc.abstractmethod
    def insert(self, project: str | None, queue: str, pool: str) -> None:
        """Make an entry, or make it anew."""

    @abc.abstractmethod
    def delete(self, project: str | None, queue: str) -> None:
        """Remove an entry; an unknown one is ignored."""

    @abc.abstractmethod
    def update(self, project: str | None, queue: str, pool: str | None = None) -> None:
        """Change the pool; raises QueueNotMapped."""

    @abc.abstractmethod
    def drop_all(self) -> None:
        """Remove every entry."""

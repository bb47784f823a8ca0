"""Pools: the data drivers that queues are spread over."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import Any


class PoolsBase(abc.ABC):
    """The register of pools. A pool is `{"name", "uri", "weight", "flavor"}`, and `options` when detailed.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @abc.abstractmethod
    def list(self, marker: str | None = None, limit: int = 10, detailed: bool = False) -> Iterator[Any]:
        """A page of pools in the order of their names, then the marker of the next page; a limit of 0 means all."""

    @abc.abstractmethod
    def create(self, name: str, weight: int, uri: str, flavor: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Register a pool, or register it anew; PoolAlreadyExists where another one has its URI."""

    @abc.abstractmethod
    def get(self, name: str, detailed: bool = False) -> dict[str, Any]:
        """One pool; raises PoolDoesNotExist."""

    @abc.abstractmethod
    def get_pools_by_flavor(self, flavor: Mapping[str, Any] | None = None, detailed: bool = False) -> Any:
        """The pools of a flavor, a mapping with `name`; all of them for None."""

    @abc.abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is such a pool."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Remove a pool; PoolInUseByFlavor where it is the last one of a flavor."""

    @abc.abstractmethod
    def update(self, name: str, **kwargs: Any) -> None:
        """Change uri, weight, flavor or options; AssertionError for none of them, PoolDoesNotExist."""

    @abc.abstractmethod
    def drop_all(self) -> None:
        """Remove every pool."""

    @abc.abstractmethod
    def capabilities(self, flavor: Mapping[str, Any] | None = None, name: str | None = None) -> Any:
        """What the driver behind the pool offers, or behind the flavor's first pool; empty where there is none."""

"""Zaqar's controllers of pools, flavors and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zaqar import storage
from zaqar.storage import utils

from undercroft.compat.zaqar.errors import as_theirs

_PAGE = storage.DEFAULT_POOLS_PER_PAGE


class Pools(storage.PoolsBase):
    """Pools. What they offer is what Zaqar's drivers of their URIs' schemes do, which may be others than ours."""

    @property
    def _ours(self) -> Any:
        found = self.driver.ours.pools_controller
        found.offers = self._offers
        return found

    def _offers(self, uri: str) -> tuple[Any, ...]:
        driver = utils.load_storage_impl(uri, default_store=self.driver.conf.drivers.message_store)
        return tuple(driver.BASE_CAPABILITIES)

    def _list(self, marker: str | None = None, limit: int = _PAGE, detailed: bool = False) -> Iterator[Any]:
        with as_theirs():
            pools, last = self._ours.list(marker, limit, detailed)
        # Zaqar's callers take the first of the two by `next`, too.
        return iter((iter(pools), last))

    def _create(self, name: str, weight: int, uri: str, flavor: str | None = None, options: Any = None) -> None:
        with as_theirs():
            self._ours.create(name, weight, uri, flavor, options)

    def _get_pools_by_flavor(self, flavor: Any = None, detailed: bool = False) -> Any:
        with as_theirs():
            return self._ours.get_pools_by_flavor(flavor, detailed)

    def _get(self, name: str, detailed: bool = False) -> Any:
        with as_theirs():
            return self._ours.get(name, detailed)

    def _exists(self, name: str) -> bool:
        with as_theirs():
            return bool(self._ours.exists(name))

    def _delete(self, name: str) -> None:
        with as_theirs():
            self._ours.delete(name)

    def _update(self, name: str, **kwargs: Any) -> None:
        with as_theirs():
            self._ours.update(name, **kwargs)

    def _drop_all(self) -> None:
        with as_theirs():
            self._ours.drop_all()


class Flavors(storage.FlavorsBase):
    """Flavors."""

    @property
    def _ours(self) -> Any:
        return self.driver.ours.flavors_controller

    def list(
        self, project: str | None = None, marker: str | None = None, limit: int = _PAGE, detailed: bool = False
    ) -> Iterator[Any]:
        """A page of flavors, then the marker of the next one."""
        with as_theirs():
            flavors, last = self._ours.list(project, marker, limit, detailed)
        return iter((iter(flavors), last))

    def create(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Make a flavor, or make it anew."""
        with as_theirs():
            self._ours.create(name, project, capabilities)

    def get(self, name: str, project: str | None = None, detailed: bool = False) -> Any:
        """One flavor."""
        with as_theirs():
            return self._ours.get(name, project, detailed)

    def exists(self, name: str, project: str | None = None) -> bool:
        """Whether there is such a flavor."""
        with as_theirs():
            return bool(self._ours.exists(name, project))

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove a flavor."""
        with as_theirs():
            self._ours.delete(name, project)

    def update(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Change what it offers."""
        with as_theirs():
            self._ours.update(name, project, capabilities)

    def drop_all(self) -> None:
        """Remove every flavor."""
        with as_theirs():
            self._ours.drop_all()


class Catalogue(storage.CatalogueBase):
    """The catalogue."""

    @property
    def _ours(self) -> Any:
        return self.driver.ours.catalogue_controller

    def list(self, project: str | None) -> Iterable[Any]:
        """Every entry of a project."""
        with as_theirs():
            return list(self._ours.list(project))

    def get(self, project: str | None, queue: str) -> Any:
        """One entry."""
        with as_theirs():
            return self._ours.get(project, queue)

    def exists(self, project: str | None, queue: str) -> bool:
        """Whether the queue has an entry."""
        with as_theirs():
            return bool(self._ours.exists(project, queue))

    def insert(self, project: str | None, queue: str, pool: str) -> None:
        """Make an entry, or make it anew."""
        with as_theirs():
            self._ours.insert(project, queue, pool)

    def delete(self, project: str | None, queue: str) -> None:
        """Remove an entry."""
        with as_theirs():
            self._ours.delete(project, queue)

    def update(self, project: str | None, queue: str, pool: str | None = None) -> None:
        """Change the pool."""
        with as_theirs():
            self._ours.update(project, queue, pool)

    def drop_all(self) -> None:
        """Remove every entry."""
        with as_theirs():
            self._ours.drop_all()

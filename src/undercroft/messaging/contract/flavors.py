"""Flavors: groups of pools that a queue may ask for."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.core import document
from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import FlavorDoesNotExist
from undercroft.messaging.models import Flavor


class FlavorsBase(abc.ABC):
    """The register of flavors. A flavor is `{"name"}`, and `capabilities` when detailed.

    P9  A flavor belongs to a project, which is that of queues (Q2). Which pools it has, the pools say.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def list(self, project: str | None = None, marker: str | None = None, limit: int = 10, detailed: bool = False) -> Iterator[Any]:
        """A page of the project's flavors, then the marker of the next page; as pools are listed (P3)."""
        found = self._list(arguments.project(project), arguments.name_marker(marker), arguments.limit_or_all(limit))
        return iter(([_shown(flavor, detailed) for flavor in found], found[-1].name if found else ""))

    def create(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Make a flavor, or make it anew.

        P10 `capabilities` are any JSON, which is given back as it came; None is an empty object.
        """
        self._put(_name(name), arguments.project(project), _capabilities(capabilities))

    def get(self, name: str, project: str | None = None, detailed: bool = False) -> dict[str, Any]:
        """One flavor; raises FlavorDoesNotExist."""
        own = _name(name)
        found = self._get(own, arguments.project(project))
        if found is None:
            raise FlavorDoesNotExist(own)
        return _shown(found, detailed)

    def exists(self, name: str, project: str | None = None) -> bool:
        """Whether there is such a flavor."""
        return self._get(_name(name), arguments.project(project)) is not None

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove a flavor; an unknown one is ignored."""
        self._delete(_name(name), arguments.project(project))

    def update(self, name: str, project: str | None = None, capabilities: Any = None) -> None:
        """Change what it offers.

        P11 FlavorDoesNotExist; AssertionError where nothing is to be changed.
        """
        if capabilities is None:
            raise AssertionError("nothing to change: give capabilities")
        own = _name(name)
        if not self._update(own, arguments.project(project), _capabilities(capabilities)):
            raise FlavorDoesNotExist(own)

    def drop_all(self) -> None:
        """Remove every flavor, of all projects."""
        self._drop_all()

    def is_anywhere(self, name: str) -> bool:
        """Whether any project has a flavor of this name; ours, for those who look after pools."""
        return self._is_anywhere(_name(name))

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _list(self, project: str, marker: str, limit: int | None) -> Sequence[Flavor]:
        """At most `limit` flavors (all for None) whose names are behind the marker, in order."""

    @abc.abstractmethod
    def _get(self, name: str, project: str) -> Flavor | None:
        """One flavor."""

    @abc.abstractmethod
    def _put(self, name: str, project: str, capabilities: Any) -> None:
        """Make a flavor, in the place of the one of its name."""

    @abc.abstractmethod
    def _update(self, name: str, project: str, capabilities: Any) -> bool:
        """Change what a flavor offers; whether there is such a flavor."""

    @abc.abstractmethod
    def _delete(self, name: str, project: str) -> None:
        """Remove a flavor."""

    @abc.abstractmethod
    def _is_anywhere(self, name: str) -> bool:
        """Whether any project has such a flavor."""

    @abc.abstractmethod
    def _drop_all(self) -> None:
        """Remove every flavor."""


def _name(value: Any) -> str:
    return arguments.name(value, "flavor")


def _capabilities(value: Any) -> Any:
    if value is None:
        return {}
    document.encoded(value, "capabilities")
    return value


def _shown(flavor: Flavor, detailed: bool) -> dict[str, Any]:
    return {"name": flavor.name, "capabilities": flavor.capabilities} if detailed else {"name": flavor.name}

"""Pools: the data drivers that queues are spread over."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import PoolAlreadyExists, PoolCapabilitiesMismatch, PoolDoesNotExist, PoolInUseByFlavor
from undercroft.messaging.models import Pool

KIND = "messaging"
# Characters of a pool's URI; the HTTP API allows shorter ones only.
LONGEST_URI = 2_048
# What the schemes of our drivers begin with in a host, which finds drivers of its own by their schemes.
WITHIN_HOST = "undercroft+"


class PoolsBase(abc.ABC):
    """The register of pools. A pool is `{"name", "uri", "weight", "flavor"}`, and `options` when detailed.

    P1  Pools are of no project. The names of methods and arguments are the host's; `flavor` is None for a pool without one.
    P2  A URI is a secret, since it may hold a password: it is in the answers of this register, and in no error and no log.

    Attributes:
        offers: what the driver behind a URI offers; a host that has drivers of its own puts its own in this place.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.offers: Callable[[str], tuple[Any, ...]] = offered

    def list(self, marker: str | None = None, limit: int = 10, detailed: bool = False) -> Iterator[Any]:
        """A page of pools, then the marker of the next page.

        P3  An iterator of two items: an iterable of pools in the order of their names, by code point, and the last name of the
            page, empty for an empty page. `marker` is a name, which need not exist. A limit of 0 means all.
        """
        found = self._list(arguments.name_marker(marker), arguments.limit_or_all(limit))
        return iter(([_shown(pool, detailed) for pool in found], found[-1].name if found else ""))

    def create(self, name: str, weight: int, uri: str, flavor: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Register a pool, or register it anew.

        P4  What was registered under the name is replaced as a whole. PoolAlreadyExists where another pool has the URI: of pools
            that are registered with one URI at once, one is. PoolCapabilitiesMismatch where the driver behind the URI does not
            offer what the other pools of the flavor do. A weight is 0, for a pool that no new queue goes to, to 2^32-1.
        """
        pool = Pool(
            arguments.name(name, "pool"),
            _uri(uri),
            arguments.weight(weight),
            _flavor(flavor),
            arguments.mapping(options, "options"),
        )
        self._check(pool)
        if not self._put(pool):
            raise PoolAlreadyExists

    def get(self, name: str, detailed: bool = False) -> dict[str, Any]:
        """One pool; raises PoolDoesNotExist."""
        return _shown(self._found(name), detailed)

    def get_pools_by_flavor(self, flavor: Mapping[str, Any] | None = None, detailed: bool = False) -> Sequence[dict[str, Any]]:
        """The pools of a flavor, in the order of their names.

        P5  `flavor` is a mapping with `name`; None, and one without a name, mean all pools. A flavor need not exist.
        """
        name = None if flavor is None else flavor.get("name")
        wanted = None if not name else arguments.name(name, "flavor")
        return [_shown(pool, detailed) for pool in self._of_flavor(wanted)]

    def exists(self, name: str) -> bool:
        """Whether there is such a pool."""
        return self._get(arguments.name(name, "pool")) is not None

    def delete(self, name: str) -> None:
        """Remove a pool from the register; what it holds stays in it.

        P6  An unknown one is ignored. PoolInUseByFlavor where it is the last pool of a flavor that exists, in any project: of
            pools that are removed at once, one stays.
        """
        own = arguments.name(name, "pool")
        flavor = self._delete(own)
        if flavor is not None:
            raise PoolInUseByFlavor(own, flavor)

    def update(self, name: str, **kwargs: Any) -> None:
        """Change `uri`, `weight`, `flavor` or `options`.

        P7  What is None stays as it is; an empty flavor takes the pool out of its flavor. PoolDoesNotExist; AssertionError where
            nothing is to be changed; PoolAlreadyExists and PoolCapabilitiesMismatch as in `create`, and the latter also where the
            new URI's driver does not offer what the old one's did.
        """
        given = {key: value for key, value in kwargs.items() if value is not None}
        if not given.keys() & {"uri", "weight", "flavor", "options"}:
            raise AssertionError("nothing to change: give uri, weight, flavor or options")
        changes = {key: _checked(key, value) for key, value in given.items()}
        if "uri" in changes or changes.get("flavor"):
            old = self._found(name)
            new = old._replace(**changes)
            if _differ(self.offers(new.uri), self.offers(old.uri)):
                raise PoolCapabilitiesMismatch
            self._check(new)
        own = arguments.name(name, "pool")
        done = self._update(own, changes)
        if done is None:
            raise PoolDoesNotExist(own)
        if not done:
            raise PoolAlreadyExists

    def drop_all(self) -> None:
        """Remove every pool."""
        self._drop_all()

    def capabilities(self, flavor: Mapping[str, Any] | None = None, name: str | None = None) -> tuple[Any, ...]:
        """What the driver behind a pool offers, or behind the first pool of a flavor.

        P8  The `BASE_CAPABILITIES` of the driver of the URI's scheme (`undercroft+x` is `x`); empty where there is no such pool or
            no such driver. PoolDoesNotExist for an unknown name.
        """
        if name is not None:
            return self.offers(self._found(name).uri)
        found = self.get_pools_by_flavor(flavor)
        return self.offers(found[0]["uri"]) if found else ()

    def _found(self, name: str) -> Pool:
        own = arguments.name(name, "pool")
        found = self._get(own)
        if found is None:
            raise PoolDoesNotExist(own)
        return found

    def _check(self, pool: Pool) -> None:
        """Refuse a pool that does not offer what the others of its flavor do."""
        others = [other for other in self._of_flavor(pool.flavor) if other.name != pool.name] if pool.flavor else []
        if others and _differ(self.offers(pool.uri), self.offers(others[0].uri)):
            raise PoolCapabilitiesMismatch

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _list(self, marker: str, limit: int | None) -> Sequence[Pool]:
        """At most `limit` pools (all for None) whose names are behind the marker, in order."""

    @abc.abstractmethod
    def _of_flavor(self, flavor: str | None) -> Sequence[Pool]:
        """Every pool of a flavor, or every pool, in the order of their names."""

    @abc.abstractmethod
    def _get(self, name: str) -> Pool | None:
        """One pool."""

    @abc.abstractmethod
    def _put(self, pool: Pool) -> bool:
        """Register a pool, in the place of the one of its name; False, and nothing is changed, where another one has its URI."""

    @abc.abstractmethod
    def _update(self, name: str, changes: Mapping[str, Any]) -> bool | None:
        """Change fields of a pool; None for an unknown one; False, and nothing is changed, where another one has the new URI."""

    @abc.abstractmethod
    def _delete(self, name: str) -> str | None:
        """Remove a pool; where it is the last one of a flavor that exists in any project, that flavor, and it stays."""

    @abc.abstractmethod
    def _drop_all(self) -> None:
        """Remove every pool."""


def offered(uri: str) -> tuple[Any, ...]:
    """What the driver behind a pool's URI offers; empty where there is none."""
    try:
        driver = registry.load(KIND, urls.scheme(uri.removeprefix(WITHIN_HOST)))
    except ConfigInvalid:
        return ()
    return tuple(driver.BASE_CAPABILITIES)


def _differ(new: tuple[Any, ...], old: tuple[Any, ...]) -> bool:
    return bool(old) and new != old


def _uri(value: Any) -> str:
    return arguments.text(value, "uri", LONGEST_URI)


def _flavor(value: Any) -> str:
    return "" if value is None or value == "" else arguments.name(value, "flavor")


def _checked(field: str, value: Any) -> Any:
    match field:
        case "uri":
            return _uri(value)
        case "weight":
            return arguments.weight(value)
        case "flavor":
            return _flavor(value)
        case "options":
            return arguments.mapping(value, field)
    raise InvalidInput(field, "is not to be changed: uri, weight, flavor and options are")


def _shown(pool: Pool, detailed: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": pool.name, "uri": pool.uri, "weight": pool.weight, "flavor": pool.flavor or None}
    return found | {"options": pool.options} if detailed else found

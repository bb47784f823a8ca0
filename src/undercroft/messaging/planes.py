"""What the planes of every driver have in common: a store, which one URL opens for both."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from undercroft.messaging import contract, settings
from undercroft.messaging.cache import region


class Store(Protocol):
    """One namespace of an engine.

    Attributes:
        makes_queues: whether a message makes its queue for the control plane, too.

    Args:
        url: names it; options follow a question mark.
        options: the same options; they win over the URL's.
    """

    makes_queues: bool

    def __init__(self, url: str, options: Mapping[str, Any]) -> None: ...

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""

    def is_same(self, other: object) -> bool:
        """Whether another store is this namespace of this engine."""


S = TypeVar("S", bound=Store)


class ControlPlane(contract.ControlDriverBase, Generic[S]):
    """Queues and their metadata, pools, flavors, and the catalogue.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        url: of the store; the setting `[messaging] connection` unless given.
        options: options of the URL.
        store: an open store, in the place of the two.
    """

    _DRIVER_OPTIONS = settings.GROUPS
    _store: type[S]
    _queue_controller: ClassVar[type[contract.Queue]]
    _pools_controller: ClassVar[type[contract.PoolsBase]]
    _flavors_controller: ClassVar[type[contract.FlavorsBase]]
    _catalogue_controller: ClassVar[type[contract.CatalogueBase]]

    def __init__(
        self,
        conf: Any,
        cache: Any,
        *,
        url: str | None = None,
        options: Mapping[str, Any] | None = None,
        store: S | None = None,
    ) -> None:
        super().__init__(conf, cache)
        self.store = store or self._store(url or settings.connection(self.conf), options or {})

    @functools.cached_property
    def queue_controller(self) -> contract.Queue:
        """The queues."""
        return self._queue_controller(self)

    @functools.cached_property
    def pools_controller(self) -> contract.PoolsBase:
        """The pools."""
        return self._pools_controller(self)

    @functools.cached_property
    def flavors_controller(self) -> contract.FlavorsBase:
        """The flavors."""
        return self._flavors_controller(self)

    @functools.cached_property
    def catalogue_controller(self) -> contract.CatalogueBase:
        """The catalogue."""
        return self._catalogue_controller(self)

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        return self.store.now()


class DataPlane(contract.DataDriverBase, Generic[S]):
    """Messages, claims and subscriptions.

    Attributes:
        keeps_no_queues: whether the control plane is another store: dead letters, which the metadata of queues describe, are to
            be asked of that.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        control_driver: the other plane, of any engine.
        url: of the store; the setting `[messaging] connection` unless given.
        options: options of the URL.
        store: an open store, in the place of the two.
    """

    _DRIVER_OPTIONS = settings.GROUPS
    _store: type[S]
    _control_plane: ClassVar[type[ControlPlane[Any]]]

    def __init__(
        self,
        conf: Any,
        cache: Any,
        control_driver: Any,
        *,
        url: str | None = None,
        options: Mapping[str, Any] | None = None,
        store: S | None = None,
    ) -> None:
        super().__init__(conf, cache, control_driver)
        self.store = store or self._store(url or settings.connection(self.conf), options or {})
        self.keeps_no_queues = not self.store.is_same(getattr(control_driver, "store", None))
        self.makes_queues = not self.keeps_no_queues

    @property
    def makes_queues(self) -> bool:
        """See `contract.DataDriverBase`."""
        return self.store.makes_queues

    @makes_queues.setter
    def makes_queues(self, makes: bool) -> None:
        self.store.makes_queues = makes

    @classmethod
    def open(cls, url: str, *, conf: Any = None, cache: Any = None, **options: Any) -> Self:
        """See `contract.DataDriverBase`."""
        own = conf if conf is not None else settings.defaults()
        kept = region() if cache is None else cache
        store = cls._store(url, options)
        return cls(own, kept, cls._control_plane(own, kept, store=store), store=store)

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        return self.store.now()

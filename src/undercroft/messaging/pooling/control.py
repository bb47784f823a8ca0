"""The control plane of a store with pools: the store's own, but for queues, which have something in a pool."""

from __future__ import annotations

import functools
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.pooling.queues import Queue


class ControlDriver(contract.ControlDriverBase):
    """Queues, pools, flavors and the catalogue.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        data: the data plane, whose pools and look-ups this one shares.
    """

    def __init__(self, conf: Any, cache: Any, data: Any) -> None:
        super().__init__(conf, cache)
        self.messages = data.message_controller
        self.own_control: contract.ControlDriverBase = data.own_control
        self.lookup, self.pools, self.places = data.lookup, data.pools, data.places
        self.store = getattr(self.own_control, "store", None)

    @functools.cached_property
    def queue_controller(self) -> Queue:
        """The queues."""
        return Queue(self)

    @property
    def pools_controller(self) -> contract.PoolsBase:
        """The register of pools."""
        return self.own_control.pools_controller

    @property
    def flavors_controller(self) -> contract.FlavorsBase:
        """The flavors."""
        return self.own_control.flavors_controller

    @property
    def catalogue_controller(self) -> contract.CatalogueBase:
        """The catalogue."""
        return self.own_control.catalogue_controller

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        found: int = self.own_control.now()  # type: ignore[attr-defined]
        return found

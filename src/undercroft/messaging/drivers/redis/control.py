"""The control plane in Redis."""

from __future__ import annotations

from undercroft.messaging.drivers.redis.catalogue import Catalogue
from undercroft.messaging.drivers.redis.flavors import Flavors
from undercroft.messaging.drivers.redis.pools import Pools
from undercroft.messaging.drivers.redis.queues import Queue
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.planes import ControlPlane


class ControlDriver(ControlPlane[Store]):
    """Queues and their metadata, pools, flavors, and the catalogue; see `ControlPlane` for the arguments."""

    _store = Store
    _queue_controller = Queue
    _pools_controller = Pools
    _flavors_controller = Flavors
    _catalogue_controller = Catalogue

    def init(self) -> None:
        """See whether the servers are what the drivers are made for."""
        self.store.init()

    def close(self) -> None:
        self.store.redis.close()

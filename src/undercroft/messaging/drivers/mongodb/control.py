"""The control plane in MongoDB."""

from __future__ import annotations

from undercroft.messaging.drivers.mongodb.catalogue import Catalogue
from undercroft.messaging.drivers.mongodb.flavors import Flavors
from undercroft.messaging.drivers.mongodb.pools import Pools
from undercroft.messaging.drivers.mongodb.queues import Queue
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.planes import ControlPlane


class ControlDriver(ControlPlane[Store]):
    """Queues and their metadata, pools, flavors, and the catalogue; see `ControlPlane` for the arguments."""

    _store = Store
    _queue_controller = Queue
    _pools_controller = Pools
    _flavors_controller = Flavors
    _catalogue_controller = Catalogue

    def init(self) -> None:
        """See whether the server is what the drivers are made for, and make the indexes."""
        self.store.init()

    def close(self) -> None:
        self.store.close()

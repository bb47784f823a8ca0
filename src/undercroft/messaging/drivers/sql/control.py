"""The control plane in SQL."""

from __future__ import annotations

from typing import Any

from undercroft.messaging.drivers.sql.catalogue import Catalogue
from undercroft.messaging.drivers.sql.dialects import Lane
from undercroft.messaging.drivers.sql.flavors import Flavors
from undercroft.messaging.drivers.sql.pools import Pools
from undercroft.messaging.drivers.sql.queues import Queue
from undercroft.messaging.drivers.sql.store import Store
from undercroft.messaging.planes import ControlPlane


class ControlDriver(ControlPlane[Store]):
    """Queues and their metadata, pools, flavors, and the catalogue; see `ControlPlane` for the arguments."""

    _store = Store
    _queue_controller = Queue
    _pools_controller = Pools
    _flavors_controller = Flavors
    _catalogue_controller = Catalogue

    def __init__(self, conf: Any, cache: Any, **opened: Any) -> None:
        super().__init__(conf, cache, **opened)
        self.db, self.tables, self.plane = self.store.db, self.store.tables, self.store.plane

    def forget(self, lane: Lane) -> None:
        """Remove a queue with its messages."""
        self.store.forget(lane)

    def init(self) -> None:
        """Create or upgrade the tables."""
        self.store.init()

    def close(self) -> None:
        self.db.close()

"""The control plane in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercroft.messaging import contract, settings
from undercroft.messaging.drivers.sql.dialects import Lane
from undercroft.messaging.drivers.sql.queues import Queue
from undercroft.messaging.drivers.sql.store import Store


class ControlDriver(contract.ControlDriverBase):
    """Queues and their metadata.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        url: of the store; the setting `[messaging] connection` unless given.
        options: options of the URL.
        store: an open store, in the place of the two.
    """

    _DRIVER_OPTIONS = settings.GROUPS

    def __init__(
        self,
        conf: Any,
        cache: Any,
        *,
        url: str | None = None,
        options: Mapping[str, Any] | None = None,
        store: Store | None = None,
    ) -> None:
        super().__init__(conf, cache)
        self.store = store or Store(url or settings.connection(self.conf), options or {})
        self.db, self.tables, self.plane = self.store.db, self.store.tables, self.store.plane
        self._queues = Queue(self)

    @property
    def queue_controller(self) -> Queue:
        return self._queues

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        return self.store.now()

    def forget(self, lane: Lane) -> None:
        """Remove a queue with its messages."""
        self.store.forget(lane)

    def init(self) -> None:
        """Create or upgrade the tables."""
        self.store.sql.upgrade()
        self.plane.prepare()

    def close(self) -> None:
        self.db.close()

"""The control plane in Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercroft.messaging import contract, settings
from undercroft.messaging.drivers.redis.queues import Queue
from undercroft.messaging.drivers.redis.store import Store


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
        self._queues = Queue(self)

    @property
    def queue_controller(self) -> Queue:
        return self._queues

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        return self.store.now()

    def init(self) -> None:
        """See whether the servers are what the drivers are made for."""
        self.store.init()

    def close(self) -> None:
        self.store.redis.close()

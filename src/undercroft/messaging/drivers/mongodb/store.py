"""What both planes have in common: the database, and what works on its posts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercroft.messaging.drivers.mongodb.counting import Counter
from undercroft.messaging.drivers.mongodb.database import Database, Options
from undercroft.messaging.drivers.mongodb.keeping import Keeper
from undercroft.messaging.drivers.mongodb.moving import Mover
from undercroft.messaging.drivers.mongodb.order import Order
from undercroft.messaging.drivers.mongodb.posts import Posts
from undercroft.messaging.drivers.mongodb.taking import Taker

__all__ = ["Options", "Store"]


class Store(Database):
    """One namespace of one database; see `Database` for the arguments.

    Attributes:
        parts: what works on the posts.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        super().__init__(url, options)
        self.parts = Parts(self)


class Parts:
    """What works on the posts of a store, put together.

    Args:
        store: the store.
    """

    def __init__(self, store: Database) -> None:
        self.posts = Posts(store)
        self.order = Order(store, self.posts)
        self.taker = Taker(store, self.posts)
        self.mover = Mover(store, self.posts, self.taker)
        self.counter = Counter(store, self.posts)
        self.keeper = Keeper(store, self.posts, self.order, self.taker, self.mover)

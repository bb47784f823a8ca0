"""Rated usage over HTTP: both versions of the host project's API. `API` is what the service asks for."""

from undercroft.api.kind import Api, faults
from undercroft.api.rating.routes import ROUTES
from undercroft.core import time
from undercroft.rating import BaseStorage

__all__ = ["API"]


def _probe(store: BaseStorage) -> None:
    now = time.now()
    store.retrieve(now, now + time.MICROSECOND, limit=1)


API = Api("rating", ROUTES, _probe, (faults("/v1/"),))

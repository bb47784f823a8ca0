"""Events over HTTP: Panko's API, and what Panko never had. `API` is what the service asks for."""

import operator

from undercroft.api.events.ingest import open_ingest
from undercroft.api.events.routes import ROUTES
from undercroft.api.kind import Api, error_messages
from undercroft.core import time
from undercroft.events import EventFilter, Store

__all__ = ["API"]


def _probe(store: Store) -> None:
    if store.capabilities.read:
        list(store.get_events(EventFilter(start_timestamp=time.now()), {"limit": 1}))


API = Api("events", ROUTES, _probe, (error_messages("/"),), open_ingest, operator.attrgetter("gatherer"))

"""Samples over HTTP: Ceilometer's API, and what Ceilometer never had. `API` is what the service asks for."""

import operator

from undercroft.api.kind import Api, error_messages
from undercroft.api.metering.ingest import open_ingest
from undercroft.api.metering.routes import ROUTES
from undercroft.metering import Store

__all__ = ["API"]


def _probe(store: Store) -> None:
    list(store.get_meters(unique=True, limit=1))


API = Api("metering", ROUTES, _probe, (error_messages("/"),), open_ingest, operator.attrgetter("gatherer"))

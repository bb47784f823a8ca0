"""What taking samples in needs beside the store, shared by the requests of a process."""

from __future__ import annotations

from typing import Any, NamedTuple

from oslo_config import cfg

from undercroft.api.call import Call
from undercroft.core.gather import Gatherer
from undercroft.metering import Outcome, Store


class Ingest(NamedTuple):
    """What taking samples in needs.

    Attributes:
        gatherer: lets samples of several requests go to their store together.
    """

    gatherer: Gatherer[dict[str, Any], Outcome]


MeteringCall = Call[Store, Ingest]


def open_ingest(store: Store, _conf: cfg.ConfigOpts) -> Ingest:
    """Open it for a store."""
    return Ingest(Gatherer(store.store_samples, "samples"))

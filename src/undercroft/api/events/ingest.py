"""What taking events in needs beside the store, shared by the requests of a process."""

from __future__ import annotations

from typing import NamedTuple

from oslo_config import cfg

from undercroft.api.call import Call
from undercroft.core.gather import Gatherer
from undercroft.core.intake import Outcome
from undercroft.events import Event, Store
from undercroft.events.definitions import Converter


class Ingest(NamedTuple):
    """What taking events in needs.

    Attributes:
        gatherer: lets events of several requests go to their store together.
        converter: makes events of notifications.
    """

    gatherer: Gatherer[Event, Outcome]
    converter: Converter


EventsCall = Call[Store, Ingest]


def open_ingest(store: Store, conf: cfg.ConfigOpts) -> Ingest:
    """Open it for a store.

    Raises:
        ConfigInvalid: the definitions of the settings are wrong.
    """
    return Ingest(Gatherer(store.store_events, "events"), Converter.load(conf.events.definitions_file))

"""Inside Ceilometer: a publisher for its pipelines, which writes straight to a store.

`undercroft://user:password@host:port/database?engine=postgresql` in event_pipeline.yaml. `engine` in the query names the store's
engine; the rest of the query are options of the store.
`undercroft:////var/lib/undercroft/events.db?engine=sqlite` is a file.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable
from typing import Any

from undercroft.compat.publisher_url import Target
from undercroft.core import registry
from undercroft.core.gather import Gatherer
from undercroft.events import Store as EventStore


class EventPublisher:
    """Writes Ceilometer's events straight to a store. Shared by threads, whose events are committed together.

    Args:
        conf: the host's configuration; not used.
        parsed_url: the publisher's URL, split.

    Raises:
        ConfigInvalid: the URL names no engine.
    """

    def __init__(self, conf: Any, parsed_url: urllib.parse.SplitResult) -> None:
        self._store: EventStore = registry.connect("events", Target.of(parsed_url).url)
        self._store.upgrade()
        self._gatherer = Gatherer(self._store.store_events, "events")

    def publish_events(self, events: Iterable[Any]) -> None:
        """Store events; they are durable when this returns.

        Raises:
            UndercroftError: the store is away, or an event cannot be stored. Ceilometer keeps the notification where
                `[notification] ack_on_event_error` is false.
        """
        outcomes = self._gatherer.store(list(events))
        if errors := [outcome.error for outcome in outcomes if outcome.error is not None]:
            raise errors[-1]

    def publish_samples(self, samples: Iterable[Any]) -> None:
        """Samples are not events."""
        raise NotImplementedError("this publisher stores events only; name it in pipeline.yaml for samples")

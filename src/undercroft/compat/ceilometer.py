"""Inside Ceilometer: publishers of events and of samples for its pipelines, which write straight to a store.

`undercroft://user:password@host:port/database?engine=postgresql` in event_pipeline.yaml or pipeline.yaml. `engine` in the query
names the store's engine; the rest of the query are options of the store, and for samples `spool` and `spool_bytes`.
`undercroft:////var/lib/undercroft/events.db?engine=sqlite` is a file.
"""

from __future__ import annotations

import logging
import os
import pathlib
import urllib.parse
from collections.abc import Iterable
from typing import Any

import msgspec

from undercroft.compat.publisher_url import Target
from undercroft.core import registry
from undercroft.core.errors import ConfigInvalid, InvalidInput, Unavailable
from undercroft.core.forward import Forwarder
from undercroft.core.gather import Gatherer
from undercroft.core.spool import Spool
from undercroft.events import Store as EventStore
from undercroft.metering import Store as SampleStore
from undercroft.metering import wire

LOG = logging.getLogger(__name__)

# Of a sample. Another version of Ceilometer may add more.
_KEPT = (
    "name", "type", "unit", "volume", "user_id", "user_name", "project_id", "project_name", "resource_id", "timestamp",
    "resource_metadata", "source", "id",
)  # fmt: skip
# Of metadata, what JSON does not have goes as text.
_encoder = msgspec.json.Encoder(enc_hook=str)


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


class SamplePublisher:
    """Writes Ceilometer's samples straight to a store, through a spool on disk: Ceilometer gives a sample to a publisher only once.

    Args:
        conf: the host's configuration; not used.
        parsed_url: the publisher's URL, split.

    Raises:
        ConfigInvalid: the URL names no engine, an option is wrong, or the spool cannot be opened. That the store is away is not an
            error.
    """

    def __init__(self, conf: Any, parsed_url: urllib.parse.SplitResult) -> None:
        target = Target.of(parsed_url, ("spool", "spool_bytes"))
        self._url = target.url
        self._store: SampleStore | None = None
        self._is_ready = False
        try:
            self._open()
        except Unavailable:
            LOG.debug("the store is away; samples wait in the spool")
        except ConfigInvalid as error:
            error.add_note("the publisher itself takes spool and spool_bytes, the rest are options of the store")
            raise
        path = pathlib.Path(target.own.get("spool") or _state() / f"samples-{target.digest}.db")
        self._forwarder = Forwarder(Spool(path, target.spool_bytes()), self._send, "samples")

    def publish_samples(self, samples: Iterable[Any]) -> None:
        """Keep samples for the store; they are on disk when this returns.

        Raises:
            Unavailable: none of them is kept, because the spool or the disk is full. Ceilometer logs it and drops them.
        """
        bodies = []
        for sample in samples:
            try:
                form = sample.as_dict()
                bodies.append(_encoder.encode({name: form[name] for name in _KEPT if name in form}))
            except (TypeError, ValueError, RecursionError) as error:
                _left_out(getattr(sample, "id", None), error)
        if bodies:
            self._forwarder.put(bodies)

    def publish_events(self, events: Iterable[Any]) -> None:
        """Events are not samples."""
        raise NotImplementedError("this publisher stores samples only; name it in event_pipeline.yaml for events")

    def close(self) -> None:
        """Stop sending; what waits is sent by the next publisher with this spool."""
        self._forwarder.close()
        self._forwarder.spool.close()
        if self._store is not None:
            self._store.close()

    def _open(self) -> SampleStore:
        if self._store is None:
            self._store = registry.connect("metering", self._url)
        return self._store

    def _send(self, bodies: list[bytes]) -> None:
        store = self._open()
        if not self._is_ready:
            store.upgrade()
            self._is_ready = True
        samples = []
        for body in bodies:
            sample = msgspec.json.decode(body)
            try:
                samples.append(wire.data(sample))
            except InvalidInput as error:
                _left_out(sample.get("id"), error)
        for sample, outcome in zip(samples, store.store_samples(samples), strict=True):
            if isinstance(outcome.error, InvalidInput):
                _left_out(sample["message_id"], outcome.error)
            elif outcome.error is not None:
                raise outcome.error


def _left_out(message_id: object, error: Exception) -> None:
    LOG.error("sample %.64r cannot be stored and is left out: %s", message_id, error)


def _state() -> pathlib.Path:
    """The folder for what a program of this user keeps from one run to the next."""
    return pathlib.Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "undercroft"

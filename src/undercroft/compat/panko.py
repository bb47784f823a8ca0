"""Inside the hosts of events: a storage driver for Panko, and a publisher for Ceilometer's pipelines.

Panko: `[database] connection = undercroft+postgresql://user@host/database`; what follows the plus is our URL.
Ceilometer: `undercroft://user:password@host:port/database?engine=postgresql` as a publisher of event_pipeline.yaml. The query's
`engine` names the store's engine; the rest of the query are options of the store. `undercroft:///var/lib/events.db?engine=sqlite`
is a file.
"""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from undercroft.core import registry, time
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.gather import Gatherer
from undercroft.events import InvalidMarker, Store

OURS = "undercroft+"


def storage(url: str, conf: Any = None) -> Any:
    """Open the store of events that `undercroft+URL` names; Panko calls this as it calls a driver's class.

    What the store gives are Panko's own models, what it raises for a marker is Panko's own exception, and its clock is the host's.

    Raises:
        ConfigInvalid: the URL is not of that form, or its driver is unknown.
    """
    own = url.removeprefix(OURS)
    if own == url:
        raise ConfigInvalid("the URL of Panko's connection is undercroft+URL, such as undercroft+postgresql://user@host/database")
    # Panko's package imports its drivers: at this module's import it is not complete.
    from oslo_utils import timeutils  # noqa: PLC0415
    from panko import storage as host  # noqa: PLC0415
    from panko.storage import models  # noqa: PLC0415

    driver: Any = for_callers(registry.load("events", urls.scheme(own)))

    class Connection(driver):
        """The driver, with the host's models and exception."""

        event_class, trait_class = models.Event, models.Trait

        def get_events(self, event_filter: Any, pagination: Any = None, **more: Any) -> Any:
            """See `undercroft.events.Store.get_events`."""
            try:
                return super().get_events(event_filter, pagination, **more)
            except InvalidMarker as error:
                raise host.InvalidMarker(str(error)) from error

    time.bind(lambda: time.as_utc(timeutils.utcnow()))
    return Connection(own, conf)


def for_callers(driver: Any) -> Any:
    """A driver's class whose errors may be shown to anybody: the host's API answers with the text of what is raised.

    Where the store is, and what its engine said, stays with the cause, which the host logs.
    """
    calls = {name: _for_callers(getattr(driver, name)) for name in _CALLS}
    return type(driver.__name__, (driver,), {"__module__": driver.__module__, **calls})


_CALLS = ("record_events", "get_events", "get_event_types", "get_traits", "get_trait_types")


def _for_callers(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _public():
            found = method(*args, **kwargs)
        return _walk(found) if isinstance(found, Iterator) else found

    return call


def _walk(found: Iterator[Any]) -> Iterator[Any]:
    with _public():
        yield from found


@contextlib.contextmanager
def _public() -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        raise Unavailable(error.public) from error


class Publisher:
    """Writes Ceilometer's events straight to a store. Shared by threads, whose events are committed together.

    Args:
        conf: the host's configuration, of which nothing is needed.
        parsed_url: the publisher's URL, split.

    Raises:
        ConfigInvalid: the URL names no engine.
    """

    def __init__(self, conf: Any, parsed_url: urllib.parse.SplitResult) -> None:
        query = urllib.parse.parse_qsl(parsed_url.query, keep_blank_values=True)
        engine = dict(query).get("engine")
        if not engine:
            raise ConfigInvalid("the URL of the publisher needs the store's engine: undercroft://host/database?engine=postgresql")
        options = urllib.parse.urlencode([(name, value) for name, value in query if name != "engine"])
        url = f"{engine}://{parsed_url.netloc}{parsed_url.path}"
        self._store: Store = registry.connect("events", f"{url}?{options}" if options else url)
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
        raise NotImplementedError("samples are not stored by this publisher; name another one in pipeline.yaml")

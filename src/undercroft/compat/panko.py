"""Inside Panko: a storage driver. `[database] connection = undercroft+postgresql://user@host/database`: our URL after the plus."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from undercroft.core import registry, time
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.events import InvalidMarker

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

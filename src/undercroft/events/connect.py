"""Opening a store as the host does: by URL and configuration."""

from __future__ import annotations

from typing import Any

import tenacity

from undercroft.core import registry
from undercroft.core import url as urls


def get_connection(url: str, conf: Any) -> Any:
    """Open the store at `url`.

    Args:
        url: its scheme, up to a `+`, names the driver: sqlite, postgresql, mariadb and so on. `undercroft+URL` is URL.
        conf: the host's oslo.config object, or None.

    Returns:
        a `Connection`, which may be shared by threads.

    Raises:
        ConfigInvalid: there is no such driver; the message says the name.
    """
    own = url.removeprefix("undercroft+")
    return registry.load("events", urls.scheme(own))(own, conf)


def get_connection_from_config(conf: Any) -> Any:
    """Open the store that `[database] connection` names, or the deprecated `event_connection`.

    Makes `[database] max_retries` attempts (-1: until it works, 0: one), `retry_interval` seconds apart; raises the error of the
    last one.
    """
    attempts = conf.database.max_retries
    url = conf.database.connection or conf.database.event_connection
    retrying = tenacity.Retrying(
        wait=tenacity.wait_fixed(conf.database.retry_interval),
        stop=tenacity.stop_never if attempts < 0 else tenacity.stop_after_attempt(attempts),
        reraise=True,
    )
    return retrying(lambda: get_connection(url, conf))

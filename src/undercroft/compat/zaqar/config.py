"""The options that Zaqar's configuration has for its stores on Undercroft."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from undercroft.core.errors import ConfigInvalid

OURS = "undercroft"
ENGINES = ("sqlite", "postgresql", "mysql", "mariadb", "redis", "rediss", "mongodb")
# Zaqar takes the whole scheme of a URI for a driver's name.
NAMES = (OURS, *(f"{OURS}+{engine}" for engine in ENGINES))
DATA, CONTROL = "drivers:message_store", "drivers:management_store"
OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        "uri",
        secret=True,
        help="URL of the store, such as postgresql://undercroft@127.0.0.1/undercroft, redis://127.0.0.1:6379 or "
        "sqlite:////var/lib/zaqar/messages.db.",
    )
]
# Of message stores only.
NOTIFY = cfg.BoolOpt(
    "notify",
    default=False,
    help="Whether messages to queues with subscriptions are kept for `undercroft queue notify`, which delivers them. Zaqar's own "
    "notifier delivers them, too: take it out of [storage] message_pipeline.",
)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Groups and their options, for the sample configuration."""
    return [(f"{plane}:{name}", list(options(plane))) for plane in (DATA, CONTROL) for name in NAMES]


def options(plane: str) -> list[cfg.Opt]:
    """What the group of one driver has."""
    return [*OPTIONS, NOTIFY] if plane == DATA else OPTIONS


def url(conf: Any, group: str) -> str:
    """Our URL, which the group's option `uri` names.

    Raises:
        ConfigInvalid: it is not set.
    """
    found = conf[group].uri
    if not found:
        raise ConfigInvalid(f"set the option uri in [{group}] of Zaqar's configuration to the URL of a store")
    return own(str(found))


def own(uri: str) -> str:
    """Our URL, of a URI whose scheme may be the name of a driver in Zaqar."""
    return uri.removeprefix(f"{OURS}+")

"""Watcher's own groups of options, as URLs of datasources."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from undercroft.core.errors import ConfigInvalid

Described = tuple[str, dict[str, Any]]


def described(connection: str, conf: Any) -> Described:
    """The URL and the options of a source: `connection` itself, or what Watcher's group for that name says.

    Raises:
        ConfigInvalid: it is neither a URL nor such a name.
    """
    if "://" in connection:
        return connection, {}
    if connection not in _NAMED:
        raise ConfigInvalid(f"connection: {connection[:64]!r} is neither the URL of a datasource nor one of {', '.join(_NAMED)}")
    return _NAMED[connection](conf[f"{connection}_client"])


def _gnocchi(group: Any) -> Described:
    return "gnocchi://", {"interface": group.endpoint_type, "region": group.region_name}


def _labels(group: Any) -> dict[str, Any]:
    return {"host_label": group.fqdn_label, "instance_label": group.instance_uuid_label}


def _aetos(group: Any) -> Described:
    return "aetos://", {"interface": group.interface, "region": group.region_name, **_labels(group)}


def _prometheus(group: Any) -> Described:
    name, password = (urllib.parse.quote(each or "", safe="") for each in (group.username, group.password))
    user = f"{name}:{password}@" if name else ""
    over = "+https" if group.cafile else ""
    return f"prometheus{over}://{user}{group.host}:{group.port}", {"cafile": group.cafile, **_labels(group)}


_NAMED: Mapping[str, Callable[[Any], Described]] = {"gnocchi": _gnocchi, "prometheus": _prometheus, "aetos": _aetos}

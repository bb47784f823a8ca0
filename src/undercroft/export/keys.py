"""The keys of [exporter]: what each means, its default, and how its text becomes a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from undercroft.core import names, span
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.export.sample import EXTRA_COLUMNS

AUTH = ("auto", "v2", "v3", "token", "none")
MODES = ("auto", "complex", "simple")
INTERFACES = ("public", "internal", "admin")
_TABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}", re.ASCII)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Key(NamedTuple):
    """One key.

    Attributes:
        does: what it means, for help and docs.
        default: its value when nobody gives one.
        parse: makes a value of its text, or raises `ValueError` with what is wrong.
        aliases: further names.
        secret: whether its value is never shown.
    """

    does: str
    default: Any
    parse: Callable[[str], Any]
    aliases: tuple[str, ...] = ()
    secret: bool = False


def _among(*known: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(names.unknown("value", text, known))
        return text

    return parse


def _seconds(least: float, most: float = 10**9) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            found = span.parse(text, "", bare="s").total_seconds()
        except InvalidInput as error:
            raise ValueError(error.problem) from None
        if not least <= found <= most:
            raise ValueError(f"{text[:64]!r} is not between {least:g} and {most:g} seconds")
        return found

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"{text[:64]!r} is not a whole number from {least:,} to {most:,}")
        return int(text)

    return parse


def _retries(text: str) -> int | None:
    return None if text == "unlimited" else _whole(0, 1_000_000)(text)


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(f"{text[:64]!r} is not true or false")
    return text.lower() in _TRUE


def _http(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError("is not an http:// or https:// URL without a user, a query or a fragment")
    return text.rstrip("/")


def _connection(text: str) -> str:
    if "://" not in text:
        raise ValueError("is not a database URL such as postgresql://user:password@host/database")
    try:
        urls.check(text)
    except ConfigInvalid as error:
        raise ValueError(str(error)) from None
    return text


def _table(text: str) -> str:
    if not _TABLE.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is not a table name of letters, digits and _, with at most one schema before it")
    return text


def _columns(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in found:
        _among(*EXTRA_COLUMNS)(name)
    return tuple(name for name in EXTRA_COLUMNS if name in found)


KEYS: Mapping[str, Key] = {
    "endpoint": Key("Root of the Ceilometer API; empty: the service `metering` of the Keystone catalogue.", None, _http),
    "auth_url": Key("URL of Keystone; not needed with `token`, nor with `auth = none`.", None, _http),
    "auth": Key("`auto`, `v2`, `v3`, `token` or `none`.", "auto", _among(*AUTH)),
    "tenant": Key("Project to log in to.", None, str, ("project_name",)),
    "tenant_id": Key("The same by its id.", None, str, ("project_id",)),
    "user": Key("User to log in as; it needs the admin role to see the samples of all projects.", None, str, ("username",)),
    "user_id": Key("The same by its id.", None, str),
    "key": Key("Password of the user.", None, str, ("password",), secret=True),
    "user_domain_name": Key("Domain of the user (v3).", "Default", str),
    "user_domain_id": Key("The same by its id.", None, str),
    "project_domain_name": Key("Domain of the project (v3).", "Default", str),
    "project_domain_id": Key("The same by its id.", None, str),
    "region": Key("Region of the endpoint in the catalogue.", None, str, ("region_name",)),
    "interface": Key("Interface of the endpoint in the catalogue: `public`, `internal` or `admin`.", "public", _among(*INTERFACES)),
    "token": Key("A fixed token.", None, str, secret=True),
    "connection": Key("URL of the target: sqlite:///, postgresql:// or mariadb://; must be given.", None, _connection, secret=True),
    "table": Key("Table of the target.", "samples", _table),
    "extra_columns": Key("Further columns: `user_id`, `recorded_at`, `resource_metadata`, with commas between.", (), _columns),
    "strict": Key("Refuse a sample with a text that is too long for its column; otherwise the text is cut.", False, _flag),
    "interval": Key(
        "Query loop delay: time from the beginning of a round to the next, in seconds or as 60s.", 60.0, _seconds(0.05)
    ),
    "overlap": Key("How far behind its point a round looks again for late samples.", 600.0, _seconds(0)),
    "lag": Key("How old a sample is before it is read: clocks differ, and samples arrive late.", 5.0, _seconds(0)),
    "start": Key("First timestamp to read where a meter has no point yet: `beginning`, `now`, ISO 8601, or -7d.", "beginning", str),
    "page": Key("Samples a request.", 1000, _whole(1, 100_000)),
    "mode": Key("`complex` queries, `simple` ones, or `auto`.", "auto", _among(*MODES)),
    "timeout": Key("Time for the API, and for the target, to answer.", 30.0, _seconds(0.1, 3600)),
    "retries": Key(
        "Attempts after the first before a filter's meter is left to the next round; `unlimited` by default.", None, _retries
    ),
    "backoff_base": Key("Longest wait before the first retry; it doubles with each.", 1.0, _seconds(0.001)),
    "backoff_max": Key("Longest wait before any retry.", 300.0, _seconds(0.001)),
    "cafile": Key("File of the certificate authorities to trust.", None, str),
    "insecure": Key("Do not check certificates.", False, _flag),
    "state": Key(
        "`target` keeps the points in the target, in the transaction of their rows; anything else is a file.", "target", str
    ),
}

# The seed's settings, as it names them.
SEED_SETTINGS: Mapping[str, str] = {
    "Ceilometer API endpoint": "endpoint",
    "tenant": "tenant",
    "user": "user",
    "user key": "key",
    "SQL connection string": "connection",
    "query loop delay": "interval",
    "list associating a filter query with a list of meter ids": "filter",
}


def canonical(name: str) -> str | None:
    """The key that a name stands for; None for an unknown one."""
    if name in KEYS:
        return name
    return next((key for key, found in KEYS.items() if name in found.aliases), None)


def names_of_all() -> list[str]:
    """Every name, aliases included."""
    return [name for key, found in KEYS.items() for name in (key, *found.aliases)]

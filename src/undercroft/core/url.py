"""A store is named by a URL whose query keys are the driver's options: `postgresql://u:p@host/db?pool_size=5`."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from undercroft.core import names, span
from undercroft.core.errors import ConfigInvalid, InvalidInput

T = TypeVar("T", bound=msgspec.Struct)
_SECRET = re.compile("pass|pwd|secret|token|cred|auth|sslkey|ssl_key", re.IGNORECASE)


def scheme(url: str) -> str:
    """The driver's name: what stands before `://`, without a `+client`."""
    head, separator, _ = url.partition("://")
    if not separator or not head:
        raise ConfigInvalid(f"{redacted(url)!r} is not a store URL such as sqlite:////var/lib/undercroft/undercroft.db")
    return head.partition("+")[0].lower()


def check(url: str) -> None:
    """Refuse a URL in which a character of the password ends it too early: the rest would be read as a host or an option.

    Raises:
        ConfigInvalid: it says how to write such a character, and holds no part of the password.
    """
    _, _, rest = url.partition("://")
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    # A URL without a host, such as a file's, has no password.
    if place and (rest.count("@") > 1 or "@" in rest[len(place) :] or "#" in rest):
        head = url.partition("://")[0]
        raise ConfigInvalid(
            f"the URL {head[:32]}://... is ambiguous: in a user name or a password write @ as %40, / as %2F, ? as %3F, # as %23 "
            "(percent-encoding); elsewhere, too, write @ as %40 and # as %23"
        )


def redacted(url: str) -> str:
    """`url` with its password masked and its query left out, for messages and logs."""
    place = _without_password(url)[0]
    return place if "://" in url else place[:64]


def masked(url: str) -> str:
    """`url` with `***` in the place of its password, and of the values in its query that may be secrets."""
    place, mark, query = _without_password(url)
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    shown = "&".join(f"{key}={'***' if _SECRET.search(key) else value}" for key, _, value in pairs)
    return f"{place}{mark}{shown}"


def _without_password(url: str) -> tuple[str, str, str]:
    """What stands before the query, with the password masked; the question mark; the query.

    In doubt it hides too much: whatever stands between the first colon or question mark and the last `@` counts as the password.
    """
    head, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    credentials, at, place = rest.rpartition("@")
    user, *password = re.split("[:?]", credentials, maxsplit=1)
    place, mark, query = place.partition("?")
    return f"{head}{separator}{user}{':***' if password else ''}{at}{place}", mark, query


def split(url: str, options: type[T], given: Mapping[str, Any], passed_on: Collection[str] = ()) -> tuple[str, T, dict[str, str]]:
    """Part a URL from the options in its query.

    Args:
        url: a store URL.
        options: the driver's struct of options.
        given: options given beside the URL; they win over the query.
        passed_on: query keys that belong to the engine's client library.

    Returns:
        the URL without a query, the options, and the query keys to pass on.

    Raises:
        ConfigInvalid: an unknown key, or a value of the wrong type; the message lists the known keys.
    """
    check(url)
    base, _, query = url.partition("?")
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ConfigInvalid(f"the options of {redacted(url)!r} are not of the form ?key=value&key=value") from None
    known = options.__struct_fields__
    mine: dict[str, Any] = {}
    theirs: dict[str, str] = {}
    for key, value in pairs:
        if key in known:
            mine[key] = _seconds(key, value) if key.endswith("_timeout") else value
        elif key in passed_on:
            theirs[key] = value
        else:
            raise unknown("option", key, [*known, *passed_on])
    for key, value in given.items():
        if key not in known:
            raise unknown("option", key, known)
        mine[key] = value
    try:
        return base, msgspec.convert(mine, options, strict=False), theirs
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"options of {redacted(url)!r}: {error}") from None


def parted(url: str, options: type[T], given: Mapping[str, Any]) -> tuple[str, T, dict[str, Any]]:
    """Take the options of `options` out of a URL that names a store of something else, whose options stay.

    Returns:
        the URL without them, the options, and those of `given` that are not among them.

    Raises:
        ConfigInvalid: a value of the wrong type.
    """
    base, mark, query = url.partition("?")
    known = options.__struct_fields__
    pairs = query.split("&") if mark else []
    mine = [pair for pair in pairs if pair.partition("=")[0] in known]
    theirs = [pair for pair in pairs if pair.partition("=")[0] not in known]
    _, found, _ = split(
        f"{scheme(url)}://{'?' * bool(mine)}{'&'.join(mine)}", options, {name: given[name] for name in given if name in known}
    )
    rest = {name: value for name, value in given.items() if name not in known}
    return f"{base}{'?' * bool(theirs)}{'&'.join(theirs)}", found, rest


def _seconds(key: str, value: str) -> str:
    """Seconds, which all these options are in, of a span such as 30s; a number stays as it is."""
    if not value or value[-1].isdigit():
        return value
    try:
        return str(span.parse(value, key).total_seconds())
    except InvalidInput as error:
        raise ConfigInvalid(str(error)) from None


def unknown(what: str, name: str, known: Collection[str]) -> ConfigInvalid:
    """The error for a name that is not among `known`: lists them, and the nearest."""
    return ConfigInvalid(names.unknown(what, name, known))

"""What definitions may do to values before they become a trait: Ceilometer's `split`, `map`, `timedelta` and `bitfield`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.core.errors import ConfigInvalid
from undercroft.events.models import naive_utc


class Match(NamedTuple):
    """A value that was found, and where."""

    path: str
    value: Any


Plugin = Callable[[Sequence[Match]], list[Any]]


def load(trait: str, given: Mapping[str, Any]) -> Plugin | None:
    """The plugin that a trait's definition names; None where it names none.

    Raises:
        ConfigInvalid: there is no such plugin, or it takes no such parameters.
    """
    wanted = given.get("plugin")
    if wanted is None:
        return None
    name, parameters = (wanted, {}) if isinstance(wanted, str) else (wanted.get("name"), wanted.get("parameters") or {})
    if name not in _PLUGINS:
        raise ConfigInvalid(f"definitions of events: trait {trait!r}: no plugin {name!r}; there are {', '.join(_PLUGINS)}")
    try:
        return _PLUGINS[name](**parameters)
    except TypeError as error:
        raise ConfigInvalid(f"definitions of events: trait {trait!r}: {name}: {error}") from None


def _split(separator: str = ".", segment: int = 0, max_split: int | None = None) -> Plugin:
    def value(text: Any) -> str | None:
        parts = str(text).split(separator, -1 if max_split is None else max_split)
        return parts[segment] if -len(parts) <= segment < len(parts) else None

    return lambda matches: [value(match.value) for match in matches]


def _map(values: Mapping[Any, Any], default: Any = None, case_sensitive: bool = True) -> Plugin:
    def plain(key: Any) -> Any:
        return key.lower() if isinstance(key, str) and not case_sensitive else key

    known = {plain(key): value for key, value in values.items()}
    return lambda matches: [known.get(plain(match.value), default) for match in matches]


def _timedelta() -> Plugin:
    def between(matches: Sequence[Match]) -> list[Any]:
        if len(matches) != 2:
            return []
        try:
            first, second = (naive_utc(str(match.value)) for match in matches)
        except ValueError:
            return []
        return [abs((second - first).total_seconds())]

    return between


def _bitfield(initial_bitfield: int = 0, flags: Sequence[Mapping[str, Any]] = ()) -> Plugin:
    def bits(matches: Sequence[Match]) -> list[Any]:
        values = {match.path: match.value for match in matches}
        found = initial_bitfield
        for flag in flags:
            if flag["path"] in values and ("value" not in flag or values[flag["path"]] == flag["value"]):
                found |= 1 << int(flag["bit"])
        return [found]

    return bits


_PLUGINS: dict[str, Callable[..., Plugin]] = {"split": _split, "map": _map, "timedelta": _timedelta, "bitfield": _bitfield}

"""What definitions may do to values before they become a trait: Ceilometer's `split`, `map`, `timedelta` and `bitfield`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from undercroft.core import names
from undercroft.core.errors import ConfigInvalid
from undercroft.events import query
from undercroft.events.models import Trait


class Match(NamedTuple):
    """A value that was found, and where."""

    path: str
    value: Any


Plugin = Callable[[Sequence[Match]], list[Any]]
# Ceilometer reads whole numbers that are written as text, too.
_Number = int | Annotated[str, Meta(pattern="^-?[0-9]{1,4}$")]


def load(given: Any, place: str) -> Plugin | None:
    """The plugin that a trait's definition names; None where it names none.

    Args:
        given: a name, or an object with `name` and `parameters`.
        place: where it is, for errors.

    Raises:
        ConfigInvalid: the plugin is unknown, or one of its parameters is missing, unknown or of another type.
    """
    if given is None:
        return None
    try:
        asked = msgspec.convert({"name": given} if isinstance(given, str) else given, _Asked)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{place}: plugin: {error}; expected a name, or an object with name and parameters") from None
    if asked.name not in _PLUGINS:
        raise ConfigInvalid(f"{place}: {names.unknown('plugin', asked.name, _PLUGINS)}")
    parameters, make = _PLUGINS[asked.name]
    try:
        return make(msgspec.convert(asked.parameters or {}, parameters))
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{place}: parameters of plugin {asked.name}: {error}") from None


class _Asked(Struct, forbid_unknown_fields=True):
    """What names a plugin."""

    name: str
    parameters: Any = None


class _Split(Struct, forbid_unknown_fields=True):
    """Parameters of `split`."""

    separator: Annotated[str, Meta(min_length=1)] = "."
    segment: _Number = 0
    max_split: _Number | None = None


def _split(given: _Split) -> Plugin:
    separator, segment = given.separator, int(given.segment)
    most = -1 if given.max_split is None else int(given.max_split)

    def value(text: Any) -> str | None:
        parts = str(text).split(separator, most)
        return parts[segment] if -len(parts) <= segment < len(parts) else None

    return lambda matches: [value(match.value) for match in matches]


class _Map(Struct, forbid_unknown_fields=True):
    """Parameters of `map`."""

    values: dict[Any, Any]
    default: Any = None
    case_sensitive: bool = True


def _map(given: _Map) -> Plugin:
    def plain(key: Any) -> Any:
        return key.lower() if isinstance(key, str) and not given.case_sensitive else key

    known = {plain(key): value for key, value in given.values.items()}

    def mapped(value: Any) -> Any:
        if isinstance(value, (list, dict)):
            raise TypeError("map: the value is a list or an object")
        return known.get(plain(value), given.default)

    return lambda matches: [mapped(match.value) for match in matches]


class _Timedelta(Struct, forbid_unknown_fields=True):
    """`timedelta` has no parameters."""


def _timedelta(_given: _Timedelta) -> Plugin:
    def between(matches: Sequence[Match]) -> list[Any]:
        if len(matches) != 2:
            return []
        first, second = (Trait.convert_value(Trait.DATETIME_TYPE, str(match.value)) for match in matches)
        return [abs((second - first).total_seconds())]

    return between


class _Flag(Struct, forbid_unknown_fields=True):
    """A bit that is set where a field has a value."""

    path: str
    bit: Annotated[int, Meta(ge=0, le=62)] | Annotated[str, Meta(pattern="^([0-9]|[1-5][0-9]|6[0-2])$")]
    value: Any = msgspec.UNSET


class _Bitfield(Struct, forbid_unknown_fields=True):
    """Parameters of `bitfield`; integers have 64 bits."""

    initial_bitfield: Annotated[int, Meta(ge=query.SMALLEST, le=query.GREATEST)] = 0
    flags: list[_Flag] = []


def _bitfield(given: _Bitfield) -> Plugin:
    def bits(matches: Sequence[Match]) -> list[Any]:
        values = {match.path: match.value for match in matches}
        found = given.initial_bitfield
        for flag in given.flags:
            if flag.path in values and (flag.value is msgspec.UNSET or values[flag.path] == flag.value):
                found |= 1 << int(flag.bit)
        return [found]

    return bits


_PLUGINS: dict[str, tuple[Any, Callable[[Any], Plugin]]] = {
    "split": (_Split, _split), "map": (_Map, _map), "timedelta": (_Timedelta, _timedelta), "bitfield": (_Bitfield, _bitfield),
}  # fmt: skip

"""What a session is set to, so that no default of a server, a database or a role decides what is stored and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Pin(NamedTuple):
    """A setting that each of our sessions has.

    Attributes:
        name: of the setting, as the engine spells it.
        value: what it is set to, as the engine gives it back; in words where `of` gives it.
        why: what another value would do.
        of: the value, where it follows from the options.
    """

    name: str
    value: str
    why: str
    of: Callable[[Any], str] | None = None


class Setting(NamedTuple):
    """A setting that no session can change, or that decides about more than one: how to read it, its safe values, what others do.

    Attributes:
        name: of the setting.
        read: the statement that reads it.
        safe: the values that are right.
        risk: what the others do, and what mends it.
        shown: what to print for a value that the engine gives as a code.
    """

    name: str
    read: str
    safe: Sequence[str]
    risk: str
    shown: Mapping[str, str] = {}


def pinned(pins: Sequence[Pin], options: Any) -> dict[str, str]:
    """The value of each setting by its name."""
    return {pin.name: pin.value if pin.of is None else pin.of(options) for pin in pins}

"""What an engine cannot do, as one typed value on its driver.

Each kind declares a frozen subclass of `Capabilities` whose fields all default to True, the full contract. A driver lists
only its gaps:

    capabilities = Capabilities.without(conflict_append=never("the engine replaces by key"), stream=not_yet("#41"))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal, Self

from undercroft.core.errors import Unsupported


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """A part of the contract that a driver does not fulfil; false in a condition."""

    when: Literal["never", "not yet"]
    reason: str

    def __bool__(self) -> bool:
        return False


def never(reason: str) -> Gap:
    """The engine cannot do it; `reason` says why."""
    return Gap("never", reason)


def not_yet(issue: str) -> Gap:
    """Nobody has built it; `issue` is where it is asked for."""
    return Gap("not yet", issue)


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """Base of the kinds' capability sets: a field is True, or the `Gap` that explains why not."""

    @classmethod
    def full(cls) -> Self:
        """The whole contract."""
        return cls()

    @classmethod
    def without(cls, **gaps: Gap) -> Self:
        """The contract less the named parts."""
        return cls(**gaps)

    def gaps(self) -> Iterator[tuple[str, Gap]]:
        """The declared gaps by name."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Gap):
                yield field.name, value

    def require(self, name: str, driver: str) -> None:
        """Raise `Unsupported` when `name` is a gap. To be called before anything is sent."""
        value = getattr(self, name)
        if isinstance(value, Gap):
            raise Unsupported(f"{driver} does not support {name.replace('_', ' ')} ({value.when}: {value.reason})")

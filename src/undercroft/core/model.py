"""The base of models that host projects prescribe: attributes by keyword, and equality by what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Model:
    """Attributes by keyword; two are equal when what they hold is."""

    __hash__ = None  # type: ignore[assignment]  # attributes may change

    fields: Sequence[str]

    def __init__(self, **kwds: Any) -> None:
        self.fields = list(kwds)
        for name, value in kwds.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """The attributes that the constructor was given, models within them as dicts, too."""
        return {name: _plain(getattr(self, name)) for name in self.fields if hasattr(self, name)}

    def __eq__(self, other: object) -> bool:
        if not hasattr(other, "as_dict"):
            return NotImplemented
        return bool(self.as_dict() == other.as_dict())


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.as_dict()
    if isinstance(value, list) and value and isinstance(value[0], Model):
        return [item.as_dict() for item in value]
    return value

"""JSON that is kept as it came."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from undercroft.core.errors import InvalidInput

_plain = msgspec.json.Encoder()
_sorted = msgspec.json.Encoder(order="sorted")


def encoded(value: Any, field: str, *, in_order: bool = True) -> str:
    """A value as JSON text.

    Args:
        value: what JSON can say.
        field: its name, for errors.
        in_order: keep the order of keys; False sorts them, so that equal values give equal texts.

    Raises:
        InvalidInput: the value is not JSON.
    """
    if value == {}:
        return "{}"
    try:
        found = (_plain if in_order else _sorted).encode(value).decode()
        # The encoder writes null for NaN and infinity, which JSON does not have.
        is_finite = "null" not in found or _is_finite(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput(field, f"is not JSON: {str(error)[:200]}") from None
    if not is_finite:
        raise InvalidInput(field, "NaN and infinity are not JSON")
    return found


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return True

"""Values in a form that every engine compares as the contract says: floats as integers, text by code point."""

from __future__ import annotations

import re
import struct
from typing import Any

from undercroft.events.models import Trait

_FLOAT, _TEXT = Trait.FLOAT_TYPE, Trait.TEXT_TYPE
# From here on UTF-16, by which some engines compare, orders characters in another way than code points do.
_HIGH = re.compile("[\ud7ff\ue000-\U0010ffff]")


def ordered(value: float) -> int:
    """A float as a 64-bit integer of the same order: exact, with infinities, on engines that have no such floats."""
    bits: int
    (bits,) = struct.unpack("<q", struct.pack("<d", value + 0.0))
    # Below zero the bits count away from it.
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def indexed(dtype: int, value: Any) -> Any:
    """A trait's value as its table holds it."""
    return ordered(value) if dtype == _FLOAT else value


def sortable(text: str) -> str:
    """Text of the same order that has no character from U+D800 on: it compares alike in UTF-8, UTF-16 and code points."""
    return text if text.isascii() else _HIGH.sub(lambda match: f"\ud7ff{ord(match[0]):06x}", text)

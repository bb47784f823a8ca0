"""Text from outside, in the form that every engine keeps."""

from __future__ import annotations

from typing import Any

from undercroft.core.errors import InvalidInput, WrongType

# Characters of a name or an id: what every engine has room for in an index.
LONGEST = 255


def text(value: Any, field: str) -> str:
    """Text as stores keep it: without U+0000, which not every engine has.

    Raises:
        WrongType: no text.
        InvalidInput: the text contains an unpaired surrogate.
    """
    if not isinstance(value, str):
        raise WrongType(field, f"expected text, got {type(value).__name__}")
    if value.isascii():
        return value.replace("\0", "") if "\0" in value else value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "half a surrogate pair is no character") from None
    return value.replace("\0", "")


def name(value: Any, field: str) -> str:
    """Text of at most 255 characters.

    Raises:
        InvalidInput: it is longer.
    """
    found = text(value, field)
    if len(found) > LONGEST:
        raise InvalidInput(field, f"{len(found)} characters are more than {LONGEST}")
    return found

"""Checks of what every controller is given."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from undercroft.core import document, words
from undercroft.core.errors import InvalidInput, WrongType

# Characters of a project, and of a queue's name; the HTTP API allows shorter names only.
LONGEST_PROJECT = 256
LONGEST_NAME = 255
# Items of a page, a claim, a list of ids. What is called over HTTP has smaller bounds of its own.
MOST = 10_000
# Seconds: a hundred years, so that no moment leaves the calendar.
LONGEST = 3_155_760_000
# Seconds that a call may wait for messages.
LONGEST_WAIT = 20
# The weight of a pool.
HEAVIEST = 2**32 - 1
# A topic is a queue whose name no queue can have.
TOPIC = "topic/"


def project(value: Any) -> str:
    """A project's name; None and the empty text are the same scope."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongType("project", f"expected text or None, got {type(value).__name__}")
    return _plain(value, "project", LONGEST_PROJECT)


def name(value: Any, field: str = "queue") -> str:
    """A queue's name.

    Raises:
        WrongType: no text.
        InvalidInput: empty, too long, or with characters that no store keeps.
    """
    return text(value, field, LONGEST_NAME)


def text(value: Any, field: str, longest: int) -> str:
    """Text of 1 to `longest` characters, without U+0000."""
    if not isinstance(value, str):
        raise WrongType(field, f"expected text, got {type(value).__name__}")
    if not value:
        raise InvalidInput(field, "is empty")
    return _plain(value, field, longest)


def _plain(value: str, field: str, longest: int) -> str:
    if len(value) > longest:
        raise InvalidInput(field, f"{len(value)} characters are more than {longest}")
    if words.text(value, field) != value:
        raise InvalidInput(field, "contains U+0000")
    return value


def limit(value: Any, field: str = "limit") -> int:
    """The most items of an answer, 1 or more.

    Raises:
        InvalidInput: it is not a whole number from 1 to 10,000.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(field, f"expected a whole number, got {type(value).__name__}")
    if not 1 <= value <= MOST:
        raise InvalidInput(field, f"{value} is not from 1 to {MOST:,}")
    return value


def limit_or_all(value: Any) -> int | None:
    """The most items of a page; None, which 0 stands for, is all of them."""
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return None
    return limit(value)


def weight(value: Any) -> int:
    """How much of all a pool takes, a whole number from 0 to 2^32-1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType("weight", f"expected a whole number, got {type(value).__name__}")
    if not 0 <= value <= HEAVIEST:
        raise InvalidInput("weight", f"{value} is not from 0 to {HEAVIEST}")
    return value


def seconds(value: Any, field: str) -> int:
    """A span in whole seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(field, f"expected whole seconds, got {type(value).__name__}")
    if not 0 <= value <= LONGEST:
        raise InvalidInput(field, f"{value} is not from 0 to {LONGEST} seconds")
    return value


def wait(value: Any) -> int | None:
    """Seconds to wait for messages; None for not at all.

    Raises:
        InvalidInput: it is not a whole number from 1 to 20.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType("wait", f"expected whole seconds or None, got {type(value).__name__}")
    if not 1 <= value <= LONGEST_WAIT:
        raise InvalidInput("wait", f"{value} is not from 1 to {LONGEST_WAIT} seconds")
    return value


def marker(value: Any) -> str | None:
    """A marker as text; None and the empty text mean the beginning."""
    if value is None or value == "":
        return None
    return str(value)


def name_marker(value: Any) -> str:
    """A marker among names, empty for the beginning: no name has U+0000, and not every engine compares it with one.

    Raises:
        InvalidInput: it has half a surrogate pair.
    """
    return words.text((marker(value) or "").partition("\0")[0], "marker")


def is_text(value: str) -> bool:
    """Whether a store may have it, as a name."""
    try:
        return words.text(value, "name") == value
    except InvalidInput:
        return False


def client(value: Any) -> str:
    """A client's id as text: a UUID, or any text."""
    if value is None:
        return ""
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str):
        raise WrongType("client_uuid", f"expected a UUID or text, got {type(value).__name__}")
    # Callers of old write a UUID in any form.
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return _plain(value, "client_uuid", LONGEST_NAME)


def mapping(value: Any, field: str) -> dict[str, Any]:
    """A JSON object, as it will be read back.

    Raises:
        WrongType: no mapping.
        InvalidInput: it is not JSON.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise WrongType(field, "expected a mapping with texts as keys")
    document.encoded(dict(value), field)
    return dict(value)

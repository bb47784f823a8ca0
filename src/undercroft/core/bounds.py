"""Bounds of the lists that callers send: each has one, and its refusal says which list, what it takes, and how many were given."""

from __future__ import annotations

from undercroft.core.errors import InvalidInput


def check_count(field: str, given: int, most: int, things: str = "items") -> None:
    """Refuse a list that is too long, before any of it is looked at.

    Args:
        field: its name, for the message.
        given: how many it has.
        most: how many it takes.
        things: what they are, in the plural.

    Raises:
        InvalidInput: it has more.
    """
    if given > most:
        raise InvalidInput(field, f"{given:,} {things} were given; it takes {most:,} at most")

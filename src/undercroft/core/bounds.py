"""Bounds of the lists that callers send: each has one, and its refusal says which list, what it takes, and how many were given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sized
from typing import TypeVar

from undercroft.core.errors import InvalidInput

T = TypeVar("T")


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


def counted(field: str, given: Iterable[T], most: int, things: str = "items") -> list[T]:
    """The items of a list that may be endless; the arguments are those of `check_count`.

    Raises:
        InvalidInput: it has more; of an iterator no more is read than tells so.
    """
    if isinstance(given, Sized):
        check_count(field, len(given), most, things)
    found = list(itertools.islice(given, most + 1))
    check_count(field, len(found), most, things)
    return found

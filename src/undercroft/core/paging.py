"""A page: how many results to pass over, and how many to give."""

from __future__ import annotations

from typing import Any, NamedTuple

from undercroft.core.errors import InvalidInput, WrongType

LARGEST = 2**63 - 1


class Page(NamedTuple):
    """`offset` results are passed over; at most `limit` follow."""

    offset: int
    limit: int


def page(offset: Any, limit: Any, paginate: Any = True) -> Page | None:
    """The page that the arguments ask for; None for everything.

    Raises:
        InvalidInput: a number below zero.
        WrongType: not a whole number.
    """
    if not paginate:
        return None
    return Page(_whole(offset, "offset"), _whole(limit, "limit"))


def _whole(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(field, f"expected a whole number, got {type(value).__name__}")
    if not 0 <= value <= LARGEST:
        raise InvalidInput(field, f"{value} is not between 0 and 2^63 - 1")
    return value

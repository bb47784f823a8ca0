"""Errors of the SQL engines that the transactions themselves react to; each dialect translates its engine's errors into ours."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from undercroft.core.errors import Declined, InvalidInput, NotInitialized, OutcomeUnknown, Unavailable, UndercroftError

STATEMENT_TIMEOUT = "the statement took longer than statement_timeout allows"


class TooLarge(InvalidInput):
    """A statement is larger than the engine takes, though it holds one item only.

    Attributes:
        size: its bytes; None where the engine does not tell.
        most: the bytes that the engine takes; None where it does not tell.
    """

    def __init__(self, field: str, problem: str, size: int | None = None, most: int | None = None) -> None:
        super().__init__(field, problem)
        self.size = size
        self.most = most


class Contended(Unavailable):
    """Another writer was in the way; the transaction was undone and may be run again."""


class Disconnected(Unavailable):
    """The connection was gone before anything was committed."""


def first_line(error: sa.exc.DBAPIError) -> str:
    """The first line of an engine's message, which holds no bound value."""
    return str(error.orig).strip().partition("\n")[0][:300]


def by_code(kinds: Iterable[tuple[tuple[int, ...], type[Unavailable]]], code: int | None) -> type[Unavailable]:
    """The error of the first group of codes that has this one; `Declined` for a code that nobody knows."""
    return next((kind for codes, kind in kinds if code in codes), Declined)


def not_storable(code: object) -> InvalidInput:
    """The error for an item whose values the engine refuses; its own text could quote them, and is left to the cause."""
    return InvalidInput("item", f"the store cannot hold one of its values (the engine's code is {code})")


def not_initialized(place: str) -> NotInitialized:
    """The error for tables that are missing or lack a column."""
    return NotInitialized(
        f"{place}: the tables are missing or older than this version: run `undercroft db upgrade --store KIND=URL`"
    )


def commit_failed(error: UndercroftError, place: str) -> UndercroftError:
    """A lost connection during COMMIT says nothing about the commit itself."""
    if isinstance(error, Disconnected):
        return OutcomeUnknown(f"{place}: the connection broke while a commit was under way; repeat the call")
    return error

"""Tables of values: a test that runs for each row in one store, where a store of its own for each would be most of its cost."""

from __future__ import annotations

import functools
import inspect
import os
import traceback
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

import pytest

from undercroft.core.errors import Unsupported

_SHOWN = 200
_WHOLE = bool(os.environ.get("UCTEST_WHOLE"))
T = TypeVar("T")


def part(values: Iterable[T], number: int, of: int) -> list[T]:
    """Every `of`-th value, beginning with another one for each `number`; all values where UCTEST_WHOLE is set.

    For a row of a table: rows beside each other meet all values, where each row with each value would take too long.
    """
    found = list(values)
    return found if _WHOLE else found[number % of :: of]


def rows(
    names: str | tuple[str, ...], values: Collection[Any], *, empty: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the test once per row, like `pytest.mark.parametrize`, but as one test in one store.

    Every row runs; those that fail are told together. Rows that write need `empty`, or names and times of their own.

    Args:
        names: the parameters that a row gives.
        values: a tuple per row, or a value per row where `names` is one name.
        empty: the method of the fixture `store` that empties it, called after each row.
    """
    parameters = (names,) if isinstance(names, str) else names

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)

        @functools.wraps(test)
        def every_row(**fixtures: Any) -> None:
            failures: list[str] = []
            for row in values:
                given = dict(zip(parameters, (row,) if isinstance(names, str) else row, strict=True))
                try:
                    test(**fixtures, **given)
                except Unsupported:
                    # The plugin decides whether this is a declared gap.
                    raise
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - told below, with the others
                    failures.append(f"row {ascii(given)[:_SHOWN]}:\n{_told(error)}")
                if empty:
                    getattr(fixtures["store"], empty)()
            if failures:
                # Not an ExceptionGroup: pytest does not show every part of one.
                pytest.fail("\n\n".join([f"{len(failures)} of {len(values)} rows failed", *failures]), pytrace=False)

        kept = [parameter for name, parameter in signature.parameters.items() if name not in parameters]
        every_row.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return every_row

    return decorate


def _told(error: BaseException) -> str:
    """The error with its traceback, from the test on."""
    below = error.__traceback__ and error.__traceback__.tb_next
    return "".join(traceback.format_exception(type(error), error, below)).rstrip()

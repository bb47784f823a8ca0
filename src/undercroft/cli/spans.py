"""Options that take a span of time: one way to write it in every command."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import rich_click as click

from undercroft.cli import stores


def option(bare: str | None = None) -> Callable[[click.Context, click.Parameter, str | None], dt.timedelta | None]:
    """A callback for an option that takes a span such as 90d.

    Args:
        bare: the unit of a number without one, which is told on stderr; None refuses such a number.
    """

    def read(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> dt.timedelta | None:
        from undercroft.core import span
        from undercroft.core.errors import InvalidInput

        if value is None:
            return None
        try:
            found = span.parse(value, "span", bare)
        except InvalidInput as error:
            raise click.BadParameter(error.problem) from None
        if not found:
            raise click.BadParameter("a span of time must be longer than nothing")
        if bare and (note := span.note(parameter.opts[0], value, bare)):
            stores.note(note)
        return found

    return read

"""The options that say which points are meant, and which page of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


class Which(TypedDict):
    """What the options that choose points give to a command."""

    begin: str | None
    end: str | None
    filters: tuple[str, ...]
    types: tuple[str, ...]
    resources: tuple[str, ...]


class Asked(Which):
    """The same, and a page of them."""

    offset: int
    limit: int
    everything: bool


_WHICH = (
    click.option("--begin", metavar="TIME", help="First moment, included. Default: the start of this month."),
    click.option("--end", metavar="TIME", help="Last moment, not included. Default: the end of this month."),
    click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only points whose groupby or metadata has this value. Repeated: every key must match, any value of a key does.",
    ),
    click.option("--type", "types", multiple=True, metavar="NAME", help="Only this metric type. May be repeated."),
    click.option("--resource", "resources", multiple=True, metavar="ID", help="Only this resource. May be repeated."),
)
_PAGE = (
    click.option("--limit", type=click.IntRange(min=0), default=1000, show_default=True, help="Maximum number of rows."),
    click.option("--offset", type=click.IntRange(min=0), default=0, show_default=True, help="Number of rows to skip."),
    click.option("--all", "everything", is_flag=True, help="All rows; --limit and --offset do not count."),
)


def options(command: F) -> F:
    """Add all of them; the command gets an `Asked` as its keyword arguments."""
    return which_options(_added(command, _PAGE))


def which_options(command: F) -> F:
    """Add those that choose points; the command gets a `Which` as its keyword arguments."""
    return _added(command, _WHICH)


def _added(command: F, those: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(those):
        command = option(command)
    return command


def which(asked: Which) -> dict[str, Any]:
    """The arguments of a storage method that say which points are meant.

    Raises:
        InvalidInput: a time that is none.
        click.BadParameter: a filter without `=`.
    """
    from undercroft.core import time

    return {
        "begin": None if asked["begin"] is None else time.parse(asked["begin"], "--begin"),
        "end": None if asked["end"] is None else time.parse(asked["end"], "--end"),
        "filters": filters(asked["filters"]) or None,
        "metric_types": list(asked["types"]) or None,
        "resource": list(asked["resources"]) or None,
    }


def page(asked: Asked) -> dict[str, Any]:
    """The arguments of a storage method that say which page."""
    return {"offset": asked["offset"], "limit": asked["limit"], "paginate": not asked["everything"]}


# Points that are looked at for the names of their attributes.
_SAMPLE = 1_000


def empty_groups(store: Any, which: dict[str, Any], names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What to tell of names that were grouped by and that no point has: their one group is empty.

    Args:
        store: the store that was asked.
        which: the arguments that choose the points.
        names: names of attributes that were grouped by.
        rows: the rows of the answer.
    """
    from undercroft.core import names as known_names
    from undercroft.rating import query

    for name in names:
        if not rows or any(row[name] != "" for row in rows):
            continue
        # Those that have a value may be on another page.
        if any(row[name] != "" for row in store.total(groupby=[name], limit=2, **which)["results"]):
            continue
        points = [point for frame in store.retrieve(limit=_SAMPLE, **which)["dataframes"] for _, point in frame.iterpoints()]
        own = {key for point in points for key in point.groupby if not query.is_calendar(key)}
        known = sorted(own | {"type", "time", "year", "month", "day"})
        near = known_names.nearest(name, known)
        if near is not None:
            advice = f"; did you mean {near!r}?"
        elif any(name in point.metadata for point in points):
            advice = ": it is metadata, which cannot be grouped by"
        else:
            advice = f": known are {', '.join(known[:20])}"
        yield f"no point has the attribute {name[:64]!r}, so it makes one empty group{advice}"


def rest(asked: Asked, shown: int, total: int, what: str) -> None:
    """Say on stderr when the page does not hold everything, or holds nothing."""
    if total == 0:
        period = "" if asked["begin"] or asked["end"] else " in this month; --begin and --end choose another period"
        click.echo(f"note: no {what} found{period}", err=True)
    elif shown < total and not asked["everything"]:
        click.echo(f"note: {shown:,} of {total:,} {what}; --all gives all of them", err=True)


def filters(given: Sequence[str]) -> dict[str, list[str]]:
    """The values of `--filter`, by key.

    Raises:
        click.BadParameter: one without `=`.
    """
    found: dict[str, list[str]] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE", param_hint="--filter")
        found.setdefault(key, []).append(value)
    return found

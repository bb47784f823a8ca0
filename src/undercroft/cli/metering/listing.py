"""`undercroft meter list` and `resources`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import rich_click as click

from undercroft.cli import cut, stores
from undercroft.cli.metering import selection
from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.core.model import Model

_LIMIT = (
    click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Maximum number of rows."),
    click.option("--all", "everything", is_flag=True, help="All rows; --limit does not count."),
)
_format = click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)


@click.command("list")
@stores.option("metering")
@selection.owner_options
@click.option("--unique", is_flag=True, help="One row for each meter, not for each meter of each resource.")
@_LIMIT[0]
@_LIMIT[1]
@_format
def list_(store: str | None, unique: bool, limit: int, everything: bool, form: str, **asked: Unpack[selection.Owner]) -> None:
    """List the meters that have samples, by resource. Project and user are those of the latest sample.

    \b
    Examples:
      undercroft meter list --unique
      undercroft meter list --resource vm-1
      undercroft meter list --project p1 --metadata flavor.name=m1.small --format json --all
    """
    most = None if everything else limit
    with stores.opened(store, "metering") as opened:
        shown = cut.Cut(opened.get_meters(**selection.owner(asked), limit=_one_more(most), unique=unique), most)
        columns = ("name", "type", "unit") if unique else ("name", "type", "unit", "resource_id", "project_id", "user_id", "source")
        _print(shown, columns, form)
    _rest(shown, "meters")


@click.command()
@stores.option("metering")
@selection.time_options
@_LIMIT[0]
@_LIMIT[1]
@_format
def resources(store: str | None, limit: int, everything: bool, form: str, **asked: Unpack[selection.Times]) -> None:
    """List the resources that have samples, with their first and last one. Metadata are those of the latest sample.

    With --begin and --end: resources that have samples in this time.

    \b
    Examples:
      undercroft meter resources --project p1
      undercroft meter resources --begin 2026-01-01 --end 2026-02-01 --format csv --all
      undercroft meter resources --resource vm-1 --format json
    """
    most = None if everything else limit
    begin, end = selection.bounds(asked)
    with stores.opened(store, "metering") as opened:
        found = opened.get_resources(**selection.owner(asked), start_timestamp=begin, end_timestamp=end, limit=_one_more(most))
        shown = cut.Cut(found, most)
        columns = ("resource_id", "project_id", "user_id", "source", "first_sample_timestamp", "last_sample_timestamp", "metadata")
        _print(shown, columns, form)
    _rest(shown, "resources")


def _one_more(limit: int | None) -> int | None:
    """One more than is shown tells whether there are more."""
    return None if limit is None else limit + 1


def _print(items: Iterable[Model], columns: Sequence[str], form: str) -> None:
    from undercroft.cli import output
    from undercroft.core import cells

    rows = (dict(zip(columns, _values(item, columns), strict=True)) for item in items)
    with output.target(None) as out:
        if form == "json":
            out.write(output.json_text(list(rows)) + "\n")
        elif form == "csv":
            cells.write_csv(out, columns, (["" if value is None else value for value in row.values()] for row in rows), raw=False)
        else:
            found = [[_words(value) for value in row.values()] for row in rows]
            if found:
                output.table([name.removesuffix("_timestamp") for name in columns], found)


def _values(item: Model, columns: Sequence[str]) -> list[Any]:
    values = [getattr(item, name) for name in columns]
    return [value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else value for value in values]


def _words(value: Any) -> Any:
    """A value for people: metadata as words, nothing for null."""
    from undercroft.metering.flatten import shown as words

    if isinstance(value, dict):
        return " ".join(f"{key}={text}" for key, text in words(value).items())
    return "" if value is None else value


def _rest(shown: cut.Cut[Any], what: str) -> None:
    if shown.has_more:
        stores.note(f"the first {number(shown.count, what)}; there are more: --all gives all of them")
    elif not shown.count:
        stores.note(f"no {what} found")

"""What the commands have in common that delete what is older than a time to live, the oldest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import rich_click as click

from undercroft.cli import deletion, reporting, spans, stores
from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.core.findings import Share

F = TypeVar("F", bound=Callable[..., Any])
# Deleted between two looks at the progress, where a number is given.
_AT_ONCE = 20_000


class Work(NamedTuple):
    """An expiry of one store.

    Attributes:
        kind: the kind of data, whose setting is `[kind] time_to_live`.
        things: what is deleted, in the plural.
        dated: how their time is called: `generated`, as in "generated before 2026-01-31".
        share: how much of the store would go; takes the time before which things are old, and how many go at most.
        ends: times of the oldest and the newest of what is old.
        delete: deletes a part, the oldest first, and returns how many, 0 when nothing is left; takes the time to live in seconds.
        delete_most: deletes the oldest, and returns how many; takes the time to live in seconds, and how many go at most.
    """

    kind: str
    things: str
    dated: str
    share: Callable[[dt.datetime, int | None], Share]
    ends: Callable[[dt.datetime], Iterator[dt.datetime]]
    delete: Callable[[float], int]
    delete_most: Callable[[float, int], int]


def options(kind: str) -> Callable[[F], F]:
    """The options of such a command."""
    those = (
        stores.option(kind),
        click.option(
            "--older-than",
            callback=spans.option(),
            metavar="SPAN",
            help=f"Delete what is older: 90d, 12w, 36h. Default: [{kind}] time_to_live.",
        ),
        click.option("--most", type=click.IntRange(min=1), metavar="COUNT", help="Delete so many at most, the oldest."),
        deletion.options,
        reporting.option("text"),
    )

    def add(command: F) -> F:
        for option in reversed(those):
            command = option(command)
        return command

    return add


def run(
    store: str | None,
    make: Callable[[Any], Work],
    kind: str,
    older_than: dt.timedelta | None,
    most: int | None,
    dry_run: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Delete, or look what would be deleted, and report it.

    Args:
        store: the option `--store`.
        make: the work on an open store.
        kind: the kind of data.
        older_than, most, dry_run, yes, output_format: the other options.
    """
    from undercroft.cli import output
    from undercroft.core import settings

    keep = settings.get(kind, "time_to_live") if older_than is None else older_than / dt.timedelta(seconds=1)
    with stores.opened(store, kind) as opened:
        work, before = make(opened), opened.expiry(keep)
        report: dict[str, Any] = {"dry_run": dry_run, "before": before, work.things: 0}
        if before is not None and dry_run:
            report |= _look(work, before, most)
        elif before is not None:
            if not yes:
                share = work.share(before, most)
                deletion.confirm(share, f"{work.things}, the oldest of those {work.dated} before {_text(before)}")
            report[work.things] = _delete(work, keep, before, most)
    click.echo(output.json_text(report) if output_format == "json" else "\n".join(_lines(work, report)))


def _delete(work: Work, keep: float, before: dt.datetime, most: int | None) -> int:
    """Delete in turns, and show how far it is."""
    from undercroft.cli import progress

    deleted = 0
    try:
        with progress.bar("Deleting", progress.total(lambda: work.share(before, most).part)) as show:
            while most is None or deleted < most:
                gone = work.delete(keep) if most is None else work.delete_most(keep, min(_AT_ONCE, most - deleted))
                deleted += gone
                show(deleted, work.things)
                if not gone:
                    break
    except BaseException as error:
        error.add_note(f"{number(deleted, work.things)} deleted; the same command continues")
        raise
    return deleted


def _look(work: Work, before: dt.datetime, most: int | None) -> dict[str, Any]:
    count = work.share(before, None).part
    going = count if most is None else min(count, most)
    found: dict[str, Any] = {work.things: going}
    for which, time in zip(("oldest", "newest"), work.ends(before), strict=False):
        # Which is the newest of the first so many is not known.
        if which == "oldest" or going == count:
            found[which] = time.replace(tzinfo=dt.UTC)
    return found


def _lines(work: Work, report: dict[str, Any]) -> Iterator[str]:
    count, before = report[work.things], report["before"]
    if before is None:
        yield f"everything is kept: [{work.kind}] time_to_live is not set, or 0; --older-than SPAN names a span such as 90d"
    elif not report["dry_run"]:
        yield f"deleted {number(count, work.things)}"
    else:
        yield f"would delete {number(count, work.things)} {work.dated} before {_text(before)}"
        for which in ("oldest", "newest"):
            if which in report:
                yield f"the {which} is of {_text(report[which])}"


def _text(time: dt.datetime) -> str:
    from undercroft.core import cells

    return cells.timestamp(time)

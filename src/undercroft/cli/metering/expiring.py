"""`undercroft meter expire`: delete what is older than samples are kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click

from undercroft.cli import expiring

if TYPE_CHECKING:
    from undercroft.metering import Store


@click.command()
@expiring.options("metering")
def expire(store: str | None, **options: Any) -> None:
    """Delete the samples that are older than they are kept for.

    Without --older-than, and without [metering] time_to_live in the settings, nothing is deleted. Before more than 5 % of the
    samples are deleted, the command asks.

    The oldest go first, in batches, so that others can read and write. A meter or a resource without samples leaves the lists.
    `undercroft worker` does the same each hour, without asking.

    \b
    Examples:
      undercroft meter expire --older-than 90d --dry-run
      undercroft meter expire --older-than 90d --yes
      undercroft meter expire --most 1000000
    """
    expiring.run(store, _work, "metering", **options)


def _work(store: Store) -> expiring.Work:
    from undercroft.core import cells
    from undercroft.metering import SampleFilter

    def ends(before: dt.datetime) -> Iterator[dt.datetime]:
        old = {"<": {"timestamp": cells.timestamp(before)}}
        for sample in store.query_samples(old, [{"timestamp": "asc"}], 1):
            yield sample.timestamp
        for sample in store.get_samples(SampleFilter(end_timestamp=before), 1):
            yield sample.timestamp

    return expiring.Work(
        kind="metering",
        things="samples",
        dated="taken",
        share=store.expired,
        ends=ends,
        delete=store.expire_part,
        delete_most=store.clear_expired_metering_data,
    )

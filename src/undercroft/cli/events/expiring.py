"""`undercroft events expire`: delete what is older than events are kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click

from undercroft.cli import expiring

if TYPE_CHECKING:
    from undercroft.events import Store


@click.command()
@expiring.options("events")
def expire(store: str | None, **options: Any) -> None:
    """Delete the events that are older than they are kept for.

    Without --older-than, and without [events] time_to_live in the settings, nothing is deleted. Before more than 5 % of the events
    are deleted, the command asks.

    The oldest go first, in batches, so that others can read and write. `undercroft worker` does the same each hour, without asking.

    \b
    Examples:
      undercroft events expire --older-than 90d --dry-run
      undercroft events expire --older-than 90d --yes
      undercroft events expire --most 100000
    """
    expiring.run(store, _work, "events", **options)


def _work(store: Store) -> expiring.Work:
    from undercroft.events import EventFilter
    from undercroft.events.tasks import AT_ONCE

    def ends(before: dt.datetime) -> Iterator[dt.datetime]:
        old = EventFilter(end_timestamp=before - dt.timedelta(microseconds=1))
        for direction in ("asc", "desc"):
            for event in store.get_events(old, {"limit": 1, "sort": [("generated", direction)]}):
                yield event.generated

    return expiring.Work(
        kind="events",
        things="events",
        dated="generated",
        share=store.expired,
        ends=ends,
        # With a bound: MongoDB takes a deletion without one as a rule that it then keeps by itself.
        delete=lambda ttl: store.clear_expired_data(ttl, AT_ONCE),
        delete_most=store.clear_expired_data,
    )

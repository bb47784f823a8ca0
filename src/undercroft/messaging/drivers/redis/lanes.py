"""The lanes of subscriptions, which go when these do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from undercroft.engines.redis import Call
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.redis import subscriptions
from undercroft.messaging.drivers.redis.keeping import COMING, Keeper
from undercroft.messaging.drivers.redis.register import Entry
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store

HOLDS = load("holds.lua", reads=True)
# The subscription's id ends with the digest of its queue; see `subscriptions`.
_LANE = re.compile(f"{LANE}([0-9a-f]{{16}}([0-9a-f]{{32}}))", re.ASCII)


class Lanes(Keeper):
    """Cleans lanes, and removes those whose subscriptions are gone.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, store.lanes)

    def _part(self, page: Sequence[Entry], enough: int) -> int:
        gone = self._gone(page)
        for entry in gone:
            self._store.forget(entry.project, entry.name)
        return len(gone) + super()._part([entry for entry in page if entry not in gone], enough)

    def _gone(self, page: Sequence[Entry]) -> set[Entry]:
        """Lanes whose subscriptions have expired or were removed; empty ones where the name does not say which that is."""
        now, named = self._store.now(), {entry: _LANE.fullmatch(entry.name) for entry in page}
        calls = [
            Call(HOLDS, self._base(entry), (entry.inc,))
            if match is None
            else Call(subscriptions.LIVES, f"{self._store.root}{match[2]}}}", (now, match[1]))
            for entry, match in named.items()
        ]
        answers = zip(named.items(), self._store.redis.run_many(calls), strict=True)
        return {entry for (entry, match), found in answers if found is None and (match or entry.named < now - COMING)}

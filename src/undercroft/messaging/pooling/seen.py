"""Messages of a pool as they are outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from undercroft.messaging.models import Stored
from undercroft.messaging.pooling import tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.pools import Pool


def within(route: Route, pool: Pool, ids: Sequence[str]) -> Sequence[Stored]:
    """Those of a pool that have some ids outside."""
    forms = [form for one in ids for form in route.forms(one, pool)]
    if not forms:
        return []
    return outside(route, pool, pool.call(pool.messages._get, route.queue, forms, route.project))


def outside(route: Route, pool: Pool, found: Iterable[Stored], claim: str | None = None) -> list[Stored]:
    """Messages of a pool as they are outside; `claim` is that of all of them, if they have one together."""
    tag, shown = pool.tag, []
    for name, ttl, age, body, held, claims, created, client, expires in found:
        if name[0] == tags.MARK:
            route.comes_back = True
            own = tags.shown(name, tag)
        else:
            own = name + tag
        holder = claim or (None if held is None else held + tag)
        shown.append(Stored(own, ttl, age, body, holder, claims, created, client, expires))
    return shown

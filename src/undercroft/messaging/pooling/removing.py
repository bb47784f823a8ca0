"""Deleting messages of queues that are spread over pools, with and without a claim."""

from __future__ import annotations

from collections.abc import Sequence

from undercroft.messaging.errors import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.pooling import tags
from undercroft.messaging.pooling.lookup import Lookup, Route
from undercroft.messaging.pooling.moving import Mover, Place
from undercroft.messaging.pooling.pools import Pool
from undercroft.messaging.pooling.seen import within


class Removing:
    """Deletes messages wherever they are.

    Args:
        lookup: finds queues.
        mover: brings messages.
    """

    def __init__(self, lookup: Lookup, mover: Mover) -> None:
        self._find = lookup.find
        self._mover = mover

    def delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        route = self._find(project, queue)
        if route is None:
            return
        tag = route.pool.tag
        if route.is_still and not route.comes_back and message_id.endswith(tag) and (claim is None or claim.endswith(tag)):
            # Nearly all are this one.
            self._delete_as(route, route.pool, message_id[: -tags.LENGTH], message_id, claim, given)
            return
        place = Place(route.pool, (), ()) if route.is_still else self._mover.place(route)
        if claim is None:
            pool = self._come(route, place, [message_id])
        else:
            tag = tags.parted(claim)[1]
            holder = next((one for one in place.all if one.tag == tag), None)
            if holder is None:
                if any(within(route, one, [message_id]) for one in place.all):
                    raise ClaimDoesNotExist(claim, queue, given)
                return
            pool = holder
        form = self._form(route, pool, message_id)
        if form is None:
            if claim is not None and any(within(route, one, [message_id]) for one in place.all if one is not pool):
                raise ClaimDoesNotExist(claim, queue, given)
            return
        self._delete_as(route, pool, form, message_id, claim, given)

    def _delete_as(self, route: Route, pool: Pool, form: str, message_id: str, claim: str | None, given: str | None) -> None:
        """Delete a message by what its id is within a pool, which has the claim."""
        inner = None if claim is None else claim[: -tags.LENGTH]
        try:
            pool.call(pool.messages._delete, route.queue, form, route.project, inner, given)
        except MessageIsClaimed:
            raise MessageIsClaimed(message_id) from None
        except MessageNotClaimed:
            raise MessageNotClaimed(message_id) from None
        except MessageNotClaimedBy:
            raise MessageNotClaimedBy(message_id, claim or "") from None
        except ClaimDoesNotExist:
            raise ClaimDoesNotExist(claim or "", route.queue, given) from None

    def _form(self, route: Route, pool: Pool, message_id: str) -> str | None:
        """What an id is within a pool; None where it has no such message."""
        forms = route.forms(message_id, pool)
        if len(forms) == 1 and route.is_still:
            return forms[0]
        found = pool.call(pool.messages._get, route.queue, forms, route.project) if forms else ()
        return found[0].id if found else None

    def _come(self, route: Route, place: Place, ids: Sequence[str]) -> Pool:
        """Bring messages that are to be deleted, which would else be brought by somebody else and be there again.

        Those under a claim stay; the pool where one of them is, is given back, else the one that they were brought to.
        """
        holder = place.pool
        for source in (*place.rests, *place.sources):
            forms = [form for one in ids for form in route.forms(one, source)]
            found = source.call(source.messages._get, route.queue, forms, route.project) if forms else []
            if free := [one for one in found if one.claim is None and source in place.sources]:
                self._mover.carry(route, source, place.pool, free)
            if len(free) < len(found):
                holder = source
        return holder

    def bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        route = self._find(project, queue)
        if route is None:
            return
        if route.is_still:
            self._delete_in(route, route.pool, ids, claims, given)
            return
        place = self._mover.place(route)
        self._come(route, place, ids)
        if claims is not None:
            for one in (one for pool in place.all for one in within(route, pool, ids)):
                if one.claim is None:
                    raise MessageNotClaimed(one.id)
                if one.claim not in claims:
                    raise ClaimDoesNotMatch(one.claim, queue, given)
        for pool in place.all:
            self._delete_in(route, pool, ids, claims, given)

    def _delete_in(self, route: Route, pool: Pool, ids: Sequence[str], claims: Sequence[str] | None, given: str | None) -> None:
        forms = [form for one in ids for form in route.forms(one, pool)]
        if not forms:
            return
        held = None if claims is None else [inner for inner, tag in map(tags.parted, claims) if tag == pool.tag]
        try:
            pool.call(pool.messages._bulk_delete, route.queue, forms, route.project, held, given)
        except MessageNotClaimed as error:
            raise MessageNotClaimed(tags.shown(error.fields["mid"], pool.tag)) from None
        except ClaimDoesNotMatch as error:
            raise ClaimDoesNotMatch(error.fields["cid"] + pool.tag, error.fields["queue"], given) from None

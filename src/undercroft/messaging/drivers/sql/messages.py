"""Messages in SQL: ids and places become the contract's texts, and the other way round; the dialect does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from undercroft.core.receipt import Receipt
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects import Dialect, Lane
from undercroft.messaging.drivers.sql.dialects.base import Slice
from undercroft.messaging.errors import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.models import Arrival, NewMessage, Page, Stats, Stored

Texts = list[str]


class Message(contract.Message):
    """The messages of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._plane: Dialect = driver.plane

    def _list(self, queue: str, project: str, page: Page) -> tuple[Sequence[Stored], str | None]:
        after = 0 if page.marker is None else rows.message(page.marker)
        if after is None:
            return [], None
        now = self.driver.now()
        wanted = Slice(after, page.limit, page.without, page.claimed, page.delayed)
        found = self._plane.page(Lane(project, queue), wanted, now)
        return [row.stored(now) for row in found], rows.text(found[-1].place) if found else None

    def _first(self, queue: str, project: str, sort: int) -> Stored | None:
        now = self.driver.now()
        found = self._plane.edge(Lane(project, queue), now, newest=sort < 0)
        return None if found is None else found.stored(now)

    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        now, wanted = self.driver.now(), rows.messages(ids)
        return [row.stored(now) for row in self._plane.get(Lane(project, queue), list(wanted), now)] if wanted else []

    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Texts:
        enters = self._enters(queue)
        return list(map(rows.text, self._plane.post(Lane(project, queue), client, messages, self.driver.now(), enters=enters)))

    def _enters(self, queue: str) -> bool:
        """Whether what is posted to a queue is to be handed out to its subscribers."""
        return self.driver.notifies and not queue.startswith(LANE)

    def _post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        def told(ids: Sequence[int]) -> bytes:
            return answer(list(map(rows.text, ids)))

        lane, now, enters = Lane(project, queue), self.driver.now(), self._enters(queue)
        done: bytes = self._plane.post_once(lane, client, messages, now, receipt, told, enters=enters)
        return done

    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        message, held = rows.message(message_id), None if claim is None else rows.number(claim)
        if message is None:
            return
        if claim is not None and held is None:
            # It cannot be live: what the message is like does not matter, if it is there.
            if self._get(queue, [message_id], project):
                raise ClaimDoesNotExist(claim, queue, given)
            return
        refusal = self._plane.delete(Lane(project, queue), message, held, self.driver.now())
        if refusal is None:
            return
        if claim is None:
            raise MessageIsClaimed(message_id)
        if not refusal.known:
            raise ClaimDoesNotExist(claim, queue, given)
        if refusal.holder is None:
            raise MessageNotClaimed(message_id)
        raise MessageNotClaimedBy(message_id, claim)

    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        wanted = rows.messages(ids)
        if not wanted:
            return
        held = None if claims is None else rows.numbers(claims)
        refusal = self._plane.delete_many(Lane(project, queue), list(wanted), held, self.driver.now())
        if refusal is None:
            return
        if refusal.holder is None:
            raise MessageNotClaimed(wanted[refusal.message])
        raise ClaimDoesNotMatch(rows.text(refusal.holder), queue, given)

    def _pop(self, queue: str, limit: int, project: str) -> Sequence[Stored]:
        now = self.driver.now()
        # Their claims are over.
        return [row._replace(claim=None).stored(now) for row in self._plane.pop(Lane(project, queue), limit, now)]

    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        moved: int = self._plane.redrive(Lane(project, queue), Lane(project, target), limit, self.driver.now())
        return moved

    def _stats(self, queue: str, project: str) -> Stats:
        now = self.driver.now()
        return rows.stats(self._plane.tally(Lane(project, queue), now), now)

    def _forget(self, queue: str, project: str) -> None:
        self.driver.store.forget(Lane(project, queue))

    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        now = self.driver.now()
        wanted: dict[int, Arrival] = {}
        for one in arrivals:
            if one.expires > now:
                wanted.setdefault(rows.foreign(one.id), one)
        if wanted:
            self._plane.receive(Lane(project, queue), wanted, now)

    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        found = self._plane.known(Lane(project, queue), keys, self.driver.now())
        return {key: rows.text(message) for key, message in found.items()}

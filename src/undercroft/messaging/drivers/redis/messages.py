"""Messages in Redis: each operation is one script, which one round trip runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from undercroft.core.errors import Conflict
from undercroft.core.receipt import KEPT, Receipt
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.redis import rows
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store, patience
from undercroft.messaging.errors import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.models import Arrival, NewMessage, Page, Stats, Stored

PAGE, FIRST, GET = load("page.lua", reads=True), load("first.lua", reads=True), load("get.lua", reads=True)
POST, POST_EACH, POP = load("post.lua", "entries.lua"), load("post_each.lua", "entries.lua"), load("pop.lua")
KNOWN = load("known.lua", reads=True)
DELETE, DELETE_MANY = load("delete.lua"), load("delete_many.lua")
# What `delete.lua` answers.
_GONE, _NO_CLAIM, _NOT_CLAIMED, _CLAIMED = 0, 1, 2, 3
# What `post_each.lua` answers.
_STORED, _OTHER_IDS = 0, 1
# Milliseconds that a receipt is kept; its key a little longer, for clocks differ.
_KEPT = KEPT.days * 86_400_000
_LINGERS = _KEPT + 3_600_000
# No ids are of this text, nor is a claim.
_NONE = "-"
# Accepts whatever ids the script assigns; and how many times the answer is computed from expected ids before that is used.
_ANY, _ROUNDS = "any", 3
Texts = list[str]


class Message(contract.Message):
    """The messages of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._run = self._store.redis.run
        self._base = self._store.base

    def _list(self, queue: str, project: str, page: Page) -> tuple[Sequence[Stored], str | None]:
        marker = page.marker or ""
        if marker and not rows.is_id(marker):
            return [], None
        base, last = self._base(project, queue), None
        found: list[Stored] = []
        without = ("", "") if page.without is None else (1, page.without)
        while True:
            now = self._store.now()
            left = page.limit - len(found)
            part = self._run(PAGE, base, now, marker, left, *without, int(page.claimed), int(page.delayed))
            if part is None:
                break
            inc, more, behind, shown = part
            marker = behind.decode()
            if shown:
                found += rows.stored(inc.decode(), shown, now)
                last = marker
            if not more:
                break
        return found, last

    def _first(self, queue: str, project: str, sort: int) -> Stored | None:
        while True:
            now = self._store.now()
            found = self._run(FIRST, self._base(project, queue), now, sort)
            if found != 1:
                break
        messages = [] if found is None else rows.stored(found[0].decode(), found[1], now)
        return messages[0] if messages else None

    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        wanted = list(filter(rows.is_id, ids))
        now = self._store.now()
        found = self._run(GET, self._base(project, queue), now, *wanted) if wanted else None
        return [] if found is None else rows.stored(found[0].decode(), rows.in_order(found[1]), now)

    # -- posts -----------------------------------------------------------------------------------------------------

    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Texts:
        if any(message.delay or message.dedup is not None for message in messages):
            return self._post_each(queue, messages, client, project)
        now, sender = self._store.now(), client.encode()
        values: list[Any] = []
        for message in messages:
            values += (now + message.ttl * 1000, rows.packed(message, sender, now))
        base, notifies = self._base(project, queue), self._notifies(queue)
        # Nearly always there is the queue.
        inc, listed, first = self._run(POST, base, now, b"", notifies, *values) or self._run(
            POST, base, now, self._store.made(project, queue), notifies, *values
        )
        if not listed:
            self._store.enter(project, queue, inc)
        return rows.ids(inc.decode(), range(first, first + len(messages)))

    def _post_each(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Texts:
        now = self._store.now()
        values = _each(messages, client, now)
        base, kept = self._base(project, queue), (*("",) * 6, self._notifies(queue))
        _, inc, listed, places = self._run(POST_EACH, base, now, b"", *kept, *values) or self._run(
            POST_EACH, base, now, self._store.made(project, queue), *kept, *values
        )
        if not listed:
            self._store.enter(project, queue, inc)
        return _ids(inc, places)

    def _post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        now, base, made, rounds = self._store.now(), self._base(project, queue), "", 0
        values, notifies = _each(messages, client, now), self._notifies(queue)
        told, expected = (b"", _NONE) if messages else (answer([]), "")
        while True:
            # The answer is of the ids, and is stored with the messages: it is made of what the ids would be, as long as others come
            # in between. Where they go on to, the ids are kept in its place.
            kept = (receipt.key, receipt.digest, told, now + _KEPT, _LINGERS, expected if rounds < _ROUNDS else _ANY)
            found = self._run(POST_EACH, base, now, made, *kept, notifies, *values)
            if found is None:
                made = self._store.made(project, queue)
            elif found[0] == _OTHER_IDS:
                _, inc, places = found
                expected, told, rounds = inc + places, answer(_ids(inc, places)), rounds + 1
            elif found[0] == _STORED:
                _, inc, listed, places = found
                if not listed:
                    self._store.enter(project, queue, inc)
                return told if rounds < _ROUNDS else answer(_ids(inc, places))
            else:
                return _first(receipt, answer, *found[1:])

    def _notifies(self, queue: str) -> bytes:
        """What a script is told where a message of the queue goes to the outbox, if the queue has subscriptions."""
        return b"1" if self.driver.notifies and not queue.startswith(LANE) else b""

    # -- deletion --------------------------------------------------------------------------------------------------

    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        if not rows.is_id(message_id):
            return
        held = "" if claim is None else claim if rows.is_claim(claim) else _NONE
        done = self._run(
            DELETE, self._base(project, queue), self._store.now(), message_id[: rows.INC], message_id[rows.INC :], held
        )
        if done == _GONE:
            return
        if claim is None or done == _CLAIMED:
            raise MessageIsClaimed(message_id)
        if done == _NO_CLAIM:
            raise ClaimDoesNotExist(claim, queue, given)
        if done == _NOT_CLAIMED:
            raise MessageNotClaimed(message_id)
        raise MessageNotClaimedBy(message_id, claim)

    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        wanted = list(filter(rows.is_id, ids))
        if not wanted:
            return
        under = () if claims is None else (_NONE, *filter(rows.is_claim, claims))
        refused, *which = self._run(DELETE_MANY, self._base(project, queue), self._store.now(), len(wanted), *wanted, *under)
        if not refused:
            return
        if refused == 1:
            raise MessageNotClaimed(which[0].decode())
        raise ClaimDoesNotMatch(which[0].decode(), queue, given)

    def _pop(self, queue: str, limit: int, project: str) -> Sequence[Stored]:
        for waits in patience():
            now = self._store.now()
            found = self._run(POP, self._base(project, queue), now, limit, waits)
            if found is None:
                return []
            inc, more, messages = found
            if messages or not more:
                return rows.stored(inc.decode(), messages, now)
        return []

    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        return self._store.mover.redrive(queue, target, project, limit)

    def _stats(self, queue: str, project: str) -> Stats:
        return self._store.stats(project, queue)

    def _forget(self, queue: str, project: str) -> None:
        self._store.forget(project, queue)

    # -- messages from another store -------------------------------------------------------------------------------

    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        self._store.mover.receive(queue, project, list(map(rows.arrival, arrivals)))

    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        found = self._run(KNOWN, self._base(project, queue), self._store.now(), *keys)
        return {} if found is None else {key: one.decode() for key, one in zip(keys, found, strict=True) if one is not None}


def _each(messages: Sequence[NewMessage], client: str, now: int) -> list[Any]:
    """What `post_each.lua` takes of messages."""
    sender = client.encode()
    values: list[Any] = []
    for message in messages:
        delay = now + message.delay * 1000 if message.delay else ""
        values += (now + message.ttl * 1000, rows.packed(message, sender, now), delay, message.dedup or "")
    return values


def _first(receipt: Receipt, answer: Callable[[Sequence[str]], bytes], digest: bytes, told: bytes | None, *ids: bytes) -> bytes:
    """The answer of the first post under a receipt, or one that is made of its ids."""
    if digest.decode() != receipt.digest:
        raise Conflict("this Idempotency-Key was used for another request in the last 24 hours; take a new key")
    return answer(_ids(*ids)) if told is None else told


def _ids(inc: bytes, places: bytes) -> Texts:
    """The ids of places that are one behind the other."""
    own, text = inc.decode(), places.decode()
    return [own + text[first : first + rows.PLACE] for first in range(0, len(text), rows.PLACE)]

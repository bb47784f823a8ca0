"""An exact model of the messaging contract, to compare drivers with.

Written from the contract's page alone: it shares no code with the product. It keeps every message in a list and looks at all of
them for every answer. Its ids are numbers, its clock is an attribute, and a queue is a name: it models one project.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


class Refused(Exception):
    """The contract raises one of these errors."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.names = names


@dataclasses.dataclass
class Message:
    """A message as it is kept. Moments are seconds."""

    id: int
    place: int
    body: Any
    ttl: int
    born: float
    expires: float
    free_from: float
    client: str
    claim: int | None = None
    count: int = 0


@dataclasses.dataclass
class Claim:
    """A claim as it is kept."""

    id: int
    queue: str
    ttl: int
    made: float


@dataclasses.dataclass
class Subscription:
    """A subscription as it is kept."""

    id: int
    queue: str
    subscriber: str
    ttl: int
    born: float
    options: dict[str, Any]
    confirmed: bool = False


@dataclasses.dataclass(frozen=True)
class Coming:
    """A message of another store."""

    id: str
    body: Any
    ttl: int
    born: float
    client: str
    count: int


class Oracle:
    """What a store must answer."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.queues: dict[str, dict[str, Any]] = {}
        self.kept: dict[str, list[Message]] = {}
        self.claims: dict[int, Claim] = {}
        self.remembered: dict[tuple[str, str], tuple[int, float]] = {}
        self.received: dict[tuple[str, str], int] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self._numbers = itertools.count(1)

    # -- queues ------------------------------------------------------------------------------------------------------

    def create(self, name: str, metadata: Mapping[str, Any]) -> bool:
        """Make a queue."""
        if name in self.queues:
            return False
        self.queues[name] = dict(metadata)
        return True

    def set_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata."""
        if name not in self.queues:
            raise Refused("QueueDoesNotExist")
        self.queues[name] = dict(metadata)

    def drop(self, name: str) -> None:
        """Delete a queue with its messages and claims, and what it remembers of dedup ids."""
        self.queues.pop(name, None)
        self.kept.pop(name, None)
        self.claims = {key: one for key, one in self.claims.items() if one.queue != name}
        self.remembered = {key: one for key, one in self.remembered.items() if key[0] != name}
        self.received = {key: one for key, one in self.received.items() if key[0] != name}

    def stats(self, name: str) -> tuple[int, int]:
        """How many messages are free and claimed."""
        found = self.live(name)
        claimed = sum(self.claim_of(one) is not None for one in found)
        return len(found) - claimed, claimed

    # -- messages ----------------------------------------------------------------------------------------------------

    def live(self, queue: str) -> list[Message]:
        """The messages that have not expired, in order."""
        found = [one for one in self.kept.get(queue, []) if self.clock < one.expires]
        return sorted(found, key=lambda one: one.place)

    def claim_of(self, message: Message) -> Claim | None:
        """The live claim of a message."""
        found = None if message.claim is None else self.claims.get(message.claim)
        return found if found is not None and self.clock < found.made + found.ttl else None

    def free(self, queue: str) -> list[Message]:
        """The messages that may be claimed, in order."""
        return [one for one in self.live(queue) if self.claim_of(one) is None and one.free_from <= self.clock]

    def page(
        self, queue: str, behind: int = 0, limit: int | None = None, without: str = "", claimed: bool = False, delayed: bool = False
    ) -> list[Message]:
        """The messages behind a place."""
        found = [
            one
            for one in self.live(queue)
            if one.place > behind
            and (not without or one.client != without)
            and (claimed or self.claim_of(one) is None)
            and (delayed or one.free_from <= self.clock)
        ]
        return found[:limit]

    def post(self, queue: str, messages: Sequence[Mapping[str, Any]], client: str) -> list[int]:
        """Store messages, and make the queue; their ids, that of the first one where a dedup id is remembered."""
        self.queues.setdefault(queue, {})
        given = []
        for one in messages:
            dedup = one.get("dedup_id")
            known = self.remembered.get((queue, dedup)) if dedup else None
            if known is not None and self.clock < known[1]:
                given.append(known[0])
                continue
            number = next(self._numbers)
            expires = self.clock + one["ttl"]
            self.kept.setdefault(queue, []).append(
                Message(number, number, one["body"], one["ttl"], self.clock, expires, self.clock + one["delay"], client)
            )
            if dedup:
                self.remembered[queue, dedup] = (number, expires)
            given.append(number)
        return given

    def receive(self, queue: str, coming: Sequence[Coming]) -> dict[int, str]:
        """Store messages of another store, each once, behind those that are there; the ids of those that are new."""
        found = {}
        for one in coming:
            expires = one.born + one.ttl
            if (queue, one.id) in self.received or expires <= self.clock:
                continue
            number = self.received[queue, one.id] = next(self._numbers)
            made = Message(number, number, one.body, one.ttl, one.born, expires, self.clock, one.client, None, one.count)
            self.kept.setdefault(queue, []).append(made)
            found[number] = one.id
        return found

    def find(self, queue: str, number: int) -> Message | None:
        """A live message by its id."""
        return next((one for one in self.live(queue) if one.id == number), None)

    def delete(self, queue: str, number: int, claim: int | None = None) -> None:
        """Delete a message by the contract's table."""
        found = self.find(queue, number)
        if found is None:
            return
        held = self.claim_of(found)
        if claim is None and held is not None:
            raise Refused("MessageIsClaimed")
        if claim is not None:
            self.get_claim(queue, claim)
            if held is None:
                raise Refused("MessageNotClaimed")
            if held.id != claim:
                raise Refused("MessageNotClaimedBy")
        self._remove(queue, [found])

    def bulk_delete(self, queue: str, numbers: Iterable[int], claims: Iterable[int] | None = None) -> None:
        """Delete messages, all or none."""
        wanted = set(numbers)
        found = [one for one in self.live(queue) if one.id in wanted]
        if claims is not None:
            allowed = set(claims)
            held = [self.claim_of(one) for one in found]
            wrong = {"MessageNotClaimed" for one in held if one is None}
            wrong |= {"ClaimDoesNotMatch" for one in held if one is not None and one.id not in allowed}
            if wrong:
                raise Refused(*wrong)
        self._remove(queue, found)

    def pop(self, queue: str, limit: int) -> list[Message]:
        """Remove the oldest messages that may be claimed."""
        found = self.free(queue)[:limit]
        self._remove(queue, found)
        return found

    def redrive(self, queue: str, target: str, limit: int) -> int:
        """Move messages that may be claimed behind those of another queue."""
        found = self.free(queue)[:limit]
        self._move(queue, target, found)
        for one in found:
            one.count = 0
            one.born, one.expires = self.clock, self.clock + one.ttl
        return len(found)

    def _remove(self, queue: str, gone: Sequence[Message]) -> None:
        self.kept[queue] = [one for one in self.kept.get(queue, []) if one not in gone]

    def _move(self, queue: str, target: str, moved: Sequence[Message]) -> None:
        self._remove(queue, moved)
        if moved:
            self.queues.setdefault(target, {})
        for one in moved:
            one.place, one.claim, one.free_from = next(self._numbers), None, self.clock
            self.kept.setdefault(target, []).append(one)

    # -- claims ------------------------------------------------------------------------------------------------------

    def claim(self, queue: str, ttl: int, grace: int, limit: int) -> tuple[int, list[Message]] | None:
        """Claim the oldest messages that may be claimed; those that were claimed too often become dead letters."""
        metadata = self.queues.get(queue, {})
        most, target = metadata.get("_max_claim_count"), metadata.get("_dead_letter_queue")
        taken = self.free(queue)[:limit]
        if most is not None and target is not None:
            dead = [one for one in taken if one.count >= most]
            taken = [one for one in taken if one.count < most]
            self._move(queue, target, dead)
            fresh = metadata.get("_dead_letter_queue_messages_ttl")
            for one in dead:
                if fresh is not None:
                    one.ttl, one.born, one.expires = fresh, self.clock, self.clock + fresh
        if not taken:
            return None
        made = Claim(next(self._numbers), queue, ttl, self.clock)
        self.claims[made.id] = made
        for one in taken:
            one.claim = made.id
            one.count += 1
            self._prolong(one, ttl, grace)
        return made.id, taken

    def get_claim(self, queue: str, number: int) -> tuple[Claim, list[Message]]:
        """A live claim and its messages."""
        made = self.claims.get(number)
        found = [one for one in self.live(queue) if one.claim == number and self.claim_of(one) is made]
        if made is None or made.queue != queue or not found:
            raise Refused("ClaimDoesNotExist")
        return made, found

    def renew(self, queue: str, number: int, ttl: int, grace: int) -> None:
        """Let a claim begin anew."""
        made, found = self.get_claim(queue, number)
        made.ttl, made.made = ttl, self.clock
        for one in found:
            self._prolong(one, ttl, grace)

    def release(self, queue: str, number: int) -> None:
        """End a claim."""
        if number in self.claims and self.claims[number].queue == queue:
            del self.claims[number]

    def _prolong(self, message: Message, ttl: int, grace: int) -> None:
        if message.expires < self.clock + ttl:
            message.ttl = ttl + grace
            message.expires = self.clock + ttl + grace

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def subscribed(self, queue: str) -> list[Subscription]:
        """The live subscriptions of a queue, in the order of their making."""
        return [one for one in self.subscriptions.values() if one.queue == queue and self.clock < one.born + one.ttl]

    def subscribe(self, queue: str, subscriber: str, ttl: int, options: Mapping[str, Any]) -> int | None:
        """Make a subscription."""
        if any(one.subscriber == subscriber for one in self.subscribed(queue)):
            return None
        made = Subscription(next(self._numbers), queue, subscriber, ttl, self.clock, dict(options))
        self.subscriptions[made.id] = made
        return made.id

    def change(self, queue: str, number: int, changes: Mapping[str, Any]) -> None:
        """Change a subscription."""
        one = self._subscription(queue, number)
        others = (other for other in self.subscribed(queue) if other is not one)
        if any(other.subscriber == changes.get("subscriber") for other in others):
            raise Refused("SubscriptionAlreadyExists")
        for name, value in changes.items():
            setattr(one, name, value)
        if "ttl" in changes:
            one.born = self.clock

    def confirm(self, queue: str, number: int, confirmed: bool) -> None:
        """Set whether a subscription is confirmed."""
        self._subscription(queue, number).confirmed = confirmed

    def unsubscribe(self, queue: str, number: int) -> None:
        """Remove a subscription."""
        if any(one.id == number for one in self.subscribed(queue)):
            del self.subscriptions[number]

    def _subscription(self, queue: str, number: int) -> Subscription:
        found = next((one for one in self.subscribed(queue) if one.id == number), None)
        if found is None:
            raise Refused("SubscriptionDoesNotExist")
        return found


def refusal(call: Callable[[], Any]) -> tuple[tuple[str, ...], Any]:
    """The errors of which the contract raises one, or the answer."""
    try:
        return (), call()
    except Refused as error:
        return error.names, None

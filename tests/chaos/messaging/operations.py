"""What a worker of a queue does in its n-th step, from a seed alone: whoever checks it knows without being told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
import uuid
from collections.abc import Iterator
from typing import Any

from undercroft.conformance.clock import now
from undercroft.core.receipt import Receipt
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase

KINDS = ("post", "claim", "renew", "delete", "pop")
# What is done quickly is done more often, so that it is hit, too.
_OFTEN = (3, 3, 4, 3, 1)
START = dt.datetime(2024, 3, 1, 12)
HOUR = 3_600
QUEUE, PROJECT, CLIENT = "q", "p'%", uuid.UUID(int=1)
# Messages of a post, and of a claim; messages that one pop removes.
SIZES, CLAIMED, POPPED = (1, 4, 15, 30), (2, 5, 20), 20
# Seconds that messages live: until between two steps, or into a claim, which prolongs them. Two processes read an engine's clock
# some milliseconds apart: none ends at the moment of a step.
TTLS = (9_000, 7_500, 30_600, 142_200)
# Of a claim, and of one that is renewed.
TTL, RENEWED, GRACE = 600, 1_200, 300
# A page that has all of a queue.
ALL = 10_000


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step. What a process that died has done of it, another one finds and does not do again.

    Attributes:
        number: of the step; it happens in the hour of that number.
        messages: those of a post.
        has_receipt: whether that is repeated by a receipt; else by the messages' dedup ids.
        limit: the most messages of a claim.
        before: the step before which messages are popped.
        is_clean: whether what has expired is removed afterwards.
        is_bulk: whether messages are deleted by one call.
    """

    kind: str
    number: int
    messages: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    has_receipt: bool = False
    limit: int = 0
    before: int = 0
    is_clean: bool = False
    is_bulk: bool = False

    @property
    def at(self) -> int:
        """Seconds behind the start."""
        return self.number * HOUR

    def run(self, store: DataDriverBase) -> None:
        with at(self.at):
            match self.kind:
                case "post" if not self.has_receipt:
                    store.message_controller.post(QUEUE, self.messages, CLIENT, PROJECT)
                case "post":
                    receipt = Receipt(f"step-{self.number}", "digest", b"")
                    store.message_controller.post_once(
                        QUEUE, self.messages, CLIENT, PROJECT, receipt=receipt, answer=lambda ids: " ".join(ids).encode()
                    )
                case "claim":
                    self._claimed(store)
                case "renew":
                    made, _ = self._claimed(store)
                    if made is not None:
                        store.claim_controller.update(QUEUE, made, {"ttl": RENEWED, "grace": GRACE}, PROJECT)
                case "delete":
                    self._delete(store)
                case _:
                    self._pop(store)
                    if self.is_clean:
                        store.gc()

    def _claimed(self, store: DataDriverBase) -> tuple[str | None, list[dict[str, Any]]]:
        """The claim of this step. Those of earlier steps are over."""
        held = [each for each in everything(store) if each["claim_id"]]
        if held:
            return held[0]["claim_id"], held
        made, found = store.claim_controller.create(QUEUE, {"ttl": TTL, "grace": GRACE}, PROJECT, self.limit)
        return made, list(found)

    def _delete(self, store: DataDriverBase) -> None:
        """Delete what is claimed but the first: who repeats this sees by it what was claimed."""
        made, found = self._claimed(store)
        ids = [each["id"] for each in found[1:]]
        if made is not None and self.is_bulk:
            store.message_controller.bulk_delete(QUEUE, ids, PROJECT, claim_ids=[made])
        for each in () if self.is_bulk else ids:
            store.message_controller.delete(QUEUE, each, PROJECT, made)

    def _pop(self, store: DataDriverBase) -> None:
        """Remove what earlier steps have posted."""
        left = sum(1 for each in everything(store) if each["body"]["by"] < self.before)
        while left > 0:
            left -= len(store.message_controller.pop(QUEUE, min(left, POPPED), PROJECT))


def at(seconds: float) -> Any:
    """Let it be so many seconds after the start."""
    return now(START + dt.timedelta(seconds=seconds))


def everything(store: DataDriverBase) -> list[dict[str, Any]]:
    """All messages that there are."""
    pages = store.message_controller.list(QUEUE, PROJECT, None, ALL, echo=True, include_claimed=True, include_delayed=True)
    return list(next(pages))


def operation(seed: int, number: int) -> Operation:
    """The n-th operation. Some posts repeat dedup ids of earlier steps with other contents."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, _OFTEN)[0] if number >= len(KINDS) else "post"
    if kind in ("claim", "renew", "delete"):
        return Operation(kind, number, limit=rng.choice(CLAIMED), is_bulk=rng.random() < 0.5)
    if kind == "pop":
        return Operation(kind, number, before=number - rng.choice([5, 10, 20]), is_clean=rng.random() < 0.5)
    names = [f"{number}-{k}" for k in range(rng.choice(SIZES))]
    has_receipt = rng.random() < 0.3
    if not has_receipt and rng.random() < 0.5:
        earlier = [f"{max(0, number - rng.randrange(1, 20))}-{rng.randrange(10)}" for _ in range(rng.randint(1, 10))]
        # Within one call, too.
        names += [*earlier, rng.choice(earlier), names[0]]
        rng.shuffle(names)
    messages = [{"ttl": rng.choice(TTLS), "body": {"name": name, "by": number}, "dedup_id": name} for name in names]
    return Operation(kind, number, [_plain(each) for each in messages] if has_receipt else messages, has_receipt)


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "dedup_id"}


@dataclasses.dataclass(frozen=True)
class Item:
    """A message as it should be; moments are seconds behind the start."""

    name: str
    by: int
    ttl: int
    expires: int
    claims: int = 0
    claimed_until: int = 0


class Ledger:
    """What a queue must hold after some operations, in order."""

    def __init__(self) -> None:
        self.clock = 0
        self.claim_ttl: int | None = None
        self.items: list[Item] = []
        self.remembered: dict[str, int] = {}

    def copy(self) -> Ledger:
        """Another ledger with the same contents."""
        other = Ledger()
        other.clock, other.claim_ttl = self.clock, self.claim_ttl
        other.items, other.remembered = list(self.items), dict(self.remembered)
        return other

    def __len__(self) -> int:
        return len(self.items)

    def held(self) -> list[Item]:
        """The messages under the live claim."""
        return [item for item in self.items if item.claimed_until > self.clock]

    def enter(self, done: Operation) -> bool:
        """Enter one operation; whether it changed anything."""
        self.set(done.at)
        match done.kind:
            case "post":
                return self._post(done)
            case "claim" | "renew" | "delete":
                self.claim(done, TTL)
                if done.kind == "renew":
                    self.claim(done, RENEWED, is_new=False)
                held = self.held()
                if done.kind == "delete":
                    self.remove(held[1:])
                return bool(held)
            case _:
                return self.remove([item for item in self.items if item.by < done.before])

    def set(self, clock: int) -> None:
        """Let it be a moment."""
        self.clock, self.claim_ttl = clock, None
        self.items = [item for item in self.items if item.expires > clock]

    def _post(self, done: Operation) -> bool:
        before = len(self.items)
        for message in done.messages:
            name, expires = message["body"]["name"], self.clock + message["ttl"]
            if "dedup_id" in message:
                if self.remembered.get(name, 0) > self.clock:
                    continue
                self.remembered[name] = expires
            self.items.append(Item(name, done.number, message["ttl"], expires))
        return len(self.items) > before

    def claim(self, done: Operation, ttl: int, *, is_new: bool = True) -> None:
        """Claim the first messages, or renew the claim."""
        ends = self.clock + ttl
        chosen = self.items[: done.limit] if is_new else self.held()
        life: dict[Item, Item] = {}
        for item in chosen:
            until: dict[str, Any] = {"ttl": ttl + GRACE, "expires": ends + GRACE} if item.expires < ends else {}
            life[item] = dataclasses.replace(item, claims=item.claims + is_new, claimed_until=ends, **until)
        self.items = [life.get(item, item) for item in self.items]
        self.claim_ttl = ttl if chosen else None

    def remove(self, gone: list[Item]) -> bool:
        """Remove messages; whether there were any."""
        self.items = [item for item in self.items if item not in gone]
        return bool(gone)

    def left_by(self, done: Operation, store: DataDriverBase) -> Ledger:
        """What there is when this call was done, though nobody was told: all of it, or as much as it may have come to.

        The steps of an operation that has several are each done or not, in their order; each call is done whole or not at all.
        Where a driver declares that it cannot do that, the first messages of a call may be done; but a claim is made whole.
        """
        after = self.copy()
        if done.kind == "post":
            after.enter(done)
            return after
        # An engine may let happen what is due when it is first asked about it, even if nothing is claimed then.
        after.set(done.at)
        is_whole = bool(store.capabilities.whole_calls)
        with at(done.at):
            found = everything(store)
            there = {(each["body"]["name"], each["body"]["by"]) for each in found}
            renewed = any(_ttl(store, each["claim_id"]) == RENEWED for each in found if each["claim_id"])
        if done.kind == "pop":
            doomed, sizes = [item for item in after.items if item.by < done.before], itertools.repeat(POPPED if is_whole else 1)
        else:
            if any(each["claim_id"] for each in found):
                after.claim(done, TTL)
            if renewed:
                before = after.held()
                after.claim(done, RENEWED, is_new=False)
                if not is_whole:
                    after._prolong_no_more(before, {(each["body"]["name"], each["body"]["by"]): each["ttl"] for each in found})
            doomed = after.held()[1:] if done.kind == "delete" else []
            sizes = itertools.repeat(len(doomed) if done.is_bulk and is_whole else 1)
        after.remove(_begun(doomed, sizes, there))
        return after

    def _prolong_no_more(self, before: list[Item], found: dict[tuple[str, int], int]) -> None:
        """Let messages of a renewed claim be as they were, from the first one on whose life it has not prolonged, as was found."""
        renewed = self.held()
        count = itertools.takewhile(lambda item: found.get((item.name, item.by)) == item.ttl, renewed)
        kept = dict(list(zip(renewed, before, strict=True))[sum(1 for _ in count) :])
        self.items = [kept.get(item, item) for item in self.items]


def _begun(doomed: list[Item], sizes: Iterator[int], there: set[tuple[str, int]]) -> list[Item]:
    """Those that the calls which were done have removed: all of those of the first calls."""
    left, gone = list(doomed), 0
    while left:
        size = next(sizes)
        if any((item.name, item.by) in there for item in left[:size]):
            break
        gone += len(left[:size])
        left = left[size:]
    return doomed[:gone]


def _ttl(store: DataDriverBase, claim: str) -> int | None:
    try:
        found, _ = store.claim_controller.get(QUEUE, claim, PROJECT)
    except ClaimDoesNotExist:
        return None
    return int(found["ttl"])

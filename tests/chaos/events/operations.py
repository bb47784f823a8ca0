"""What a writer of events does in its n-th step, from a seed alone: whoever checks it knows without being told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

from undercroft.conformance.clock import now
from undercroft.conformance.events.data import START
from undercroft.conformance.events.oracle import Oracle, Stored
from undercroft.events import Event, EventFilter, Store, Trait
from undercroft.events.drivers.sql import Connection as SqlConnection

KINDS = ("record", "again", "expire")
# Deletions take longer, and so are hit more often.
_OFTEN = (4, 3, 2)
HOUR = dt.timedelta(hours=1)
TYPES = ("compute.instance.update", "image.delete", "é'%_")
PROJECTS = ("a", "b", "c'%")
# Of one call; below what the drivers of SQL store in one transaction.
SIZES = (1, 4, 15, 60, 200)
# Hours behind which events expire, and those that some arrive late by.
AGES = (2, 8, 30)
LATE = 60


@dataclasses.dataclass(frozen=True)
class Operation:
    """One call of a store, or, as an expirer makes them, one after another until nothing is left to expire.

    Attributes:
        at: the moment of an expiry.
        age: seconds after which events expire.
        most: how many one call may delete.
    """

    kind: str
    events: list[Event]
    at: dt.datetime = START
    age: float = 0
    most: int = 0

    def run(self, store: Store) -> None:
        if self.kind != "expire":
            store.record_events(self.events)
            return
        with now(self.at):
            while deleted := store.clear_expired_data(self.age, self.most):
                assert deleted <= self.most, f"{deleted} events deleted, {self.most} were asked for"


def operation(seed: int, number: int) -> Operation:
    """The n-th operation. Its hour is the n-th; recording again repeats message ids of earlier steps with other contents."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, _OFTEN)[0] if number >= len(KINDS) else "record"
    if kind == "expire":
        # Between the events of two hours, and far from both: engines' clocks differ by a moment.
        age = rng.choice(AGES) * HOUR
        return Operation(
            kind, [], START + number * HOUR - dt.timedelta(minutes=15), age.total_seconds(), rng.choice([7, 40, 1_000])
        )
    events = [_event(rng, f"{number}-{k}", number) for k in range(rng.choice(SIZES))]
    if kind == "again":
        earlier = [f"{max(0, number - rng.randrange(1, LATE))}-{rng.randrange(15)}" for _ in range(rng.randint(1, 30))]
        # Within one call, too.
        events += [_event(rng, each, number) for each in [*earlier, rng.choice(earlier), events[0].message_id]]
        rng.shuffle(events)
    return Operation(kind, events)


def _event(rng: random.Random, message_id: str, hour: int) -> Event:
    hour -= rng.choice([0, 0, 0, 1, rng.randrange(LATE)])
    generated = START + hour * HOUR + dt.timedelta(seconds=rng.randrange(1_800), microseconds=rng.choice([0, 1, 999_999]))
    raw: Any = rng.choice([{}, {}, {"a.b": [{"$c": [True, None, 1.5]}]}, "text"])
    return Event(message_id, rng.choice(TYPES), generated, [_trait(rng, name) for name in _names(rng)], raw)


def _names(rng: random.Random) -> list[str]:
    names = ["project_id", "user_id", "size", "ratio", "launched_at", "state", "$a.b %'\\é"]
    return rng.sample(names, rng.choice([0, 1, 3, 6, 6, 7]))


def _trait(rng: random.Random, name: str) -> Trait:
    match name:
        case "project_id" | "user_id":
            return Trait(name, Trait.TEXT_TYPE, rng.choice(PROJECTS))
        case "size":
            return Trait(name, Trait.INT_TYPE, rng.choice([rng.randrange(-5, 5), -(2**63), 2**63 - 1, 2**53 + 1]))
        case "ratio":
            return Trait(name, Trait.FLOAT_TYPE, rng.choice([rng.uniform(-1, 1), 0.1, 1e300, float("-inf")]))
        case "launched_at":
            return Trait(name, Trait.DATETIME_TYPE, START + rng.randrange(-10_000, 10_000) * HOUR + dt.timedelta(microseconds=1))
        case "state":
            return Trait(name, Trait.NONE_TYPE, rng.choice(["active", "Active", ""]))
        case _:
            dtype = rng.choice([Trait.TEXT_TYPE, Trait.INT_TYPE])
            return Trait(
                name, dtype, rng.randrange(3) if dtype == Trait.INT_TYPE else rng.choice(["é", "\U0001f600", "%", "x" * 255])
            )


class Ledger(Oracle):
    """What a store must hold after some operations."""

    def copy(self) -> Ledger:
        """Another ledger with the same contents."""
        other = Ledger()
        other.events = dict(self.events)
        return other

    def __len__(self) -> int:
        return len(self.events)

    def enter(self, done: Operation) -> bool:
        """Enter one operation; whether it changed anything."""
        before = set(self.events)
        if done.kind == "expire":
            self.expire(done.at - dt.timedelta(seconds=done.age))
        else:
            self.record(done.events)
        return set(self.events) != before

    def left_by(self, done: Operation, store: Store) -> Ledger:
        """What there is when this call was done, though nobody was told: all of it, or as much as it may have come to.

        Of several deletions those of the oldest events may be done. A driver that does not write transactions may have stored
        some of a call's events, and deleted some of those that one deletion was for; each of them whole.
        """
        after = self.copy()
        after.enter(done)
        there = {event.message_id for event in store.get_events(EventFilter())}
        if done.kind == "expire":
            after.events |= self._kept(done, after, there, done.most if in_parts(type(store)) else 0)
        elif in_parts(type(store)):
            for message_id in set(after.events) - set(self.events) - there:
                del after.events[message_id]
        return after

    def _kept(self, done: Operation, after: Ledger, there: set[str], amiss: int) -> dict[str, Stored]:
        """The events that the call had yet to delete; none where others than the oldest are gone, but for `amiss` of them."""
        doomed = [event for event in self.select({}) if event.message_id not in after.events]
        kept = [place for place, event in enumerate(doomed) if event.message_id in there]
        gone = [place for place, event in enumerate(doomed) if event.message_id not in there]
        if kept and gone and gone[-1] - kept[0] >= max(1, amiss):
            return {}
        return {doomed[place].message_id: doomed[place] for place in kept}


def in_parts(driver: type[Store]) -> bool:
    """Whether a call that is broken off may leave some of its events: where a driver does not write transactions."""
    return not issubclass(driver, SqlConnection)

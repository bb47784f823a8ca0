"""What a writer of samples does in its n-th step, from a seed alone: whoever checks it knows without being told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

from undercroft.conformance.clock import now
from undercroft.conformance.metering.data import HOUR, START, sample, uuid1
from undercroft.conformance.metering.oracle import Oracle, Stored
from undercroft.metering import SampleFilter, Store

KINDS = ("record", "again", "maintain", "expire")
# Deletions take longer, and so are hit more often.
_OFTEN = (4, 3, 2, 2)
METERS = ("cpu", "cpu_util", "é'%_")
PROJECTS = ("a", "b", None, "c'%")
# Of one call; below what a driver stores in one transaction.
SIZES = (1, 4, 15, 60, 200)
# Hours behind which samples expire, and those that some arrive late by.
AGES = (2, 8, 40)
LATE = 60


@dataclasses.dataclass(frozen=True)
class Operation:
    """One call of a store, or, as an expirer makes them, one after another until nothing is left to expire.

    Attributes:
        at: the moment of an expiry.
        age: seconds after which samples expire.
        most: how many one call may delete; None for all.
    """

    kind: str
    samples: list[dict[str, Any]]
    at: dt.datetime = START
    age: float = 0
    most: int | None = None

    def run(self, store: Store) -> None:
        if self.kind == "maintain":
            store.maintain()
        elif self.kind == "expire":
            with now(self.at):
                while deleted := store.clear_expired_metering_data(self.age, self.most):
                    assert self.most is None or deleted <= self.most, f"{deleted} samples deleted, {self.most} were asked for"
        else:
            store.record_metering_data_batch(self.samples)


def operation(seed: int, number: int) -> Operation:
    """The n-th operation. Its hour is the n-th; recording again repeats message ids of earlier steps with other contents."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, _OFTEN)[0] if number >= len(KINDS) else "record"
    if kind == "expire":
        # Between the samples of two hours, within an hour, or at its edge.
        at = START + number * HOUR - rng.choice([0, 15, 40]) * HOUR / 60
        return Operation(kind, [], at, 3_600 * rng.choice(AGES), rng.choice([7, 40, 1_000, None]))
    if kind == "maintain":
        return Operation(kind, [])
    samples = [_sample(rng, _name(number, k), number) for k in range(rng.choice(SIZES))]
    if kind == "again":
        earlier = [_name(max(0, number - rng.randrange(1, LATE)), rng.randrange(15)) for _ in range(rng.randint(1, 30))]
        # Within one call, too.
        samples += [_sample(rng, each, number) for each in [*earlier, rng.choice(earlier), samples[0]["message_id"]]]
        rng.shuffle(samples)
    return Operation(kind, samples)


def _name(number: int, k: int) -> str:
    """Most ids are as Ceilometer makes them."""
    return f"{number}-{k}" if k % 5 == 4 else uuid1(START + number * HOUR, k)


def _sample(rng: random.Random, message_id: str, hour: int) -> dict[str, Any]:
    hour -= rng.choice([0, 0, 0, 1, rng.randrange(LATE)])
    meter = rng.choice(METERS)
    volume: Any = rng.choice([rng.uniform(-1, 1), 0.1, 1e15, -1e15])
    if meter == "cpu":
        volume = rng.choice([2**62 + rng.randrange(2**40), 5 * 10**16 + hour * 10**9, 2**70 + hour])
    return sample(
        message_id, volume, at=START + hour * HOUR + dt.timedelta(seconds=rng.randrange(3_600),
            microseconds=rng.choice([0, 1, 999_999])),
        meter=meter, resource=f"r{rng.randrange(6)}", project_id=rng.choice(PROJECTS), user_id=rng.choice(["u", None]),
        resource_metadata=rng.choice([{}, {"instance_type": "m1"}, {"instance_type": "m2", "a.b": [{"$c": [True, None, 1.5]}]}]),
    )  # fmt: skip


class Ledger(Oracle):
    """What a store must hold after some operations."""

    def copy(self) -> Ledger:
        """Another ledger with the same contents."""
        other = Ledger()
        other.samples = dict(self.samples)
        return other

    def __len__(self) -> int:
        return len(self.samples)

    def enter(self, done: Operation) -> bool:
        """Enter one operation; whether it changed anything."""
        before = set(self.samples)
        if done.kind == "expire":
            self.expire(done.at - dt.timedelta(seconds=done.age))
        else:
            self.record(done.samples)
        return set(self.samples) != before

    def left_by(self, done: Operation, store: Store) -> Ledger:
        """What there is when this call was done, though nobody was told: all of it, or as much as it may have come to.

        Of several deletions those of the oldest samples may be done; of one deletion of everything, some meters' part of an hour.
        """
        after = self.copy()
        after.enter(done)
        if done.kind == "expire":
            there = {each.message_id for each in store.get_samples(SampleFilter())}
            after.samples |= self._kept(done, after, there)
        return after

    def _kept(self, done: Operation, after: Ledger, there: set[str]) -> dict[str, Stored]:
        """The samples that the call had yet to delete; none where others than the oldest are gone."""
        doomed = [each for each in self.samples.values() if each.message_id not in after.samples]
        kept = {each.message_id: each for each in doomed if each.message_id in there}
        gone = [each.timestamp for each in doomed if each.message_id not in there]
        if kept and gone:
            last = max(gone)
            if done.most is None:
                last = last.replace(minute=0, second=0, microsecond=0)
            if min(each.timestamp for each in kept.values()) < last:
                return {}
        return kept

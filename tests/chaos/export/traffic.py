"""What arrives in the source while the worker reads it, and the ledger of it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.chaos.faults import Faults
from undercroft.export import COLUMNS

METERS = ("cpu", "disk.read", "disk.é")
PROJECTS = ("p1", "p2", None)
# Small, so that what fills several pages comes often.
PAGE = 8
_HOUR = dt.timedelta(hours=1)
_PAUSE = 0.06

Samples = list[dict[str, Any]]
Row = tuple[Any, ...]


def now() -> dt.datetime:
    """The present moment, naive UTC."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def row(sample: dict[str, Any]) -> Row:
    """A sample as the target must have it."""
    return tuple(sample[name] for name in COLUMNS)


class Traffic:
    """Makes samples from a seed, gives them to a source, and keeps what a target must have.

    Args:
        add: gives samples to the source; they can be read when it returns.
        seed: of everything random.
        lag, overlap: of the worker, in seconds. Without an overlap no sample is late.

    Attributes:
        rows: what was given, by message id.
        needed: ids of those that the worker has to find: they could be read before their time had passed it.
        last: the greatest timestamp.
        added: when the last ones could be read.
    """

    def __init__(self, add: Callable[[Samples], object], seed: int, *, lag: float, overlap: float) -> None:
        self._add, self._rng = add, random.Random(seed)
        self._reach = dt.timedelta(seconds=lag + overlap)
        self._overlap = overlap
        self._number = 0
        self._recent: list[dt.datetime] = []
        self.rows: dict[str, Row] = {}
        self.needed: set[str] = set()
        self.last = self.added = dt.datetime(2012, 1, 1)

    def history(self, count: int) -> None:
        """What is there before the worker is: some days, many samples of one timestamp among them."""
        rng, start = self._rng, now() - 40 * _HOUR
        times = [start + rng.random() * 39 * _HOUR for _ in range(max(1, count // 3))]
        self._give([self._sample(rng.choice(times)) for _ in range(count)], is_history=True)

    def step(self) -> None:
        """What arrives at one moment."""
        rng, at = self._rng, now()
        ways = [(self._present, 6), (self._burst, 1), (self._future, 2), (self._border, 2)]
        if self._overlap:
            ways.append((self._late, 3))
        (way,) = rng.choices([way for way, _ in ways], [weight for _, weight in ways])
        found = way(at)
        self._recent = [*self._recent, *{sample["timestamp"] for sample in found}][-20:]
        self._give(found)

    def _present(self, at: dt.datetime) -> Samples:
        # Without an overlap, what is written while the machine is busy must not be too late.
        ahead = dt.timedelta(seconds=0 if self._overlap else self._rng.uniform(0.3, 0.8))
        return [self._sample(at + ahead) for _ in range(self._rng.randint(1, PAGE))]

    def _burst(self, at: dt.datetime) -> Samples:
        """Ten pages of one timestamp."""
        at += dt.timedelta(seconds=0 if self._overlap else 0.5)
        meter = self._rng.choice(METERS)
        return [self._sample(at, meter) for _ in range(10 * PAGE)]

    def _future(self, at: dt.datetime) -> Samples:
        return [self._sample(at + dt.timedelta(seconds=self._rng.uniform(0.3, 1.5))) for _ in range(self._rng.randint(1, 5))]

    def _border(self, at: dt.datetime) -> Samples:
        """Equal timestamps at the end of a page, and again those of before."""
        at += dt.timedelta(seconds=0 if self._overlap else 0.5)
        meter, size = self._rng.choice(METERS), self._rng.choice([PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
        found = [self._sample(at, meter) for _ in range(size)]
        if self._overlap and self._recent:
            found += [self._sample(max(self._rng.choice(self._recent), at - self._late_most()), meter) for _ in range(3)]
        return found

    def _late(self, at: dt.datetime) -> Samples:
        return [self._sample(at - self._rng.random() * self._late_most()) for _ in range(self._rng.randint(1, 5))]

    def _late_most(self) -> dt.timedelta:
        # The rest is for a machine that is busy between here and the source.
        return 0.6 * self._reach

    def _sample(self, at: dt.datetime, meter: str | None = None) -> dict[str, Any]:
        rng = self._rng
        self._number += 1
        volume = rng.choice([float(self._number), rng.uniform(-1, 1), 1e15])
        return {
            "counter_name": meter or rng.choice(METERS), "counter_type": rng.choice(["gauge", "delta", "cumulative"]),
            "counter_unit": rng.choice(["B", "ns", "%"]), "counter_volume": volume, "user_id": "u",
            "project_id": rng.choice(PROJECTS), "resource_id": f"r{rng.randrange(5)}", "source": "openstack", "timestamp": at,
            "resource_metadata": {}, "message_id": f"{rng.getrandbits(64):016x}-{self._number}",
        }  # fmt: skip

    def _give(self, samples: Samples, *, is_history: bool = False) -> None:
        # Before they can be read, so that each one found in the target is in the ledger.
        self.rows.update((sample["message_id"], row(sample)) for sample in samples)
        self._add(samples)
        self.added = now()
        self.last = max(self.last, *(sample["timestamp"] for sample in samples))
        self.needed.update(
            sample["message_id"] for sample in samples if is_history or self.added < sample["timestamp"] + self._reach
        )

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        """Samples arrive for as long as the block lasts."""
        stop = threading.Event()

        def flow() -> None:
            while not stop.wait(_PAUSE):
                self.step()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(flow)
            try:
                yield
            finally:
                stop.set()
            running.result()

    def audit(self, found: Sequence[Row], selects: Callable[[Row], bool], *, is_over: bool) -> Faults:
        """Compare the rows of a target with what was given.

        Args:
            found: all nine columns of each row.
            selects: whether a filter of the worker selects a row.
            is_over: whether everything has to be there.
        """
        place = COLUMNS.index("message_id")
        ids = [one[place] for one in found]
        right = {one[place] for one in found if self.rows.get(one[place]) == one and selects(one)}
        missing = {ident for ident in self.needed - right if selects(self.rows[ident])} if is_over else set()
        return Faults(len(missing), len(ids) - len(right), [])

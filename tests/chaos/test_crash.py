"""kill -9 of a writer at any moment: everything acknowledged is there, once, and all answers agree with it."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.processes import life
from tests.chaos.verifier import Verifier
from tests.chaos.workloads import WORKLOADS, harmful
from tests.chaos.writers import write
from tests.conftest import WHOLE, first_of_each, opener_of, stores
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.kind(*WORKLOADS), pytest.mark.promise("D2"), pytest.mark.timeout(1800)]
# Seconds that a life lasts at most: from the beginning, and where a machine is so busy that a call takes longer than that.
SHORTEST, LONGEST = 0.12, 5.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "weakened" in metafunc.fixturenames:
        targets = [target for kind in WORKLOADS for target in stores(metafunc.config, kind)]
        pairs = [(target, twin) for target in targets for twin in harmful(target)]
        if not WHOLE:
            pairs = first_of_each(pairs, lambda pair: (pair[0].kind, pair[1]))
        names = [f"{target.kind}-{target.driver}-{twin}" for target, twin in pairs]
        metafunc.parametrize("weakened", pairs, ids=names, indirect=True)


@pytest.fixture
def weakened(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[tuple[Opener, str]]:
    """A store of any kind, and a twin that harms it."""
    target, twin = request.param
    opener = opener_of(target, tmp_path)
    yield opener, twin
    opener.clear()


@dataclasses.dataclass
class Chaos(Verifier):
    """A writer that is killed, again and again, and repeats what it had no answer for.

    Attributes:
        longest: seconds that a life lasts at most; where a store is slow it grows, so that the writer gets somewhere.
    """

    twin: str | None = None
    longest: float = SHORTEST

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kills: collections.Counter[str] = collections.Counter()

    def live(self, last: int | None = None) -> int:
        """One life of the writer, from the first call that was not acknowledged; it is killed unless it has an end."""
        kind, options = self.opener.target.kind, {"namespace": self.opener.namespace}
        arguments: tuple[Any, ...] = (kind, self.opener.url, options, self.seed, self.done)
        with life(write, *arguments, last, self.acknowledgements, self.twin) as writer:
            if self.rng.random() < 0.9 or last is not None:
                assert writer.hear() == "ready"
            if last is not None:
                return writer.end()
            time.sleep(self.rng.uniform(0, self.longest))
            writer.kill()
            return writer.end()

    def kill_until(self, kills: int) -> None:
        """Kill until every kind of call was hit so often, or a fault is found."""
        while not self.faults and min(self.kills[kind] for kind in self.work.calls) < kills:
            before = self.done
            code = self.live()
            assert code == -9, f"the writer ended by itself: {code}"
            self.verify()
            self.longest = min(LONGEST, self.longest * 1.2) if self.done == before else max(SHORTEST, self.longest / 1.05)
            if self.faults:
                # A server may still have been busy with the last statement of the one who died.
                time.sleep(1)
                self.verify()
            self.kills[self.work.operation(self.seed, self.done).kind] += 1
            assert self.kills.total() < 100 * kills, "some calls are never hit"

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {
            "kills": self.kills.total(),
            **{f"in_{kind}": self.kills[kind] for kind in self.work.calls},
            **super().figures(),
        }


def test_everything_acknowledged_is_there_once(any_opener: Opener, tmp_path: pathlib.Path, seed: int, record, figure):
    chaos = Chaos(any_opener, tmp_path, seed)
    chaos.kill_until(figure(2, 25))
    record(**chaos.figures())
    assert not chaos.faults, chaos.faults
    # Faults off: the writer repeats its last call, goes on, and comes to an end.
    assert chaos.live(last=chaos.done + 10) == 0
    chaos.verify(settled=True)
    record(**chaos.figures())
    assert not chaos.faults, chaos.faults


def test_twin_is_caught(weakened: tuple[Opener, str], tmp_path: pathlib.Path, seed: int, record):
    opener, twin = weakened
    chaos = Chaos(opener, tmp_path, seed, twin)
    chaos.kill_until(25)
    record(**chaos.figures())
    assert chaos.faults

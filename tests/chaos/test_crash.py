"""kill -9 of a writer at any moment: everything acknowledged is there, once, and the sums beside the points agree with them."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import time
from typing import Any

import pytest

from tests.chaos.judge import Judge
from tests.chaos.operations import KINDS, operation
from tests.chaos.processes import life
from tests.chaos.writers import write
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.promise("D2"), pytest.mark.timeout(1800)]


@dataclasses.dataclass
class Chaos(Judge):
    """A writer that is killed, again and again, and repeats what it had no answer for."""

    twin: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kills: collections.Counter[str] = collections.Counter()

    def live(self, last: int | None = None) -> int:
        """One life of the writer, from the first call that was not acknowledged; it is killed unless it has an end."""
        arguments: tuple[Any, ...] = (self.opener.url, {"namespace": self.opener.namespace}, self.seed, self.done)
        with life(write, *arguments, last, self.acknowledgements, self.twin) as writer:
            if self.rng.random() < 0.9 or last is not None:
                assert writer.hear() == "ready"
            if last is not None:
                return writer.end()
            time.sleep(self.rng.uniform(0, 0.12))
            writer.kill()
            return writer.end()

    def kill_until(self, kills: int) -> None:
        """Kill until every kind of call was hit so often, or a fault is found."""
        while not self.faults and min(self.kills[kind] for kind in KINDS) < kills:
            code = self.live()
            assert code == -9, f"the writer ended by itself: {code}"
            self.judge()
            if self.faults:
                # A server may still have been busy with the last statement of the one who died.
                time.sleep(1)
                self.judge()
            self.kills[operation(self.seed, self.done).kind] += 1
            assert self.kills.total() < 100 * kills, "some calls are never hit"

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {
            "kills": self.kills.total(),
            **{f"in_{kind}": self.kills[kind] for kind in KINDS},
            **super().figures(),
        }


def test_everything_acknowledged_is_there_once(opener: Opener, tmp_path: pathlib.Path, seed: int, record, figure):
    chaos = Chaos(opener, tmp_path, seed)
    chaos.kill_until(figure(2, 25))
    record(**chaos.figures())
    assert not chaos.faults, chaos.faults
    # Faults off: the writer repeats its last call, goes on, and comes to an end.
    assert chaos.live(last=chaos.done + 10) == 0
    chaos.judge(settled=True)
    record(**chaos.figures())
    assert not chaos.faults, chaos.faults


@pytest.mark.parametrize("twin", ["acknowledged first", "in parts", "sums apart"])
def test_twin_is_caught(opener: Opener, tmp_path: pathlib.Path, seed: int, twin: str, record):
    chaos = Chaos(opener, tmp_path, seed, twin)
    chaos.kill_until(25)
    record(**chaos.figures())
    assert chaos.faults

"""A power cut at any moment: what the driver's own SQLite acknowledged was flushed before, in the right order."""

from __future__ import annotations

import pathlib
import random
import shutil
import sys
from typing import Any

import pytest

from tests.chaos.power import Disk, trace
from tests.chaos.workloads import WORKLOADS
from tests.chaos.writers import ACKNOWLEDGED
from undercroft.conformance.plugin import Opener, Target

pytestmark = [pytest.mark.promise("D1"), pytest.mark.timeout(7200)]
TOP = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def _strace() -> None:
    """The runner of engines installs it with ENGINES=all, and says NOT RUN where it is missing."""
    if shutil.which("strace") is None:
        pytest.skip("NOT RUN: needs strace")


def file_in(folder: pathlib.Path, kind: str) -> Opener:
    """Opens the file of a kind in a folder."""
    return Opener(Target(kind, "sqlite", ""), f"sqlite:///{folder}/{kind}.db", "p")


def after_cuts(kind: str, folder: pathlib.Path, seed: int, operations: int, cuts: int, **options: str) -> dict[str, Any]:
    """Trace a writer, cut the power at random moments, and compare what is left with what was acknowledged."""
    live = folder / "live"
    live.mkdir()
    work, opener = WORKLOADS[kind], file_in(live, kind)
    opener.close(opener())
    disk = Disk(live)
    query = "&".join(f"{name}={value}" for name, value in {"namespace": "p", **options}.items())
    command = [sys.executable, "-m", "tests.chaos.writers", kind, f"{opener.url}?{query}", str(seed), str(operations)]
    calls = trace(command, folder / "trace", live, cwd=TOP)
    told = [place for place, call in enumerate(calls) if call.path.endswith(ACKNOWLEDGED) and call.name == "write"]
    assert len(told) == operations
    rng = random.Random(seed)
    # After the first acknowledgement, and before the file is closed in good order.
    places = sorted(rng.choices(range(told[0], told[-1] + 1), k=cuts))
    ledger, done, changes, found = work.ledger(), 0, 0, {"cuts": cuts, "lost_something": 0, "unanswered_stored": 0}
    for place, call in enumerate(calls):
        disk.do(call)
        if call.path.endswith(ACKNOWLEDGED) and call.name == "write":
            # What changes nothing has nothing to commit.
            changes += ledger.enter(work.operation(seed, done))
            done += 1
        while places and places[0] == place:
            places.pop(0)
            into = folder / f"cut-{len(places)}"
            disk.cut(into, rng if rng.random() < 0.5 else None)
            verdict = compare(into, kind, ledger, work.operation(seed, done), rng)
            found["lost_something"] += verdict is None
            found["unanswered_stored"] += verdict == 1
            shutil.rmtree(into)
    return found | {"calls": done, "commits": changes, "syncs_of_the_log": disk.syncs[f"{kind}.db-wal"]}


def compare(folder: pathlib.Path, kind: str, ledger: Any, unanswered: Any, rng: random.Random) -> int | None:
    """Open what is left, as after a restart: 0 when it agrees with the ledger, 1 when the call without an answer was done."""
    work, opener = WORKLOADS[kind], file_in(folder, kind)
    store = opener(init=False)
    try:
        questions = rng.sample(work.questions, 4)
        if not work.audit(store, ledger, questions):
            return 0
        return None if work.audit(store, ledger.left_by(unanswered, store), questions) else 1
    finally:
        opener.close(store)


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.usefixtures("_strace")
def test_no_power_cut_takes_what_was_acknowledged(kind: str, tmp_path: pathlib.Path, seed: int, record, figure):
    found = after_cuts(kind, tmp_path, seed, *figure((60, 15), (200, 500)))
    record(**found)
    assert found["lost_something"] == 0
    assert found["syncs_of_the_log"] >= found["commits"]


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.usefixtures("_strace")
def test_twin_synchronous_normal_loses(kind: str, tmp_path: pathlib.Path, seed: int, record, figure):
    found = after_cuts(kind, tmp_path, seed, *figure((60, 15), (200, 200)), synchronous="normal")
    record(**found)
    # A cut just behind a checkpoint loses nothing.
    assert found["lost_something"] > found["cuts"] // 4
    assert found["syncs_of_the_log"] < found["commits"]

"""A power cut at any moment: what the driver's own SQLite acknowledged was flushed before, in the right order."""

from __future__ import annotations

import pathlib
import random
import shutil
import sys
from typing import Any

import pytest

from tests.chaos.audit import QUESTIONS, audit
from tests.chaos.operations import Ledger, operation
from tests.chaos.power import Disk, trace
from tests.chaos.writers import ACKNOWLEDGED
from undercroft.conformance.plugin import Opener, Target

pytestmark = [pytest.mark.promise("D1"), pytest.mark.timeout(7200)]
TOP = pathlib.Path(__file__).parent.parent.parent
OPERATIONS = 200


@pytest.fixture
def _strace() -> None:
    """The runner of engines installs it with ENGINES=all, and says NOT RUN where it is missing."""
    if shutil.which("strace") is None:
        pytest.skip("NOT RUN: needs strace")


def after_cuts(folder: pathlib.Path, seed: int, cuts: int, **options: str) -> dict[str, Any]:
    """Trace a writer, cut the power at random moments, and compare what is left with what was acknowledged."""
    live = folder / "live"
    live.mkdir()
    opener = Opener(Target("rating", "sqlite", ""), f"sqlite:///{live}/rating.db", "p")
    opener.close(opener())
    disk = Disk(live)
    query = "&".join(f"{name}={value}" for name, value in {"namespace": "p", **options}.items())
    command = [sys.executable, "-m", "tests.chaos.writers", f"{opener.url}?{query}", str(seed), str(OPERATIONS)]
    calls = trace(command, folder / "trace", live, cwd=TOP)
    told = [place for place, call in enumerate(calls) if call.path.endswith(ACKNOWLEDGED) and call.name == "write"]
    assert len(told) == OPERATIONS
    rng = random.Random(seed)
    # After the first acknowledgement, and before the file is closed in good order.
    places = sorted(rng.choices(range(told[0], told[-1] + 1), k=cuts))
    ledger, done, found = Ledger(), 0, {"cuts": cuts, "lost_something": 0, "unanswered_stored": 0}
    for place, call in enumerate(calls):
        disk.do(call)
        if call.path.endswith(ACKNOWLEDGED) and call.name == "write":
            ledger.enter(operation(seed, done))
            done += 1
        while places and places[0] == place:
            places.pop(0)
            into = folder / f"cut-{len(places)}"
            disk.cut(into, rng if rng.random() < 0.5 else None)
            after = ledger.copy()
            after.enter(operation(seed, done))
            verdict = compare(into, [ledger, after], rng)
            found["lost_something"] += verdict is None
            found["unanswered_stored"] += verdict == 1
            shutil.rmtree(into)
    return found | {"commits": done, "syncs_of_the_log": disk.syncs["rating.db-wal"]}


def compare(folder: pathlib.Path, ledgers: list[Ledger], rng: random.Random) -> int | None:
    """Open what is left, as after a restart; which of the ledgers it agrees with."""
    opener = Opener(Target("rating", "sqlite", ""), f"sqlite:///{folder}/rating.db", "p")
    store = opener(init=False)
    try:
        questions = rng.sample(QUESTIONS, 4)
        return next((number for number, ledger in enumerate(ledgers) if not audit(store, ledger, questions)), None)
    finally:
        opener.close(store)


@pytest.mark.usefixtures("_strace")
def test_no_power_cut_takes_what_was_acknowledged(tmp_path: pathlib.Path, seed: int, record, figure):
    found = after_cuts(tmp_path, seed, figure(50, 500))
    record(**found)
    assert found["lost_something"] == 0
    assert found["syncs_of_the_log"] >= found["commits"]


@pytest.mark.usefixtures("_strace")
def test_twin_synchronous_normal_loses(tmp_path: pathlib.Path, seed: int, record, figure):
    found = after_cuts(tmp_path, seed, figure(50, 200), synchronous="normal")
    record(**found)
    assert found["lost_something"] > found["cuts"] // 2
    assert found["syncs_of_the_log"] < found["commits"]

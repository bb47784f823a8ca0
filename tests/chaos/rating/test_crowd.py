"""16 writers and 4 readers at once: readers see whole pushes only, and in the end every sum is exact (M2)."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.chaos.faults import Faults
from tests.chaos.processes import PATIENCE, life
from tests.chaos.rating.audit import audit
from tests.chaos.rating.crowd import PUSHES, read, step, write
from tests.chaos.rating.operations import Ledger
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.promise("M2"), pytest.mark.timeout(1800)]
WRITERS = 16
READERS = 4


def crowded(opener: Opener, seed: int, seconds: float, twin: str | None = None) -> tuple[Faults, list[str], dict[str, Any]]:
    """Let them all work for so long; what is wrong in the end, what readers saw that never was, and the figures."""
    store = opener()
    options: dict[str, Any] = {"namespace": opener.namespace, "pool_size": 1}
    adding = {"on_conflict": "append"} if twin == "appends" else {}
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(life(write, opener.url, {**options, **adding}, seed, number, seconds, twin))
            for number in range(WRITERS)
        ]
        readers = [stack.enter_context(life(read, opener.url, options, seed + number)) for number in range(READERS)]
        for each in (*writers, *readers):
            assert each.hear() == "ready"
        for each in (*writers, *readers):
            each.tell("go")
        done = [each.hear(seconds + 2 * PATIENCE) for each in writers]
        for each in readers:
            each.tell("stop")
        seen = [each.hear() for each in readers]
    ledger = Ledger()
    for number, (count, _) in enumerate(done):
        # What comes before is replaced, or deleted, by what comes after.
        for last in range(max(0, count - 2 * PUSHES), count):
            ledger.enter(step(seed, number, last))
    faults = audit(store, ledger)
    bad = [one for _, wrong in seen for one in wrong]
    figures = {
        "writers": WRITERS, "readers": READERS, "seconds": seconds, "calls": sum(count for count, _ in done),
        "fewest_of_a_writer": min(count for count, _ in done), "repeated": sum(again for _, again in done),
        "answers": sum(answers for answers, _ in seen), "answers_in_parts": len(bad), "wrong_sums": len(faults.answers),
        "lost": faults.lost, "doubled": faults.doubled,
    }  # fmt: skip
    return faults, bad, figures


def test_readers_see_whole_pushes_and_sums_are_exact(opener: Opener, seed: int, record, figure):
    faults, bad, figures = crowded(opener, seed, figure(5, 60))
    record(**figures)
    assert not faults, faults
    assert bad == []
    assert figures["answers"] > READERS
    assert figures["fewest_of_a_writer"] > 0


def test_twin_that_pushes_in_parts_shows_halves(opener: Opener, seed: int, record, figure):
    _, bad, figures = crowded(opener, seed, 5, "in parts")
    record(**figures)
    assert bad


def test_twin_that_appends_adds_up(opener: Opener, seed: int, record, figure):
    faults, _, figures = crowded(opener, seed, 5, "appends")
    record(**figures)
    assert faults.doubled
    assert faults.answers

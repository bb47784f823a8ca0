"""Tables are brought to this version while the version before works on them, and the migration is killed on the way (D8)."""

from __future__ import annotations

import itertools
import pathlib
import subprocess
import time
from typing import Any

import pytest
import sqlalchemy as sa

from tests.chaos.processes import PATIENCE, Acknowledgements, life
from tests.chaos.rating.audit import audit
from tests.chaos.rating.operations import Ledger, operation
from tests.chaos.rating.previous import client, package
from tests.chaos.rating.starters import die
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.promise("D8"), pytest.mark.timeout(1800)]
# Calls of the version before, in each phase.
CALLS = 15


def await_calls(process: subprocess.Popen[str], told: Acknowledgements, count: int) -> None:
    """Wait until so many calls were acknowledged since now."""
    wanted = len(told.read()) + count
    end = time.monotonic() + PATIENCE
    while len(told.read()) < wanted:
        assert process.poll() is None, f"the version before has failed:\n{process.communicate()[0]}"
        assert time.monotonic() < end, "the version before does nothing"
        time.sleep(0.01)


def test_the_version_before_works_on_while_the_migration_is_killed_and_done(
    opener: Opener, tmp_path: pathlib.Path, seed: int, record
):
    step = package(tmp_path / "before")
    told = Acknowledgements(tmp_path / "acknowledged")
    with client(tmp_path / "before", opener.url, opener.namespace, seed, told) as process:
        await_calls(process, told, CALLS)
        store: Any = opener(init=False)
        assert "needs" in store.check()[0]
        kills = 0
        for number in itertools.count(1):
            with life(die, opener.url, {"namespace": opener.namespace}, number) as doomed:
                if doomed.end() == 0:
                    break
            kills += 1
            await_calls(process, told, 1)
        assert store.check() == []
        await_calls(process, told, CALLS)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
    ledger = Ledger()
    for call in told.read():
        ledger.enter(operation(seed, call))
    faults = audit(store, ledger)
    record(step=step, kills=kills, calls_of_the_version_before=len(told.read()), lost=faults.lost, wrong_sums=len(faults.answers))
    assert not faults, faults
    assert kills > 2


def test_twin_a_migration_that_takes_something_away_is_noticed(opener: Opener, tmp_path: pathlib.Path, seed: int):
    package(tmp_path / "before")
    told = Acknowledgements(tmp_path / "acknowledged")
    with client(tmp_path / "before", opener.url, opener.namespace, seed, told) as process:
        await_calls(process, told, CALLS)
        store: Any = opener(init=False)
        table = f"{opener.namespace}_rating_slot_total"
        store._db.write(lambda connection: connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {table}_new")))
        try:
            with pytest.raises(AssertionError, match="the version before has failed"):
                await_calls(process, told, CALLS)
        finally:
            store._db.write(lambda connection: connection.execute(sa.text(f"ALTER TABLE {table}_new RENAME TO {table}")))

"""Processes that start together: the tables are made once, every starter succeeds, and dying on the way does no harm."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.util.exc import CommandError

from tests.chaos.processes import Life, life
from tests.chaos.rating.starters import die, start
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import everything, frame, of, quantity

pytestmark = [pytest.mark.promise("D8"), pytest.mark.timeout(1800)]
STARTERS = 8


@contextlib.contextmanager
def empty(opener: Opener, number: int) -> Iterator[Opener]:
    """A namespace without tables, on the same store."""
    found = Opener(opener.target, opener.url, f"{opener.namespace}_{number}")
    try:
        yield found
    finally:
        found.clear()


@contextlib.contextmanager
def starting(opener: Opener, count: int = STARTERS, without: str | None = None) -> Iterator[list[Life]]:
    """Starters that have just been told to go."""
    with contextlib.ExitStack() as stack:
        options = {"namespace": opener.namespace}
        lives = [stack.enter_context(life(start, opener.url, options, without)) for _ in range(count)]
        for each in lives:
            assert each.hear() == "ready"
        for each in lives:
            each.tell("go")
        yield lives


def works(opener: Opener) -> None:
    """The tables are what this version needs, and hold usage."""
    store: Any = opener()
    assert store.check() == []
    store.push([frame(0, of("p", 2)), frame(1, of("p", 3))])
    assert quantity(store, groupby=["project_id"]) == 5
    assert len(everything(store)) == 2


def tables(opener: Opener) -> int:
    """How many tables one starter makes."""
    with starting(opener, 1) as (alone,):
        made, error = alone.hear()
    assert error is None
    return int(made)


def test_one_of_many_starters_makes_the_tables(opener: Opener, record, figure):
    wanted = tables(opener)
    opener()
    rounds = figure(3, 25)
    for number in range(rounds):
        with empty(opener, number) as fresh:
            with starting(fresh) as lives:
                heard = [each.hear() for each in lives]
            assert [error for _, error in heard] == [None] * STARTERS
            assert sum(made for made, _ in heard) == wanted
            works(fresh)
    record(rounds=rounds, starters=STARTERS, tables=wanted, made_twice=0, failed=0)


def test_twin_without_the_lock_makes_them_more_than_once_or_fails(opener: Opener, record):
    wanted = tables(opener)
    opener()
    with empty(opener, 0) as fresh:
        with starting(fresh, without="locks") as lives:
            heard = [each.hear() for each in lives]
        failed = sum(error is not None for _, error in heard)
        try:
            fresh()
        except CommandError:
            # Two of them have each noted a version.
            failed += 1
    made = sum(made for made, _ in heard)
    record(starters=STARTERS, tables=wanted, made=made, failed=failed)
    assert failed or made > wanted


def test_starters_that_die_hold_nobody_up(opener: Opener, seed: int, record, figure):
    opener()
    rng = random.Random(seed)
    rounds, killed = figure(2, 25), 0
    for number in range(rounds):
        with empty(opener, number) as fresh:
            with starting(fresh) as lives:
                doomed = rng.sample(lives, STARTERS // 2)
                for each in doomed:
                    time.sleep(rng.uniform(0, 0.03))
                    each.kill()
                    killed += 1
                for each in lives:
                    if each not in doomed:
                        assert each.hear()[1] is None
            works(fresh)
    record(rounds=rounds, kills=killed, failed=0)


def deaths(opener: Opener, without: str | None = None) -> Iterator[Opener]:
    """Namespaces in which the making of tables was killed before its first step, its second, ..."""
    opener()
    for step in itertools.count(1):
        with empty(opener, step) as fresh:
            with life(die, fresh.url, {"namespace": fresh.namespace}, step, without) as doomed:
                code = doomed.end()
            if code == 0:
                return
            assert code == -9
            yield fresh


def test_death_before_any_statement_is_mended_by_the_next_start(opener: Opener, record):
    kills = 0
    for fresh in deaths(opener):
        works(fresh)
        kills += 1
    record(kills=kills, harmed=0)
    assert kills > 10


def test_twin_without_transactions_is_harmed(opener: Opener, record):
    kills, errors = 0, []
    for fresh in deaths(opener, "transactions"):
        kills += 1
        with starting(fresh, 1, "transactions") as (following,):
            errors += [error for _, error in [following.hear()] if error is not None]
        if errors:
            break
    record(kills=kills, harmed=len(errors))
    assert errors

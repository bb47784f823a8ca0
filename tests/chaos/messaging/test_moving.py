"""Processes that move messages between queues are killed at any moment: each message is in one queue then, once."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections import Counter
from typing import Any

import pytest

from tests.chaos.messaging import movers
from tests.chaos.messaging.movers import QUEUES, WORN
from tests.chaos.processes import life
from undercroft.conformance.clock import now
from undercroft.conformance.plugin import Opener
from undercroft.core import time

pytestmark = [pytest.mark.promise("C1"), pytest.mark.timeout(1800)]
MESSAGES = 60
# Seconds after which the last of the movers is killed.
LONGEST = 0.05
# After the last of them; messages live longer.
LATER = dt.timedelta(minutes=1)


def moved(opener: Opener, way: str, rounds: int, seed: int) -> list[Any]:
    """The bodies in all queues after so many lives of two movers."""
    store = opener()
    movers.prepare(store, range(MESSAGES))
    rng = random.Random(seed)
    options = {"namespace": opener.namespace}
    for number in range(rounds):
        with (
            life(movers.move, opener.url, options, way, seed + number) as first,
            life(movers.move, opener.url, options, way, seed - number) as second,
        ):
            for each in rng.sample([first, second], 2):
                each.hear()
                threading.Event().wait(rng.uniform(0, LONGEST))
                each.kill()
    # A process that looks now sees at once what a killed mover has put into another pool; others have a lease on what they know.
    reader = opener()
    # The next claim, or the next cleaning, brings what was on its way. That is later: what was begun just now may still be made.
    with now(time.now() + LATER):
        reader.claim_controller.create(WORN, movers.LEASE, None, MESSAGES)
        while reader.clean():
            continue
        while reader.claim_controller.create(WORN, movers.LEASE, None, MESSAGES)[0] is not None:
            continue
    # Later still: a list may end before a post that may still be stored, and that of a dead mover may be an older one.
    with now(time.now() + 2 * LATER):
        found = [
            each for queue in (*QUEUES, WORN) for each in next(reader.message_controller.list(queue, None, None, 1_000, echo=True))
        ]
    if way == "redrive":
        assert len({each["id"] for each in found}) == len(found)
    return [each["body"] for each in found]


def test_each_message_is_in_one_queue(opener: Opener, record: Any, figure: Any, seed: int):
    rounds = figure(5, 100)
    bodies = moved(opener, "redrive", rounds, seed)
    record(rounds=rounds, messages=len(bodies))
    assert sorted(bodies) == list(range(MESSAGES))


def test_twin_moved_by_hand_is_there_twice(opener: Opener, record: Any, seed: int):
    bodies = moved(opener, "by hand", 10, seed)
    twice = [body for body, count in Counter(bodies).items() if count > 1]
    record(twice=len(twice))
    assert twice or sorted(bodies) != list(range(MESSAGES))

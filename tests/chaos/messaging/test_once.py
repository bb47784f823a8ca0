"""A post that is sent again and again under one name, by threads and by processes that die, has one effect (C8)."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pytest

from tests.chaos.messaging import repeaters
from tests.chaos.messaging.repeaters import QUEUE
from tests.chaos.processes import life
from undercroft.conformance.clock import now
from undercroft.conformance.plugin import Opener
from undercroft.core import time

pytestmark = [pytest.mark.promise("C8"), pytest.mark.timeout(1800)]


def sent(opener: Opener, way: str, rounds: int) -> tuple[list[int], list[list[str]]]:
    """The bodies that are stored, and for each round what all who lived were told."""
    store = opener()
    answers = []
    for number in range(rounds):
        told: list[str] = []
        for dies in (True, True, False):
            with (
                life(repeaters.repeat, opener.url, {"namespace": opener.namespace}, way, number, dies) as process,
                contextlib.suppress(EOFError),
            ):
                told += process.hear()
        told.append(repeaters.send(store, way, number))
        answers.append(sorted(set(told)))
    # Later: a list may end before a post that may still be stored, and that of a process that died may be an older one.
    with now(time.now() + dt.timedelta(minutes=1)):
        pages = store.message_controller.list(QUEUE, None, None, 1_000, echo=True)
        return [each["body"] for each in next(pages)], answers


@pytest.mark.parametrize("way", ["receipt", "dedup"])
def test_one_effect_and_one_answer(opener: Opener, way: str, record: Any, figure: Any):
    rounds = figure(2, 50)
    bodies, answers = sent(opener, way, rounds)
    record(rounds=rounds, threads=repeaters.THREADS, effects=len(bodies))
    assert bodies == list(range(rounds))
    assert [len(told) for told in answers] == [1] * rounds


def test_twin_without_a_name_has_many_effects(opener: Opener, record: Any):
    bodies, answers = sent(opener, "plain", 1)
    record(effects=len(bodies))
    assert len(bodies) > 1
    assert len(answers[0]) > 1

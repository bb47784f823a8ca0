"""Connections that go from one single statement to the next."""

from __future__ import annotations

import os
from typing import Any

from undercroft.engines.sql.at_hand import AtHand


class Connection:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def kept(most: int, count: int) -> tuple[AtHand, list[Any]]:
    hand, connections = AtHand(most), [Connection() for _ in range(count)]
    for each in connections:
        hand.give(each)  # type: ignore[arg-type]
    return hand, connections


def test_the_last_one_comes_first():
    hand, (first, second) = kept(2, 2)
    assert hand.take() is second
    assert hand.take() is first
    assert hand.take() is None


def test_more_than_are_kept_go_back():
    _, connections = kept(2, 3)
    assert [each.closed for each in connections] == [0, 0, 1]


def test_none_is_kept_by_a_closed_one():
    hand, connections = kept(2, 2)
    hand.close()
    assert [each.closed for each in connections] == [1, 1]
    late: Any = Connection()
    hand.give(late)
    assert late.closed == 1
    assert hand.take() is None


def test_a_forked_process_has_none_of_its_parents():
    hand, connections = kept(2, 1)
    child = os.fork()
    if not child:
        os._exit(0 if hand.take() is None and not connections[0].closed else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert hand.take() is connections[0]

"""Calls of `store_once`, whatever they store: once, all or none, and a repetition gets the first answer.

A suite's case says what the store holds before, and what else must be so after. Here, `make` makes something to store from its
message id, and `ids` gives the message ids of all that is stored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.threads import numbered
from undercroft.core import time
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.core.intake import Outcome
from undercroft.core.receipt import Receipt

Make = Callable[[str], Any]
Ids = Callable[[Any], Iterable[str]]
RECEIPT = Receipt("key", "digest", b"")


def told(outcomes: Iterable[Outcome]) -> bytes:
    """An answer that tells of each whether it was new or known."""
    return b"".join(b"n" if outcome.is_new else b"k" for outcome in outcomes)


def first_answer_again(store: Any, make: Make, ids: Ids) -> None:
    """Where "a" is stored: a repetition gives the first answer and stores nothing."""
    assert store.store_once([make("a"), make("b"), make("b")], RECEIPT, told) == b"knk"
    assert store.store_once([make("c")], RECEIPT, told) == b"knk"
    assert sorted(ids(store)) == ["a", "b"]
    assert store.store_once([], RECEIPT._replace(key="nothing"), told) == b""


def refused_for_something_else(store: Any, make: Make, ids: Ids) -> None:
    """A key that was used for something else is refused."""
    store.store_once([make("a")], RECEIPT, told)
    with pytest.raises(Conflict):
        store.store_once([make("b")], RECEIPT._replace(digest="other"), told)
    assert sorted(ids(store)) == ["a"]


def refused_as_a_whole(store: Any, batch: list[Any], ids: Ids) -> None:
    """Of a batch whose second part is wrong, nothing is stored."""
    with pytest.raises(InvalidInput) as caught:
        store.store_once(batch, RECEIPT, told)
    assert caught.value.field.startswith("[1]")
    assert sorted(ids(store)) == []


def kept_for_a_day(store: Any, make: Make, ids: Ids) -> None:
    """A receipt is kept for a day, and then its key is free."""
    began = time.now()
    with now(began):
        store.store_once([make("a")], RECEIPT, told)
    with now(began + dt.timedelta(hours=23, minutes=59)):
        assert store.store_once([make("b")], RECEIPT, told) == b"n"
        assert sorted(ids(store)) == ["a"]
    with now(began + dt.timedelta(hours=24, minutes=1)):
        assert store.store_once([make("a")], RECEIPT._replace(digest="other"), told) == b"k"


def one_of_sixteen(store: Any, make: Make, ids: Ids) -> None:
    """Of sixteen calls at once, each with something of its own, one has an effect, and all get its answer."""
    answers = set(numbered(16, lambda number: store.store_once([make(f"m{number}")], RECEIPT, lambda _: b"%d" % number)))
    assert len(answers) == 1
    assert sorted(ids(store)) == [f"m{int(*answers)}"]

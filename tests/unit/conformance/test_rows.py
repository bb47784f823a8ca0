"""Tables of values: every row runs, those that fail are told together, and a gap of the driver stays one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from undercroft.conformance.rows import rows
from undercroft.core.errors import Unsupported


class Store:
    """Knows what was put into it, and how often it was emptied."""

    def __init__(self) -> None:
        self.holds: list[Any] = []
        self.emptied = 0

    def clear(self) -> None:
        self.holds.clear()
        self.emptied += 1


def test_every_row_runs_and_failures_are_told_together() -> None:
    ran = []

    @rows(("number", "word"), [(1, "a"), (2, "b"), (3, "c")])
    def table(number: int, word: str) -> None:
        ran.append((number, word))
        assert number == 2, word
        with pytest.raises(ValueError, match="never"):
            pass

    with pytest.raises(pytest.fail.Exception) as caught:
        table()
    assert ran == [(1, "a"), (2, "b"), (3, "c")]
    told = str(caught.value)
    assert told.startswith("3 of 3 rows failed")
    assert [f"row {{'number': {n}, 'word': '{w}'}}:" in told for n, w in ran] == [True] * 3
    assert "DID NOT RAISE" in told


def test_a_table_takes_the_fixtures_that_its_rows_do_not_give() -> None:
    @rows("value", [1, 2], empty="clear")
    def table(store: Store, value: int) -> None:
        store.holds.append(value)
        assert store.holds == [value]

    assert list(inspect.signature(table).parameters) == ["store"]
    store = Store()
    table(store=store)
    assert store.emptied == 2


def test_a_gap_of_the_driver_is_none_of_the_failures() -> None:
    @rows("value", [1, 2])
    def table(value: int) -> None:
        raise Unsupported("not here")

    with pytest.raises(Unsupported):
        table()

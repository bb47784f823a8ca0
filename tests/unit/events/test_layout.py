"""Floats in the order of integers, and rows in portions."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from undercroft.core.portions import portions
from undercroft.events.ordered import ordered, sortable

FLOATS = st.floats(allow_nan=False)


@given(FLOATS, FLOATS)
def test_integers_have_the_floats_order(one, other):
    assert (ordered(one) < ordered(other)) == (one < other)
    assert (ordered(one) == ordered(other)) == (one == other)
    assert -(2**63) <= ordered(one) < 2**63


def test_ends_and_zero():
    assert ordered(0.0) == ordered(-0.0) == 0
    assert ordered(-math.inf) < ordered(-1e308) < ordered(-5e-324) < 0 < ordered(5e-324) < ordered(math.inf)


@given(st.lists(st.tuples(st.integers(), st.text(max_size=20))), st.integers(1, 5), st.integers(1, 50))
def test_portions_hold_all_rows_within_their_bounds(rows, most, size):
    found = list(portions(rows, most, size, lambda row: len(row[1])))
    assert [row for portion in found for row in portion] == rows
    for portion in found:
        assert 1 <= len(portion) <= most
        assert len(portion) == 1 or sum(len(row[1]) for row in portion) <= size


@given(st.text(), st.text())
def test_texts_keep_their_order_in_utf_16(one, other):
    assert (one < other) == (sortable(one) < sortable(other))
    assert (one < other) == (sortable(one).encode("utf-16-be") < sortable(other).encode("utf-16-be"))
    assert (one == other) == (sortable(one) == sortable(other))

"""Ids outside, and within pools."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from undercroft.messaging.pooling import tags

A, B = tags.tag("a"), tags.tag("b")
INNER = st.text("0123456789abcdef", min_size=1, max_size=40)


def forms(outside: str, own: str, hops: int = 0, *, comes_back: bool = True) -> list[str]:
    return tags.forms(outside, own, hops, comes_back=comes_back)


@given(INNER, st.lists(st.sampled_from([A, B]), max_size=12))
def test_an_id_stays_outside_and_is_found_wherever_it_goes(inner: str, way: list[str]) -> None:
    outside, found, at = tags.shown(inner, A), inner, A
    for hops, pool in enumerate(way):
        assert found in forms(outside, at, hops)
        seen = found
        found, at = tags.moved(found, at), pool
        # It is never taken for one that was there before.
        assert found != seen
        assert tags.moves(found) == hops + 1
        assert tags.shown(found, at) == outside
    assert found in forms(outside, at, len(way))


@given(st.text(max_size=40))
def test_what_is_received_from_outside_keeps_its_id(text: str) -> None:
    outside = f"~{text}"
    inner = tags.received(outside)
    assert tags.shown(inner, A) == outside
    assert inner in forms(outside, A)
    assert tags.shown(tags.moved(inner, A), B) == outside
    assert tags.moved(inner, A) in forms(outside, B)


@given(st.text(max_size=40))
def test_what_is_no_id_is_nothing(text: str) -> None:
    if not text.startswith("~") and not tags.parted(text)[0]:
        assert forms(text, A) == []


def test_most_ids_are_one_thing() -> None:
    assert forms(f"0{A}", A, comes_back=False) == ["0"]
    assert "0" not in forms(f"0{A}", B)
    assert A != B

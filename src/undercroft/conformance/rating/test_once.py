"""A push under a key happens once; scopes and how far they have come."""

from __future__ import annotations

import datetime as dt

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.rating.data import HOUR, OpenStore, everything, frame, hour, of, point, quantity
from undercroft.conformance.threads import numbered
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.core.receipt import Receipt
from undercroft.rating import BaseStorage

RECEIPT = Receipt("key", "digest", b"first")


@clause("R25")
@promise("C8")
@needs("push_once")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: BaseStorage) -> None:
    assert store.push_once([frame(0, of("a", 1))], RECEIPT) == b"first"
    assert store.push_once([frame(1, of("a", 2))], RECEIPT._replace(answer=b"second")) == b"first"
    assert quantity(store) == 1


@clause("R25")
@promise("C8")
@needs("push_once")
def test_a_key_that_was_used_for_something_else_is_refused(store: BaseStorage) -> None:
    store.push_once([frame(0, of("a", 1))], RECEIPT)
    with pytest.raises(Conflict):
        store.push_once([frame(1, of("a", 2))], RECEIPT._replace(digest="other"))
    assert store.push_once([frame(2, of("a", 4))], RECEIPT._replace(key="other", digest="other")) == b"first"
    assert quantity(store) == 5


@clause("R25")
@promise("C8")
@needs("push_once")
def test_a_receipt_is_kept_for_a_day(store: BaseStorage) -> None:
    began = hour(0)
    with now(began):
        store.push_once([frame(0, of("a", 1))], RECEIPT)
    with now(began + dt.timedelta(hours=23, minutes=59)):
        assert store.push_once([frame(1, of("a", 2))], RECEIPT._replace(answer=b"late")) == b"first"
    with now(began + dt.timedelta(hours=24, minutes=1)):
        assert store.push_once([frame(2, of("a", 4))], RECEIPT._replace(digest="other", answer=b"new")) == b"new"
    assert quantity(store) == 5


@clause("R26")
@promise("C8")
@needs("push_once")
def test_a_refused_push_leaves_no_receipt(store: BaseStorage) -> None:
    wrong = frame(0, of("a", 1), point()._replace(qty="many"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        store.push_once([wrong], RECEIPT)
    assert store.push_once([frame(0, of("a", 2))], RECEIPT._replace(digest="mended")) == b"first"
    assert quantity(store) == 2


@clause("R26")
@promise("C8")
@needs("push_once", "conflict_error")
def test_a_push_refused_by_what_is_stored_leaves_no_receipt(open_store: OpenStore) -> None:
    store = open_store(on_conflict="error")
    store.push([frame(0, of("a", 1))])
    with pytest.raises(Conflict):
        store.push_once([frame(0, of("a", 2))], RECEIPT)
    assert store.push_once([frame(1, of("a", 4))], RECEIPT._replace(digest="other")) == b"first"
    assert quantity(store) == 5


@clause("R25")
@promise("C8")
@needs("push_once", "conflict_append")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(open_store: OpenStore) -> None:
    """Each of them adds a point, so that every effect shows in the sum."""
    store = open_store(on_conflict="append")
    answers = set(numbered(16, lambda number: store.push_once([frame(0, of("a", 1))], RECEIPT._replace(answer=b"%d" % number))))
    assert len(answers) == 1
    assert quantity(store) == 1


@clause("R25")
@promise("C8")
@needs("conflict_append")
@assumes("concurrent_writers")
def test_twin_sixteen_at_once_without_a_key_have_sixteen(open_store: OpenStore) -> None:
    store = open_store(on_conflict="append")
    numbered(16, lambda _: store.push([frame(0, of("a", 1))]))
    assert quantity(store) == 16


@clause("R27")
def test_scopes_tell_the_end_of_their_newest_frame(store: BaseStorage) -> None:
    assert store.scopes() == []
    store.push([frame(0, of("b"), of("a")), frame(30, of("a"), metric="disk"), frame(2, of("b"), end=hour(3))])
    assert store.scopes() == [("a", hour(31)), ("b", hour(3))]


@clause("R27")
def test_the_frame_that_ends_last_need_not_start_last(store: BaseStorage) -> None:
    store.push([frame(0, of("a"), end=hour(100)), frame(50, of("a")), frame(50, of("b")), frame(80, of("c"), length=HOUR / 2)])
    assert store.scopes() == [("a", hour(100)), ("b", hour(51)), ("c", hour(80.5))]


@clause("R27")
def test_points_without_a_scope_have_none(store: BaseStorage) -> None:
    store.push([frame(0, point(groupby={"id": "x"}), point(groupby={"project_id": ""}), of("a"))])
    store.push([frame(5, point(groupby={}, metadata={"project_id": "m"}))])
    assert store.scopes() == [("a", hour(1))]


@clause("R27")
def test_a_scope_that_is_no_text_is_named_by_its_text(open_store: OpenStore) -> None:
    store = open_store(scope_key="number")
    store.push([frame(0, point(groupby={"number": 7})), frame(3, point(groupby={"number": "7"}))])
    assert store.scopes() == [("7", hour(4))]


@clause("R27")
def test_deleting_takes_a_scope_back(store: BaseStorage) -> None:
    store.push([frame(number, of("a"), of("b")) for number in (0, 40, 90)])
    store.delete(begin=hour(40), filters={"project_id": "a"})
    assert store.scopes() == [("a", hour(1)), ("b", hour(91))]
    store.delete(filters={"project_id": "b"})
    assert store.scopes() == [("a", hour(1))]
    assert len(everything(store)) == 1

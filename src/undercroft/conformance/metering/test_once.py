"""Samples that are stored under a key are stored once, all or none, and a repetition gets the first answer."""

from __future__ import annotations

import pytest

from undercroft.conformance import once
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.metering.data import ids, maintained, sample, statistics
from undercroft.conformance.once import RECEIPT, told
from undercroft.core.errors import InvalidInput
from undercroft.metering import Store

pytestmark = needs("store_once")


@clause("M22")
@promise("C8")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: Store) -> None:
    store.record_metering_data(sample("a"))
    once.first_answer_again(store, sample, ids)


@clause("M22")
@promise("C8")
def test_a_key_that_was_used_for_something_else_is_refused(store: Store) -> None:
    once.refused_for_something_else(store, sample, ids)


@clause("M22")
@promise("C8")
def test_all_or_nothing_and_a_refused_call_leaves_no_receipt(store: Store) -> None:
    once.refused_as_a_whole(store, [sample("a"), sample("b", 10**100), sample("c", meter="never")], ids)
    assert list(store.get_meters()) == list(store.get_resources()) == []
    assert store.store_once([sample("a")], RECEIPT._replace(digest="mended"), told) == b"n"


@clause("M22", "M23")
@promise("C8", "C9")
def test_late_samples_count(store: Store) -> None:
    store.record_metering_data_batch([sample("a", 1), sample("b", 1, at=60)])
    maintained(store)
    for _ in range(2):
        assert store.store_once([sample("c", 5, at=30), sample("d", 7, at=90, resource="other")], RECEIPT, told) == b"nn"
        assert [row.sum for row in statistics(store, {"meter": "cpu_util"})] == [14]
    maintained(store)
    assert [row.sum for row in statistics(store, {"meter": "cpu_util"})] == [14]


@clause("M22")
@promise("C8")
def test_a_call_of_thousands_is_one_transaction(store: Store) -> None:
    samples = [sample(f"m{n}", n, at=n) for n in range(2_500)]
    with pytest.raises(InvalidInput, match="2499"):
        store.store_once([*samples[:-1], sample("bad", float("nan"))], RECEIPT, told)
    assert store.count_samples() == 0
    assert store.store_once(samples, RECEIPT, told) == b"n" * 2_500
    assert store.count_samples() == 2_500


@clause("M22")
@promise("C8")
def test_a_receipt_is_kept_for_a_day(store: Store) -> None:
    once.kept_for_a_day(store, sample, ids)


@clause("M22")
@promise("C8")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(store: Store) -> None:
    once.one_of_sixteen(store, sample, ids)

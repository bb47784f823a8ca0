"""Samples that are stored under a key are stored once, all or none, and a repetition gets the first answer."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import threading

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.metering.data import maintained, now, sample, statistics
from undercroft.core import time
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.core.receipt import Receipt
from undercroft.metering import Outcome, SampleFilter, Store

pytestmark = needs("store_once")
RECEIPT = Receipt("key", "digest", b"")


def told(outcomes: list[Outcome]) -> bytes:
    """An answer that tells what became of each sample."""
    return b"".join(b"n" if outcome.is_new else b"k" for outcome in outcomes)


def ids(store: Store) -> list[str]:
    return sorted(each.message_id for each in store.get_samples(SampleFilter()))


@clause("M22")
@promise("C8")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: Store) -> None:
    store.record_metering_data(sample("a"))
    assert store.store_once([sample("a"), sample("b"), sample("b")], RECEIPT, told) == b"knk"
    assert store.store_once([sample("c")], RECEIPT, told) == b"knk"
    assert ids(store) == ["a", "b"]
    assert store.store_once([], RECEIPT._replace(key="nothing"), told) == b""


@clause("M22")
@promise("C8")
def test_a_key_that_was_used_for_something_else_is_refused(store: Store) -> None:
    store.store_once([sample("a")], RECEIPT, told)
    with pytest.raises(Conflict):
        store.store_once([sample("b")], RECEIPT._replace(digest="other"), told)
    assert ids(store) == ["a"]


@clause("M22")
@promise("C8")
def test_all_or_nothing_and_a_refused_call_leaves_no_receipt(store: Store) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.store_once([sample("a"), sample("b", 10**100), sample("c", meter="never")], RECEIPT, told)
    assert caught.value.field.startswith("[1]")
    assert ids(store) == list(store.get_meters()) == list(store.get_resources()) == []
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
    began = time.now()
    with now(began):
        store.store_once([sample("a")], RECEIPT, told)
    with now(began + dt.timedelta(hours=23, minutes=59)):
        assert store.store_once([sample("b")], RECEIPT, told) == b"n"
        assert ids(store) == ["a"]
    with now(began + dt.timedelta(hours=24, minutes=1)):
        assert store.store_once([sample("a")], RECEIPT._replace(digest="other"), told) == b"k"


@clause("M22")
@promise("C8")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(store: Store) -> None:
    start = threading.Barrier(16)

    def one(number: int) -> bytes:
        start.wait()
        return store.store_once([sample(f"m{number}")], RECEIPT, lambda _: b"%d" % number)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(one, range(16)))
    assert len(answers) == 1
    assert ids(store) == [f"m{int(*answers)}"]

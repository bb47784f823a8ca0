"""The target holds each sample once, and how far each meter has been read."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from tests.export.places import NOON, UNIT, sample
from undercroft.core.errors import Declined, InvalidInput, UndercroftError
from undercroft.export import COLUMNS, EXTRA_COLUMNS
from undercroft.export.state import Failure
from undercroft.export.target import AT_ONCE

LATER = NOON + dt.timedelta(hours=1)


def test_a_sample_is_stored_as_it_is(place):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    odd = sample(
        1, counter_name='a "b" \\ {c}, \n\t\'d\' ü 😀', counter_unit="%", project_id=None, user_id=None, source="NULL",
        counter_volume=0.1 + 0.2, timestamp=dt.datetime(2026, 3, 1, 23, 59, 59, 999999),
        resource_metadata='{"k": "' + "x" * 100_000 + '"}',
    )  # fmt: skip
    stored = target.store(UNIT, [sample(0), odd], LATER)
    assert (stored.new, stored.refused, stored.cut) == (2, [], 0)
    assert [tuple(row) for row in place.rows((*COLUMNS, *EXTRA_COLUMNS))] == [tuple(sample(0)), tuple(odd)]


TEXTS = [
    "", " ", "NULL", "null", "\\N", "{}", '","', '"', "'", "\\", "\\\\", "%s", "%(a)s", "?", "$1", ":x", "a\r\nb",
    "\t", "\x01\x7f", "\u2028",
    "{a,b}", "--", ";", "e\u0301", "é", "\U0001f600", "\ufeff", "\uffff", "  two ", "tab\tend ",
]  # fmt: skip
FLOATS = [0.0, -1.5, 1e308 * 1.7976931348623157, -5e-324, 2.0**53 + 2, 0.1, 1 / 3, 123456789.123456789, 1e-7, 1e22, 1e23]


def test_every_text_and_float_comes_back_as_it_was(place):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    names = ("counter_name", "counter_type", "counter_unit", "project_id", "resource_id", "source", "user_id", "resource_metadata")
    texts = [sample(number, **dict.fromkeys(names, text)) for number, text in enumerate(TEXTS)]
    ids = [sample(100 + number, message_id=text) for number, text in enumerate(TEXTS) if text]
    volumes = [sample(200 + number, counter_volume=volume) for number, volume in enumerate(FLOATS)]
    times = [sample(300 + number, timestamp=NOON.replace(microsecond=number), recorded_at=None) for number in (0, 1, 999_999)]
    given = [*texts, *ids, *volumes, *times]
    assert target.store(UNIT, given, LATER) == (len(given), [], 0)
    found = {tuple(row) for row in place.rows((*COLUMNS, *EXTRA_COLUMNS))}
    assert found == {tuple(each) for each in given}


def test_the_nine_columns_and_no_other_are_made(place):
    place.target()
    found = place.db.dialect and place.ask("SELECT * FROM {t}")
    assert found == []
    target = place.target()
    target.store(UNIT, [sample()], LATER)
    assert [len(row) for row in place.ask("SELECT * FROM {t}")] == [9]


def test_a_sample_is_stored_once(place):
    target = place.target()
    assert target.store(UNIT, [sample(0), sample(1), sample(0)], LATER).new == 2
    assert target.store(UNIT, [sample(1), sample(2), sample(2)], LATER).new == 1
    # What is there is left as it is.
    assert target.store(UNIT, [sample(1, counter_volume=9.0)], LATER).new == 0
    assert [row[3] for row in place.rows()] == [0.0, 1.0, 2.0]


def test_ids_are_told_apart_exactly(place):
    target = place.target()
    ids = ["A", "a", "a ", " a", "á"]
    assert target.store(UNIT, [sample(0, message_id=name) for name in ids], LATER).new == 5
    assert target.store(UNIT, [sample(0, message_id=name) for name in ids], LATER).new == 0


def test_the_point_moves_with_the_rows_and_never_back(place):
    target = place.target()
    assert target.points(UNIT.endpoint_id) == {}
    target.store(UNIT, [sample(0), sample(1)], LATER)
    target.store(UNIT, [sample(2)], NOON)
    target.store(UNIT._replace(meter="disk"), [], NOON)
    points = target.points(UNIT.endpoint_id)
    assert {unit: (point.position, point.rows, point.refused) for unit, point in points.items()} == {
        UNIT: (LATER, 3, 0), UNIT._replace(meter="disk"): (NOON, 0, 0)
    }  # fmt: skip
    updated = points[UNIT].updated
    assert updated is not None
    assert abs(updated - dt.datetime.now(dt.UTC).replace(tzinfo=None)) < dt.timedelta(minutes=5)
    assert target.points("f" * 32) == {}


def test_a_backfill_leaves_the_point_alone(place):
    target = place.target()
    assert target.store(UNIT, [sample(0)], None).new == 1
    assert target.points(UNIT.endpoint_id) == {}
    target.store(UNIT, [sample(1)], NOON)
    before = target.points(UNIT.endpoint_id)
    assert target.store(UNIT, [sample(2)], None).new == 1
    assert target.points(UNIT.endpoint_id) == before
    assert place.count() == 3


def test_the_last_error_is_kept(place):
    target = place.target()
    target.failed(UNIT, "no\0 answer \ud800" + "x" * 5000)
    assert target.points(UNIT.endpoint_id) == {}
    target.store(UNIT, [], NOON)
    point = target.points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.error[:11], len(point.error)) == (NOON, "no answer ?", 1000)
    target.failed(UNIT, "another")
    assert isinstance(target.failures(UNIT.endpoint_id)[UNIT], Failure)
    assert target.failures(UNIT.endpoint_id)[UNIT].text == "another"
    assert target.points(UNIT.endpoint_id)[UNIT].position == NOON


def test_a_large_batch_goes_in_parts(place):
    target = place.target()
    assert target.store(UNIT, [sample(number) for number in range(12_001)], LATER).new == 12_001
    assert place.count() == 12_001
    assert target.points(UNIT.endpoint_id)[UNIT].rows == 12_001


def test_a_name_that_no_point_can_have_is_refused(place):
    target = place.target()
    for name in ("m" * 256, "a\0b"):
        with pytest.raises(InvalidInput, match="meter"):
            target.store(UNIT._replace(meter=name), [sample()], LATER)
    assert place.count() == 0


def test_two_targets_store_at_once(place):
    """Rows stay single and points move forward without any lock."""
    targets = [place.target() for _ in range(2)]
    new = [0, 0]
    failures: list[UndercroftError] = []

    def work(mine: int) -> None:
        try:
            for start in range(0, 2000, 100):
                batch = [sample(number) for number in range(start, start + 150)]
                moment = NOON + dt.timedelta(seconds=start)
                new[mine] += targets[mine].store(UNIT, batch[:: 1 if mine else -1], moment).new
        except UndercroftError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(new) == place.count() == 2050
    point = targets[0].points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.rows) == (NOON + dt.timedelta(seconds=1900), 2050)


def test_rows_and_point_are_committed_together(place, monkeypatch):
    target = place.target()
    target.store(UNIT, [sample(0)], NOON)

    def broken(*_: object) -> None:
        raise Declined("not now")

    with monkeypatch.context() as patched:
        patched.setattr(target._dialect, "note", broken)
        with pytest.raises(Declined):
            target.store(UNIT, [sample(1)], LATER)
    assert place.count() == 1
    assert target.points(UNIT.endpoint_id)[UNIT].position == NOON


def test_the_point_stays_until_the_last_part_is_stored(place, monkeypatch):
    target = place.target()
    insert, calls = target._dialect.insert, []

    def fails_at_the_second(connection, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise Declined("not now")
        return insert(connection, rows)

    batch = [sample(number) for number in range(AT_ONCE + 10)]
    with monkeypatch.context() as patched:
        patched.setattr(target._dialect, "insert", fails_at_the_second)
        with pytest.raises(Declined):
            target.store(UNIT, batch, LATER)
    assert calls == [AT_ONCE, 10]
    assert place.count() == AT_ONCE
    assert target.points(UNIT.endpoint_id) == {}
    assert target.store(UNIT, batch, LATER).new == 10
    point = target.points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.rows) == (LATER, AT_ONCE + 10)

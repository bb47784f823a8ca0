"""A sample that cannot be stored is refused by itself; an engine that cannot store now refuses nothing."""

from __future__ import annotations

import datetime as dt
import logging
import pathlib
import re

import pytest
import sqlalchemy as sa

from tests.export.places import NOON, UNIT, Place, sample
from undercroft.core.errors import Denied, OutcomeUnknown, Unavailable
from undercroft.core.findings import Level
from undercroft.export import EXTRA_COLUMNS
from undercroft.export.target import AT_ONCE

LATER = NOON + dt.timedelta(hours=1)
AWARE = NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
# What no engine, or not every one, can hold, and how it is told.
BAD = [
    ({"message_id": "i" * 129}, "message_id: 129 characters are more than the 128 of its column"),
    ({"message_id": ""}, "message_id: is missing"),
    ({"counter_name": None}, "counter_name: is missing"),
    ({"resource_id": "a\0b"}, "resource_id: holds U.0000"),
    ({"source": "\ud800"}, "source: holds half of a surrogate pair"),
    ({"counter_volume": float("nan")}, "counter_volume: is not a finite number"),
    ({"counter_volume": float("-inf")}, "counter_volume: is not a finite number"),
    ({"counter_volume": 10**400}, "counter_volume: is not a finite number"),
    ({"timestamp": None}, "timestamp: is missing"),
    ({"timestamp": dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))}, "timestamp: .* lies outside the years"),
    ({"resource_metadata": "\0"}, "resource_metadata: holds U.0000"),
]


@pytest.mark.parametrize(("over", "problem"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_sample_does_not_keep_the_others_out(place, caplog, over, problem):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    stored = target.store(UNIT, [sample(0), sample(1, **over), sample(2)], LATER)
    assert stored.new == place.count() == 2
    (refused,) = stored.refused
    assert refused.message_id == over.get("message_id", "id-000001")
    assert re.match(problem, refused.problem)
    assert target.points(UNIT.endpoint_id)[UNIT][:4:3] == (LATER, 1)
    assert f"{refused.message_id[:128] or 'without an id'} cannot be stored: " in caplog.text


def test_a_sample_is_told_once_though_it_is_read_again(place, caplog):
    target = place.target()
    bad, long = sample(0, counter_volume=float("inf")), sample(1, source="s" * 300)
    assert (len(target.store(UNIT, [bad, long], NOON).refused), target.store(UNIT, [long], NOON).cut) == (1, 0)
    stored = target.store(UNIT, [bad, long], LATER)
    assert (stored.new, stored.refused, stored.cut) == (0, [], 0)
    assert target.points(UNIT.endpoint_id)[UNIT].refused == 1
    assert caplog.text.count("cannot be stored") == 1


def test_an_aware_timestamp_is_stored_in_utc(place):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    target.store(UNIT, [sample(0, timestamp=AWARE, recorded_at=AWARE)], LATER)
    assert [row[8] for row in place.rows()] == [NOON - dt.timedelta(hours=2)]


def test_a_long_text_is_cut_by_characters(place):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    stored = target.store(UNIT, [sample(0, counter_unit="ü" * 65, source="😀" * 256), sample(1)], LATER)
    assert (stored.new, stored.refused, stored.cut) == (2, [], 2)
    row = place.rows()[0]
    assert (row[2], row[7]) == ("ü" * 64, "😀" * 255)


def test_a_long_text_is_refused_where_that_is_asked_for(place):
    target = place.target(strict=True)
    stored = target.store(UNIT, [sample(0, counter_unit="u" * 65), sample(1, counter_unit="u" * 64)], LATER)
    assert (stored.new, stored.cut) == (1, 0)
    assert [each.problem for each in stored.refused] == ["counter_unit: 65 characters are more than the 64 of its column"]


def check(place: Place, condition: str) -> None:
    """Have the engine refuse rows."""
    target = place.target()
    [create] = [text for text in target._dialect.making(target._tables.samples) if text.startswith("CREATE TABLE")]
    place.run("DROP TABLE {t}", create.replace("PRIMARY KEY", f"CHECK ({condition}), PRIMARY KEY"))


def test_what_only_the_engine_refuses_is_found(place, caplog):
    caplog.set_level(logging.WARNING)
    check(place, "counter_volume <> 13 AND counter_volume <> 77 AND counter_volume <> 999")
    target = place.target()
    stored = target.store(UNIT, [sample(number) for number in range(1000)], LATER)
    assert stored.new == place.count() == 997
    assert sorted(each.message_id for each in stored.refused) == ["id-000013", "id-000077", "id-000999"]
    point = target.points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.rows, point.refused) == (LATER, 997, 3)
    # No value of a row is told, which may be secret.
    assert "openstack" not in caplog.text
    assert "openstack" not in str(stored.refused)


def test_a_batch_of_nothing_but_bad_rows_moves_the_point(place):
    check(place, "counter_volume < 0")
    target = place.target()
    stored = target.store(UNIT, [sample(number) for number in range(20)], LATER)
    assert (stored.new, len(stored.refused)) == (0, 20)
    assert target.points(UNIT.endpoint_id)[UNIT].position == LATER


def test_a_bad_row_of_an_earlier_part(place):
    check(place, "counter_volume <> 3")
    target = place.target()
    stored = target.store(UNIT, [sample(number) for number in range(AT_ONCE + 10)], LATER)
    assert (stored.new, [each.message_id for each in stored.refused]) == (AT_ONCE + 9, ["id-000003"])
    point = target.points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.rows, point.refused) == (LATER, AT_ONCE + 9, 1)


def test_a_timestamp_that_the_engine_cannot_hold(place):
    target = place.target()
    stored = target.store(UNIT, [sample(0, timestamp=dt.datetime(1, 1, 1)), sample(1, timestamp=dt.datetime.max)], LATER)
    assert stored.new + len(stored.refused) == 2
    assert stored.new == place.count()


def test_a_table_that_was_changed_refuses_no_sample(place):
    """The samples are good; the column that nobody fills has to go."""
    target = place.target()
    moves = {"sqlite": "RENAME COLUMN source TO origin", "mariadb": "ADD COLUMN owner VARCHAR(9) NOT NULL"}
    place.run(f"ALTER TABLE {{t}} {moves.get(place.engine, 'ADD COLUMN owner VARCHAR(9) NOT NULL')}")
    with pytest.raises(Denied, match=r"column (owner|source) .*; run: ALTER TABLE"):
        target.store(UNIT, [sample(0), sample(1)], LATER)
    assert target.points(UNIT.endpoint_id) == {}
    assert place.count() == 0


def test_a_table_that_was_narrowed_refuses_no_sample(place):
    target = place.target()
    change = {
        "postgresql": "ALTER COLUMN resource_id TYPE VARCHAR(3)", "mariadb": "MODIFY COLUMN resource_id VARCHAR(3)",
        "sqlite": "DROP COLUMN resource_id",
    }  # fmt: skip
    place.run(f"ALTER TABLE {{t}} {change[place.engine]}")
    with pytest.raises(Denied, match=r"column resource_id .*; run: ALTER TABLE"):
        target.store(UNIT, [sample(0, resource_id="four")], LATER)
    assert target.points(UNIT.endpoint_id) == {}


def test_a_table_that_is_gone_refuses_no_sample(place):
    target = place.target()
    place.run("DROP TABLE {t}")
    with pytest.raises(Denied, match="is missing; run: CREATE TABLE") as caught:
        target.store(UNIT, [sample(0)], LATER)
    assert "db upgrade" not in str(caught.value)
    place.run("DROP TABLE {t}_sync")
    with pytest.raises(Denied, match=r"is missing; run: CREATE TABLE"):
        target.points(UNIT.endpoint_id)
    again = place.target()
    assert again.store(UNIT, [sample(0)], LATER).new == 1


def test_an_empty_table_beside_points_is_told(place, caplog):
    place.target().store(UNIT, [sample(0)], LATER)
    place.run("DROP TABLE {t}")
    place.target()
    assert "was missing, and is empty now" in caplog.text


def test_a_writer_in_the_way_is_waited_for_no_longer_than_the_timeout(place):
    target = place.target(timeout=0.5)
    target.store(UNIT, [sample(0)], NOON)
    with place.db.engine.execution_options(writes=True).connect() as other, other.begin():
        other.exec_driver_sql(f"UPDATE {place.table}_sync SET updated = updated, rows_stored = 5").close()
        with pytest.raises(Unavailable) as caught:
            target.store(UNIT, [sample(1)], LATER)
        assert not isinstance(caught.value, OutcomeUnknown)
    assert target.store(UNIT, [sample(1)], LATER).new == 1


def test_ids_that_differ_in_case_only_where_the_table_does_not_tell_them_apart(place, caplog):
    # Those of PostgreSQL tell all ids apart, unless they are made not to.
    collations = {"sqlite": "COLLATE NOCASE", "mariadb": "COLLATE utf8mb4_general_ci"}
    is_exact = place.engine not in collations
    target = place.target()
    [create, *_] = target._dialect.making(target._tables.samples)
    ident = f"message_id VARCHAR(128) {collations.get(place.engine, '')}"
    place.run("DROP TABLE {t}", re.sub(r"message_id VARCHAR\(128\)[^,]*,", f"{ident},", create))
    target = place.target()
    assert ("column message_id: its collation ignores case" in caplog.text) is not is_exact
    told = [found for found in target.findings() if found.level is Level.WARNING and "ignores case" in found.found]
    assert bool(told) is not is_exact
    assert target.store(UNIT, [sample(0, message_id=name) for name in ("a", "B", "A", "b", "c")], LATER).new == (
        5 if is_exact else 3
    )
    assert target.store(UNIT, [sample(0, message_id=name) for name in ("C", "d")], LATER).new == (2 if is_exact else 1)


def test_a_store_that_goes_during_a_commit_is_reported_and_the_call_repeated(place):
    target = place.target()
    cuts: list[int] = []

    def cut(connection):
        if cuts:
            return
        cuts.append(1)
        if place.engine == "sqlite":
            # A file has no connection that could break; it can be taken away.
            pathlib.Path(target.place.removeprefix("sqlite:///")).unlink()
        else:
            target._db.dialect.cut(connection.connection.driver_connection)

    sa.event.listen(target._db.engine, "commit", cut)
    with pytest.raises(OutcomeUnknown):
        target.store(UNIT, [sample(0), sample(1)], LATER)
    if place.engine == "sqlite":
        with pytest.raises(Denied, match="the file does not exist: put it back, or start the worker again"):
            target.store(UNIT, [sample(0)], LATER)
        target.prepare()
    target.store(UNIT, [sample(0), sample(1)], LATER)
    assert place.count() == 2
    point = target.points(UNIT.endpoint_id)[UNIT]
    assert (point.position, point.rows) == (LATER, 2)


def test_a_further_unique_key_is_told(place, caplog):
    target = place.target()
    place.run(
        "CREATE UNIQUE INDEX {t}_more ON {t} (resource_id, timestamp)".replace("timestamp", target._dialect.quote("timestamp"))
    )
    target = place.target()
    assert "a further unique key on resource_id, timestamp" in caplog.text
    assert any(found.level is Level.WARNING and "further unique key" in found.found for found in target.findings())
    assert target.store(UNIT, [sample(0)], NOON).new == 1
    # It is for the operator to say which of the two is right: neither is dropped.
    with pytest.raises(Unavailable):
        target.store(UNIT, [sample(0, message_id="other"), sample(1)], LATER)
    assert target.points(UNIT.endpoint_id)[UNIT].position == NOON


def test_a_statement_is_cut_to_what_the_server_takes(place):
    target = place.target(extra_columns=EXTRA_COLUMNS)
    body = '{"k": "' + "\\" * 400_000 + '"}'
    many = [sample(number, resource_metadata=body) for number in range(60)]
    assert target.store(UNIT, many, LATER).new == 60
    assert {row[0] for row in place.rows(("resource_metadata",))} == {body}

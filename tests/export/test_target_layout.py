"""A table that is there is used where it fits; where it does not, the error has the statement that mends it."""

from __future__ import annotations

import re
import threading

import pytest

from tests.export.places import NOON, UNIT, Place, sample, statements
from undercroft.core.errors import ConfigInvalid, Unavailable, UndercroftError
from undercroft.core.findings import Level
from undercroft.export import EXTRA_COLUMNS

# What each engine has that is a little less than what is needed.
SINGLE = {"sqlite": "TEXT", "postgresql": "real", "mariadb": "FLOAT"}
SECONDS = {"sqlite": "INTEGER", "postgresql": "timestamp(0)", "mariadb": "DATETIME"}


def columns(place: Place, **over: str) -> list[str]:
    """Definitions of the columns as they should be, but for these; an empty one is left out."""
    dialect = place.target(prepare=False)._dialect
    types = {column.name: dialect.type(column) for column in dialect.t.samples.columns}
    return [f"{dialect.quote(name)} {type_}" for name, type_ in {**types, **over}.items() if type_]


def table(place: Place, *more: str, key: str = "PRIMARY KEY (message_id)", **over: str) -> None:
    """Make the table by hand."""
    place.run(f"CREATE TABLE {{t}} ({', '.join([*columns(place, **over), *more, *([key] if key else [])])})")


def mended(place: Place) -> str:
    """Do what the error says; afterwards the target works. The error's text."""
    with pytest.raises(ConfigInvalid) as caught:
        place.target()
    assert not isinstance(caught.value, Unavailable), "waiting does not mend it"
    advice = [found.advice for found in place.target(prepare=False).findings() if found.level is Level.ERROR]
    assert advice
    assert all(text.startswith("run: ") for text in advice)
    place.run(*statements(caught.value))
    target = place.target()
    assert [found for found in target.findings() if found.level is Level.ERROR] == []
    assert target.store(UNIT, [sample(0), sample(1)], NOON).new == 2
    assert target.store(UNIT, [sample(0), sample(1)], NOON).new == 0
    return str(caught.value)


def test_a_table_with_more_room_and_more_columns_is_used(place):
    wide = {"sqlite": "TEXT", "postgresql": "text", "mariadb": "LONGTEXT"}[place.engine]
    reordered = list(reversed(columns(place, message_id="VARCHAR(200)", resource_id="VARCHAR(700)", counter_unit=wide)))
    place.run(
        f"CREATE TABLE {{t}} (extra INTEGER, {', '.join(reordered)}, noted INTEGER NOT NULL DEFAULT 7, PRIMARY KEY (message_id))"
    )
    target = place.target()
    long = sample(0, message_id="i" * 200, resource_id="r" * 800, counter_unit="u" * 1000, counter_name="n" * 300)
    stored = target.store(UNIT, [long], NOON)
    assert (stored.new, stored.cut) == (1, 2)
    name, _, unit, _, ident, _, resource, *_ = place.rows()[0]
    assert (len(name), len(unit), len(ident), len(resource)) == (255, 1000, 200, 700)
    assert place.ask("SELECT extra, noted FROM {t}") == [(None, 7)]


def test_a_missing_column(place):
    table(place, source="", timestamp="")
    text = mended(place)
    assert "column source is missing" in text
    assert "column timestamp is missing" in text


@pytest.mark.parametrize(("name", "width"), [("message_id", 36), ("project_id", 32), ("counter_unit", 63)])
def test_a_narrow_column(place, name, width):
    table(place, **{name: f"VARCHAR({width})"})
    assert re.search(rf"column {name} is .*{width}.*, and must have room for", mended(place))


def test_a_float_that_is_too_short(place):
    table(place, counter_volume=SINGLE[place.engine])
    assert re.search(r"column counter_volume is \w+, and must hold a float of double precision", mended(place), re.IGNORECASE)


def test_a_timestamp_without_microseconds(place):
    table(place, timestamp=SECONDS[place.engine])
    assert "must hold a timestamp with microseconds" in mended(place)


def test_a_table_without_a_key(place):
    table(place, key="")
    assert "no unique key on message_id" in mended(place)


def test_a_key_that_is_more_than_the_message_id(place):
    table(place, key="PRIMARY KEY (message_id, counter_name)")
    assert "no unique key on message_id" in mended(place)


def test_a_unique_key_beside_another_primary_key_will_do(place):
    number = {"sqlite": "INTEGER", "postgresql": "SERIAL", "mariadb": "BIGINT AUTO_INCREMENT"}[place.engine]
    table(place, f"number {number} PRIMARY KEY", key="UNIQUE (message_id)")
    assert place.target().store(UNIT, [sample(0), sample(1), sample(0)], NOON).new == 2


def test_a_further_column_that_every_row_must_have(place):
    table(place, "owner VARCHAR(20) NOT NULL")
    assert "column owner is not one of ours, must not be null and has no default" in mended(place)


def test_several_problems_are_told_at_once(place):
    table(place, counter_volume=SINGLE[place.engine], project_id="VARCHAR(10)", source="")
    text = mended(place)
    for name in ("counter_volume", "project_id", "source"):
        assert f"column {name} " in text


def test_extra_columns_that_are_missing(place):
    place.target().close()
    with pytest.raises(ConfigInvalid, match="column user_id is missing; column recorded_at is missing") as caught:
        place.target(extra_columns=EXTRA_COLUMNS)
    place.run(*statements(caught.value))
    assert place.target(extra_columns=EXTRA_COLUMNS).store(UNIT, [sample()], NOON).new == 1


def test_a_table_of_points_that_has_the_contracts_columns_only(place):
    place.target().close()
    moment = {"mariadb": "DATETIME(6)"}.get(place.engine, "TIMESTAMP")
    place.run(
        "DROP TABLE {t}_sync",
        f"CREATE TABLE {{t}}_sync (endpoint_id VARCHAR(64), filter VARCHAR(255), meter VARCHAR(255), position {moment}, "
        f"updated {moment}, PRIMARY KEY (endpoint_id, filter, meter))",
    )
    text = mended(place)
    for name in ("rows_stored", "rows_refused", "error", "error_at"):
        assert f"column {name} is missing" in text
    assert place.target().points(UNIT.endpoint_id)[UNIT].rows == 2


def test_a_missing_table_where_none_is_to_be_made(place):
    place.db  # noqa: B018 - makes the file where it is one
    with pytest.raises(ConfigInvalid, match="is missing; run: CREATE TABLE") as caught:
        place.target(prepare=False).prepare(create=False)
    place.run(*statements(caught.value))
    with pytest.raises(ConfigInvalid, match="_sync is missing") as caught:
        place.target(prepare=False).prepare(create=False)
    place.run(*statements(caught.value))
    place.target(prepare=False).prepare(create=False)


def test_starters_that_make_the_tables_at_once(place):
    targets = [place.target(prepare=False) for _ in range(6)]
    barrier = threading.Barrier(6)
    failures: list[UndercroftError] = []

    def work(one: int) -> None:
        barrier.wait()
        try:
            targets[one].prepare()
        except UndercroftError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(target.store(UNIT, [sample(number)], NOON).new for number, target in enumerate(targets))


def test_both_indexes_are_made(place):
    place.target()
    import sqlalchemy as sa

    with place.db.engine.connect() as connection:
        found = {tuple(index["column_names"]) for index in sa.inspect(connection).get_indexes(place.table)}
    assert {("counter_name", "timestamp"), ("project_id", "timestamp")} <= found


def test_a_table_in_a_schema(place):
    schema = {"sqlite": "main", "postgresql": "public", "mariadb": place.db.engine.url.database}[place.engine]
    target = place.target(table=f"{schema}.{place.table}")
    assert target.store(UNIT, [sample()], NOON).new == 1
    assert place.target().store(UNIT, [sample()], NOON).new == 0
    assert target.points(UNIT.endpoint_id)[UNIT].position == NOON
    assert target.acquire(UNIT.endpoint_id)


def test_a_table_with_a_reserved_name(place):
    place.table = "Order"
    target = place.target()
    assert target.store(UNIT, [sample()], NOON).new == 1
    assert [found for found in target.findings() if found.level is Level.ERROR] == []
    target.close()
    place.run(f"DROP TABLE {target._dialect.samples}", f"DROP TABLE {target._dialect.sync}")

"""The lock of a target, points in a file, and what `check` says."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from tests.export.places import NOON, UNIT, Place, sample, statements
from undercroft.core.errors import ConfigInvalid, Declined, Denied, OutcomeUnknown, Unavailable, UndercroftError
from undercroft.core.findings import Level
from undercroft.export.locking import SessionLock
from undercroft.export.target import Target

LATER = NOON + dt.timedelta(hours=1)
OTHER = "f" * 32
# Takes the lock of the target whose settings it is given, says so, and waits.
HOLDER = """
    import sys, time
    from tests.export.places import UNIT, settings
    from undercroft.export.target import Target
    target = Target(settings(sys.argv[1], sys.argv[2], state=sys.argv[3]))
    target.prepare()
    print(target.acquire(UNIT.endpoint_id), flush=True)
    time.sleep(600)
"""
HERE = pathlib.Path(__file__).parent.parent.parent


@contextlib.contextmanager
def holder(place: Place, state: str = "target"):
    """Another process that has the lock."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), place.url, place.table, state]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"
            yield process
        finally:
            process.kill()


def taken(target: Target, seconds: float = 20) -> bool:
    """Whether the lock can be had within a time: a server may need a moment to see that a process has died."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    while not target.acquire(UNIT.endpoint_id):
        if dt.datetime.now(dt.UTC) > until:
            return False
        threading.Event().wait(0.02)
    return True


@pytest.mark.parametrize("state", ["target", "file"])
def test_one_of_two_workers_has_the_lock_until_it_dies(place, tmp_path, state):
    state = "target" if state == "target" else str(tmp_path / "state")
    target = place.target(state=state)
    with holder(place, state) as process:
        assert not target.acquire(UNIT.endpoint_id)
        assert not target.holds()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert taken(target)
    assert target.holds()
    assert target.acquire(UNIT.endpoint_id)
    other = place.target(state=state)
    assert not other.acquire(UNIT.endpoint_id)
    target.release()
    assert not target.holds()
    assert taken(other)
    other.close()
    assert taken(target)


def test_the_lock_is_of_one_service_and_one_table(place):
    first, second = place.target(), place.target()
    assert first.acquire(UNIT.endpoint_id)
    assert second.acquire(OTHER)
    second.release()
    elsewhere = place.target(prepare=False, table=f"{place.table}_b")
    assert elsewhere.acquire(UNIT.endpoint_id)


def test_a_lock_whose_connection_is_broken_is_found(place):
    target = place.target()
    assert target.acquire(UNIT.endpoint_id)
    lock = target._lock
    connection = getattr(lock, "_connection", None)
    if connection is None:
        # A file that somebody removes can be locked by another process.
        lock.path.unlink()
    else:
        target._db.dialect.cut(connection.connection.driver_connection)
    assert not target.holds()
    assert taken(target)
    assert target.holds()
    assert target.store(UNIT, [sample()], NOON).new == 1


def test_the_lock_leaves_no_transaction_open(place):
    """A server may end a session for that, and old rows could not be removed."""
    target = place.target()
    assert target.acquire(UNIT.endpoint_id)
    assert target.holds()
    if isinstance(target._lock, SessionLock):
        assert target._lock._connection is not None
        own: Any = target._lock._connection.connection.driver_connection
        asked = {
            "postgresql": lambda: f"SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND pid = {own.info.backend_pid}",
            "mariadb": lambda: f"SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {own.thread_id()}",
        }[place.engine]()
        assert place.ask(asked) == []
    place.run("DROP TABLE {t}")


def test_where_a_pooler_parts_transactions_there_is_no_lock(place, caplog):
    joint = "&" if "?" in place.url else "?"
    place.url += f"{joint}pooler=transaction"
    first, second = place.target(), place.target()
    assert first.acquire(UNIT.endpoint_id)
    if place.engine == "sqlite":
        return
    assert second.acquire(UNIT.endpoint_id)
    assert first.holds()
    assert "no lock keeps a second worker from reading the same samples" in caplog.text


# -- points in a file ------------------------------------------------------------------------------------------------------


def test_points_in_a_file(place, tmp_path):
    file = tmp_path / "points.json"
    target = place.target(state=str(file))
    assert target.points(UNIT.endpoint_id) == {}
    target.failed(UNIT, "no answer")
    assert target.points(UNIT.endpoint_id) == {}
    assert target.store(UNIT, [sample(0), sample(1, counter_volume=float("nan"))], LATER).new == 1
    target.store(UNIT, [sample(2)], NOON)
    target.store(UNIT, [sample(3)], None)
    target.store(UNIT._replace(endpoint_id=OTHER), [], NOON)
    target.failed(UNIT, "half an answer")
    again = place.target(state=str(file))
    [(unit, point)] = again.points(UNIT.endpoint_id).items()
    assert (unit, point.position, point.rows, point.refused, point.error) == (UNIT, LATER, 2, 1, "half an answer")
    assert again.failures(UNIT.endpoint_id)[UNIT].text == "half an answer"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert place.count() == 3
    with pytest.raises(UndercroftError):
        place.ask("SELECT * FROM {t}_sync")


def test_rows_come_before_the_point_of_a_file(place, tmp_path):
    """A point without its rows would lose them; rows without their point are read once more."""
    target = place.target(state=str(tmp_path / "points.json"))
    place.run("DROP TABLE {t}")
    with pytest.raises(Unavailable):
        target.store(UNIT, [sample()], LATER)
    assert target.points(UNIT.endpoint_id) == {}


def test_two_targets_write_one_file(place, tmp_path):
    targets = [place.target(state=str(tmp_path / "points.json")) for _ in range(2)]

    def work(mine: int) -> None:
        for number in range(40):
            targets[mine].store(UNIT, [sample(number)], NOON + dt.timedelta(seconds=number))
            targets[mine].store(UNIT._replace(meter=f"m{mine}"), [], NOON)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = targets[0].points(UNIT.endpoint_id)
    assert {unit.meter for unit in points} == {"cpu", "m0", "m1"}
    assert (points[UNIT].position, points[UNIT].rows) == (NOON + dt.timedelta(seconds=39), 40)


@pytest.mark.parametrize("content", ["", "[]", '{"points": [{"filter": 1}]}', '{"points": [], "other": 1}'])
def test_a_file_of_something_else_is_not_overwritten(place, tmp_path, content):
    file = tmp_path / "points.json"
    file.write_text(content)
    with pytest.raises(ConfigInvalid, match="these are not the points of an export worker"):
        place.target(state=str(file))
    assert levels(place.opened[-1])["state"] is Level.ERROR
    with pytest.raises(ConfigInvalid, match="these are not the points of an export worker"):
        place.opened[-1].store(UNIT, [sample()], LATER)
    assert file.read_text() == content


def test_a_file_that_cannot_be_written_is_not_now(place, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    target = place.target(state=str(folder / "points.json"))
    assert levels(target)["state"] is Level.OK
    folder.rmdir()
    with pytest.raises(Unavailable, match=r"points\.json"):
        target.store(UNIT, [sample()], LATER)
    with pytest.raises(Unavailable, match="lock file"):
        target.acquire(UNIT.endpoint_id)
    with pytest.raises(ConfigInvalid, match="the folder of the state file does not exist"):
        target.prepare()


def test_the_file_is_json(place, tmp_path):
    file = tmp_path / "points.json"
    place.target(state=str(file)).store(UNIT, [], LATER)
    [point] = json.loads(file.read_text())["points"]
    assert (point["meter"], point["position"]) == ("cpu", "2026-03-01T13:00:00")


# -- what check says, and what an operator has to mend ---------------------------------------------------------------------


def levels(target: Target) -> dict[str, Level]:
    return {found.check: found.level for found in target.findings()}


def test_findings_of_a_target_that_is_as_it_should_be(place):
    target = place.target()
    found = levels(target)
    assert Level.ERROR not in found.values()
    assert {"connection", "clock", f"table {place.table}", f"rights on {place.table}", f"rights on {place.table}_sync"} <= set(
        found
    )
    assert any(check.startswith("durability") for check in found)
    assert all(msgspec.json.encode(each) for each in target.findings())


def test_findings_before_the_first_start_change_nothing(place):
    target = place.target(prepare=False)
    assert Level.ERROR not in levels(target).values()
    assert any(level is Level.WARNING for level in levels(target).values())
    if place.engine == "sqlite":
        assert target._db.dialect.missing_file() is not None
    else:
        with pytest.raises(UndercroftError):
            place.ask("SELECT * FROM {t}")


def test_findings_of_a_database_that_does_not_answer():
    for url in ("postgresql://u:secret-word@127.0.0.1:9/x", "mariadb://u:secret-word@127.0.0.1:9/x"):
        target = Place(url, "t").target(prepare=False, timeout=2.0)
        [found] = target.findings()
        assert (found.check, found.level) == ("connection", Level.ERROR)
        assert "secret-word" not in str(found)
        with pytest.raises(Unavailable):
            target.prepare()
        with pytest.raises(Unavailable):
            target.acquire(UNIT.endpoint_id)
        target.failed(UNIT, "nothing happens")
        target.close()


def test_rights_that_are_missing_are_granted_by_what_the_errors_say(place):
    if place.engine == "sqlite":
        return
    user = f"{place.table}_u"
    host = {"mariadb": "@'%%'"}.get(place.engine, "")
    place.run(f"CREATE USER {user}{host} {'IDENTIFIED BY' if host else 'PASSWORD'} 'secret-word'")
    place.target()
    if host:
        # Without a right on anything, the database itself is out of reach.
        place.run(f"GRANT SELECT ON {{t}} TO {user}{host}")
    url = place.db.engine.url
    connection = f"{place.engine}://{user}:secret-word@127.0.0.1:{url.port}/{url.database}"
    said: list[str] = []
    try:
        for _ in range(5):
            # What is granted on a database counts for sessions that begin afterwards.
            others = place.target(prepare=False, connection=connection)
            try:
                others.prepare()
            except ConfigInvalid as error:
                assert "secret-word" not in str(error)
                assert Level.ERROR in levels(others).values()
                said += statements(error)
                place.run(*(text.replace("%", "%%") for text in statements(error)))
            else:
                assert Level.ERROR not in levels(others).values()
                assert others.store(UNIT, [sample(0)], NOON).new == 1
                break
            finally:
                others.close()
        assert {"GRANT SELECT, INSERT", "GRANT SELECT, INSERT, UPDATE"} <= {text.partition(" ON ")[0] for text in said}
        assert place.count() == 1
    finally:
        place.run(*([] if host else [f"DROP OWNED BY {user}"]), f"DROP USER {user}{host}")


def test_a_database_that_is_read_only_or_full_refuses_no_sample(place):
    target = place.target()
    target.store(UNIT, [sample(0)], NOON)
    setting = {
        "sqlite": "PRAGMA max_page_count = 1", "mariadb": "SET SESSION TRANSACTION READ ONLY",
        "postgresql": "SET default_transaction_read_only = on",
    }[place.engine]  # fmt: skip

    def spoil(connection, _record, _proxy):
        cursor = connection.cursor()
        cursor.execute(setting)
        cursor.close()
        if place.engine != "sqlite":
            connection.commit()

    sa.event.listen(target._db.engine, "checkout", spoil)
    with pytest.raises(Unavailable) as caught:
        target.store(UNIT, [sample(number) for number in range(1, 3000)], LATER)
    assert not isinstance(caught.value, OutcomeUnknown)
    # It is not a right that is missing.
    with pytest.raises(Denied if place.engine != "sqlite" else Unavailable) as caught:
        target.prepare() if place.engine != "sqlite" else target.store(UNIT, [sample(number) for number in range(1, 3000)], LATER)
    assert "GRANT" not in str(caught.value)
    sa.event.remove(target._db.engine, "checkout", spoil)
    other = place.target()
    assert other.points(UNIT.endpoint_id)[UNIT][:4:3] == (NOON, 0)
    assert place.count() == 1
    assert other.store(UNIT, [sample(number) for number in range(1, 3000)], LATER).new == 2999


def test_an_error_that_nobody_knows_refuses_no_sample(place, monkeypatch):
    target = place.target()

    def broken(*_):
        raise sa.exc.ProgrammingError("INSERT secret-word", None, Exception("nobody knows"))

    monkeypatch.setattr(target._dialect, "insert", broken)
    with pytest.raises(Declined) as caught:
        target.store(UNIT, [sample(0)], LATER)
    assert "secret-word" not in str(caught.value)
    assert target.points(UNIT.endpoint_id) == {}

"""Imports that are killed, interrupted or broken off in earnest, in processes of their own."""

from __future__ import annotations

import datetime as dt
import logging
import pathlib
import signal
import subprocess
import sys
import threading
from typing import Any

import msgspec
import pytest

import undercroft
from undercroft.engines.sql.database import Database
from undercroft.rating import BaseStorage

pytestmark = pytest.mark.one_per_family

HOURS = 400
POINTS = 40
WHOLE: dict[str, Any] = {"begin": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "end": dt.datetime(2027, 1, 1, tzinfo=dt.UTC)}


@pytest.fixture
def usage(jsonl, frame) -> pathlib.Path:
    """A file that takes long enough to be caught in the middle; every hour has doubles, which a torn batch would lose."""
    ids = [f"vm-{number}" for number in range(POINTS - 1)] + ["vm-0"]
    path: pathlib.Path = jsonl(*(frame(hour, *ids) for hour in range(HOURS)))
    return path


def start(path: pathlib.Path, url: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "push", str(path), "--store", url, "--batch", "80", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def acknowledged(path: pathlib.Path) -> int:
    """Points that the state file tells of."""
    try:
        return int(msgspec.json.decode(path.with_name(path.name + ".push-state").read_bytes())["points"])
    except FileNotFoundError:
        return 0


def stop_at(process: subprocess.Popen[str], path: pathlib.Path, points: int, how: signal.Signals) -> int:
    """Send a signal as soon as so many points are acknowledged; return the exit code."""
    pause = threading.Event()
    while process.poll() is None and acknowledged(path) < points:
        pause.wait(0.002)
    process.send_signal(how)
    return process.wait(30)


def held(store: BaseStorage) -> int:
    return int(store.retrieve(**WHOLE, limit=0)["total"])


@pytest.mark.promise("D2")
def test_killed_again_and_again_every_point_is_there_once(usage, url, storage):
    for part in range(1, 6):
        before = acknowledged(usage)
        process = start(usage, url)
        code = stop_at(process, usage, before + part * 320, signal.SIGKILL)
        process.communicate()
        assert code == -signal.SIGKILL, "the import ended before it could be killed"
        # What was acknowledged is stored; the batch that was under way may be.
        assert acknowledged(usage) <= held(storage) <= acknowledged(usage) + 80
        assert acknowledged(usage) > before
    last = start(usage, url, "--format", "json")
    out, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    (report,) = msgspec.json.decode(out)
    assert report["skipped_points"] > 0
    assert report["skipped_points"] + report["points"] == HOURS * POINTS == held(storage)
    totals = storage.total(["time"], **WHOLE, custom_fields="COUNT(qty) AS n", paginate=False)["results"]
    assert [row["n"] for row in totals] == [POINTS] * HOURS
    assert not usage.with_name(usage.name + ".push-state").exists()


def test_without_the_state_a_second_run_begins_anew(usage, url, storage):
    """The twin: the state file, and nothing else, is what a run goes on by."""
    process = start(usage, url)
    stop_at(process, usage, 320, signal.SIGKILL)
    process.communicate()
    usage.with_name(usage.name + ".push-state").unlink()
    second = start(usage, url, "--format", "json")
    out, _ = second.communicate(timeout=60)
    (report,) = msgspec.json.decode(out)
    assert (report["skipped_points"], report["points"]) == (0, HOURS * POINTS)
    assert held(storage) == HOURS * POINTS


def test_without_replacement_a_repeated_import_doubles(usage, url):
    """The twin: going on is harmless because a push replaces; with on_conflict=append the same points count twice."""
    appending = f"{url}?on_conflict=append"
    for _ in range(2):
        process = start(usage, appending)
        process.communicate(timeout=60)
    store = undercroft.connect("rating", url)
    assert held(store) == 2 * HOURS * POINTS
    store.close()


def test_interrupted_it_says_how_to_go_on(usage, url, storage):
    process = start(usage, url)
    assert stop_at(process, usage, 800, signal.SIGINT) == 130
    _, err = process.communicate()
    assert err.splitlines()[0] == "interrupted"
    assert f"up to line {acknowledged(usage) // POINTS}; run the same command to go on" in err
    assert "Traceback" not in err
    again = start(usage, url)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "of an earlier run" in out
    assert held(storage) == HOURS * POINTS


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemError])
def test_an_interrupt_that_a_library_logs_is_told_in_one_line(run, usage, url, monkeypatch, error):
    """SQLAlchemy logs it with its traceback where it takes a connection back; whatever else is logged there is still shown."""

    def stop(*_, **__):
        logging.getLogger("sqlalchemy.pool").error("Exception during reset or similar", exc_info=error())
        raise error

    monkeypatch.setattr(Database, "write", stop)
    # Logging of the tests' own would keep the record from stderr, where it goes in a process of the command line.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    is_interrupt = error is KeyboardInterrupt
    ended = run("rating", "push", usage, "--store", url, code=130 if is_interrupt else 1)
    assert ("Exception during reset" in ended.stderr) != is_interrupt
    assert (ended.stderr.splitlines()[0] == "interrupted") == is_interrupt

"""`undercroft rating expire`: what goes, what a dry run says, and going on after a kill."""

from __future__ import annotations

import datetime as dt
import os
import pty
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import msgspec
import pytest

from tests.conftest import url_of
from undercroft.conformance.clock import now
from undercroft.core import settings
from undercroft.rating import DataFrame, DataPoint

pytestmark = pytest.mark.one_per_family

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _clock():
    with now(NOW):
        yield


@pytest.fixture
def filled(storage, frame):
    """The first ten days of January, two points an hour."""
    storage.push([frame(hour, "a", "b", price="0.1") for hour in range(240)])
    return storage


def test_a_dry_run_tells_and_changes_nothing(run, url, filled, stored):
    before = stored()
    # 1 March less 55 days is 5 January.
    out = run("rating", "expire", "--store", url, "--older-than", "55d", "--dry-run").stdout
    assert out == (
        "would delete 192 points that start before 2026-01-05T00:00:00Z; they cost 19.2\n"
        "the oldest starts 2026-01-01T00:00:00Z\nthe newest starts 2026-01-04T23:00:00Z\n"
    )
    report = msgspec.json.decode(run("rating", "expire", "--store", url, "--keep", "55d", "--dry-run", "--format", "json").stdout)
    assert (report["oldest"], report["newest"]) == ("2026-01-01T00:00:00Z", "2026-01-04T23:00:00Z")
    assert stored() == before


def test_it_deletes_that_and_nothing_else(run, url, filled, stored):
    report = msgspec.json.decode(run("rating", "expire", "--store", url, "--keep", "55d", "--yes", "--format", "json").stdout)
    assert report == {"dry_run": False, "before": "2026-01-05T00:00:00Z", "points": 192, "batches": 4}
    assert min(one.start for one in stored()) == dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    assert sum(len(list(one.iterpoints())) for one in stored()) == 480 - 192
    again = run("rating", "expire", "--store", url, "--keep", "55d").stdout
    assert again == "deleted 0 points that start before 2026-01-05T00:00:00Z, in 0 batches\n"


@pytest.mark.parametrize(
    ("given", "left"), [("1320", 288), ("1320h", 288), ("79200m", 288), ("55d", 288), ("8w", 336), ("9999999d", 480)]
)
def test_spans(run, url, filled, given, left):
    done = run("rating", "expire", "--store", url, "--older-than", given, "--yes")
    assert ("is taken as hours; write 1320h" in done.stderr) == (given == "1320")
    assert filled.retrieve(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), limit=0)["total"] == left


@pytest.mark.parametrize("given", ["0", "0d", "-1", "1.5d", "3x", "d", "", "1e3", "90 d", "9D", "\u0661d"])
def test_what_is_no_span_deletes_nothing(run, url, filled, stored, given):
    before = stored()
    assert "--older-than" in run("rating", "expire", "--store", url, f"--older-than={given}", code=2).stderr
    assert stored() == before


def test_the_setting_decides_without_the_option(run, url, filled, stored, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "0")
    settings.current.cache_clear()
    assert "everything is kept" in run("rating", "expire", "--store", url).stdout
    assert msgspec.json.decode(run("rating", "expire", "--store", url, "--format", "json").stdout)["before"] is None
    assert len(stored()) == 240
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", str(55 * 24))
    settings.current.cache_clear()
    assert run("rating", "expire", "--store", url, "--yes").stdout.startswith("deleted 192 points")
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "54d")
    settings.current.cache_clear()
    assert run("rating", "expire", "--store", url, "--yes").stdout.startswith("deleted 48 points")


def test_nothing_is_deleted_unless_somebody_wrote_for_how_long(run, url, filled, stored):
    assert "everything is kept: [storage] retention_period is not set" in run("rating", "expire", "--store", url, "--yes").stdout
    assert len(stored()) == 240


def test_a_large_part_is_not_deleted_without_a_question(run, url, filled, stored):
    """5 % of 480 points are 24, which is 12 hours."""
    error = run("rating", "expire", "--store", url, "--older-than", "55d", code=2).stderr
    assert "this deletes 192 of 480 (40 %) points, all that start before 2026-01-05T00:00:00Z: give --yes" in error
    assert len(stored()) == 240
    # 1 March less 1,403 hours is noon of 1 January and an hour.
    assert "26 of 480" in run("rating", "expire", "--store", url, "--older-than", "1403h", code=2).stderr
    assert run("rating", "expire", "--store", url, "--older-than", "1404h").stdout.startswith("deleted 24 points")


@pytest.mark.parametrize(("answer", "kept"), [("n", 240), ("y", 144)])
def test_the_question_at_a_terminal(url, filled, stored, answer, kept):
    """A real terminal: the program asks there, and does what is answered."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "expire", "--store", url, "--older-than"]
    # The program has the machine's clock.
    span = f"{(dt.datetime.now(dt.UTC) - dt.datetime(2026, 1, 5, tzinfo=dt.UTC)) // dt.timedelta(hours=1)}h"
    with subprocess.Popen([*command, span], stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(follower)
        os.write(leader, f"{answer}\n".encode())
        out, err = process.communicate(timeout=30)
    os.close(leader)
    assert "Delete them? [y/N]" in err
    assert process.returncode == (0 if answer == "y" else 1)
    assert abs(len(stored()) - kept) <= 1, out + err


def test_an_exact_cost_of_more_digits_than_a_float_has(run, url, storage, frame):
    storage.push([frame(0, "a", price="12345678901234567890.000000000000000001"), frame(1, "b", price="0.000000000000000002")])
    out = run("rating", "expire", "--store", url, "--older-than", "1h", "--dry-run", "--format", "json").stdout
    assert msgspec.json.Decoder(float_hook=Decimal).decode(out)["price"] == Decimal("12345678901234567890.000000000000000003")


@pytest.mark.promise("D2")
def test_killed_in_the_middle_it_goes_on(opener):
    """On every store of the run: after kill -9 whole days are gone, the sums agree, and the same command ends the work."""
    store = opener()
    day = dt.timedelta(days=1)
    first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    days, many = 120, 40
    for number in range(days):
        points = [DataPoint("h", Decimal(1), Decimal("0.1"), {"id": f"vm-{n}", "project_id": "p"}, {}) for n in range(many)]
        store.push([DataFrame(first + number * day, first + number * day + dt.timedelta(hours=1), {"cpu": points})])

    def left() -> int:
        return int(store.retrieve(first, first + 2 * days * day, limit=0)["total"])

    place = url_of(opener)
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "expire", "--store", place, "--older-than", "1d", "--yes"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pause = threading.Event()
    while process.poll() is None and left() > (days - 5) * many:
        pause.wait(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, "it ended before it could be killed"
    kept = left()
    assert 0 < kept < days * many
    assert kept % many == 0
    (row,) = store.total(begin=first, end=first + 2 * days * day)["results"]
    assert (row["qty"], row["rate"]) == (kept, kept * Decimal("0.1"))
    assert not [one for one in store.diagnose(verify=True) if one.level == "error"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=True)
    assert msgspec.json.decode(done.stdout)["points"] == kept
    assert left() == 0


def test_a_store_that_is_not_there(run, tmp_path):
    assert "db upgrade" in run("rating", "expire", "--older-than", "1d", "--store", f"sqlite:///{tmp_path}/x.db", code=2).stderr

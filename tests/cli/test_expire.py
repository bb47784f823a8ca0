"""`undercroft rating expire`: what goes, what a dry run says, and going on after a kill."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import msgspec
import pytest

from undercroft.core import settings, time
from undercroft.rating import DataFrame, DataPoint

pytestmark = pytest.mark.one_per_family

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _clock():
    time.bind(lambda: NOW)
    yield
    time.bind(None)


@pytest.fixture
def filled(storage, frame):
    """The first ten days of January, two points an hour."""
    storage.push([frame(hour, "a", "b", price="0.1") for hour in range(240)])
    return storage


def test_a_dry_run_tells_and_changes_nothing(run, url, filled, stored):
    before = stored()
    # 1 March less 55 days is 5 January.
    out = run("rating", "expire", "--store", url, "--older-than", "55d", "--dry-run").stdout
    assert out == "would delete 192 points that start before 2026-01-05T00:00:00Z; they cost 19.2\n"
    assert stored() == before


def test_it_deletes_that_and_nothing_else(run, url, filled, stored):
    report = msgspec.json.decode(run("rating", "expire", "--store", url, "--keep", "55d", "--format", "json").stdout)
    assert report == {"dry_run": False, "before": "2026-01-05T00:00:00Z", "points": 192, "batches": 4}
    assert min(one.start for one in stored()) == dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    assert sum(len(list(one.iterpoints())) for one in stored()) == 480 - 192
    again = run("rating", "expire", "--store", url, "--keep", "55d").stdout
    assert again == "deleted 0 points that start before 2026-01-05T00:00:00Z, in 0 batches\n"


@pytest.mark.parametrize(("given", "left"), [("1320", 288), ("1320h", 288), ("55d", 288), ("8w", 336), ("9999999d", 480)])
def test_spans(run, url, filled, given, left):
    run("rating", "expire", "--store", url, "--older-than", given)
    assert filled.retrieve(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), limit=0)["total"] == left


@pytest.mark.parametrize("given", ["0", "0d", "-1", "1.5d", "3m", "d", "", "1e3"])
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
    assert run("rating", "expire", "--store", url).stdout.startswith("deleted 192 points")


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

    where = f"{opener.url}{'&' if '?' in opener.url else '?'}namespace={opener.namespace}"
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "expire", "--store", where, "--older-than", "1d"]
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
    assert "db upgrade" in run("rating", "expire", "--store", f"sqlite:///{tmp_path}/x.db", code=2).stderr

"""`undercroft worker`: one of many does the work, a signal ends it in order, logs are lines of JSON."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import msgspec
import pytest

from tests.conftest import url_of
from undercroft.core import settings
from undercroft.rating import DataFrame, DataPoint

pytestmark = pytest.mark.one_per_family

FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LIMIT = 60  # seconds; ends a test that fails, decides nothing else


def fill(store, days: int, many: int = 10) -> None:
    for number in range(days):
        points = [DataPoint("h", Decimal(1), Decimal("0.1"), {"id": f"vm-{n}"}, {}) for n in range(many)]
        store.push([DataFrame(FIRST + number * DAY, FIRST + number * DAY + dt.timedelta(hours=1), {"cpu": points})])


def left(store) -> int:
    return int(store.retrieve(FIRST, FIRST + 2_000 * DAY, limit=0)["total"])


# Nothing is deleted unless somebody wrote how long usage is kept.
KEPT = {"UNDERCROFT_STORAGE__RETENTION_PERIOD": "100d"}
# The first run comes within a tenth of the period.
SOON = {"UNDERCROFT_WORKER__EXPIRE_INTERVAL": "2"}


def start(url: str, *more: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "undercroft.cli.main", "worker", "--store", f"rating={url}", "--log-format", "json", *more]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **KEPT, **environment}
    )


def lines(text: str):
    return [msgspec.json.decode(line) for line in text.splitlines()]


def wait_until(condition) -> None:
    pause = threading.Event()
    for _ in range(LIMIT * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def test_once_does_each_job_and_ends(opener):
    store = opener()
    fill(store, 3)
    worker = start(url_of(opener), "--once")
    out, err = worker.communicate(timeout=LIMIT)
    assert (worker.returncode, out) == (0, "")
    assert left(store) == 0
    begins, told, done, maintained, ends = lines(err)
    assert (told["level"], told["job"]) == ("warning", "rating.expire")
    assert "older than [storage] retention_period" in told["message"]
    assert "30 of 30 (100 %)" in told["message"]
    assert (begins["message"], begins["jobs"]) == ("worker begins", "rating.expire, rating.maintain")
    assert (done["job"], done["points"], done["batches"]) == ("rating.expire", 30, 3)
    assert (maintained["job"], maintained["points"]) == ("rating.maintain", 0)
    assert ends["message"] == "worker ends"
    assert {line["level"] for line in (begins, done, ends)} == {"info"}
    assert dt.datetime.fromisoformat(done["time"]).utcoffset() == dt.timedelta(0)


def test_of_several_at_once_one_does_the_job(opener):
    store = opener()
    fill(store, 3)
    workers = [start(url_of(opener), "--once") for _ in range(3)]
    logs = [lines(worker.communicate(timeout=LIMIT)[1]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    done = [line for log in logs for line in log if "batches" in line]
    passed = [line["job"] for log in logs for line in log if "passed over" in line["message"]]
    assert (len(done), sorted(passed)) == (1, 2 * ["rating.expire"] + 2 * ["rating.maintain"])
    assert done[0]["points"] == 30
    assert left(store) == 0


@pytest.mark.promise("N5")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(opener, how):
    store = opener()
    fill(store, 3)
    worker = start(url_of(opener), **SOON)
    wait_until(lambda: left(store) == 0)
    worker.send_signal(how)
    _, err = worker.communicate(timeout=10)
    assert worker.returncode == 0
    assert lines(err)[-1]["message"] == "worker ends"
    assert lines(err)[-1]["signalled"] is True


@pytest.mark.promise("N5")
def test_a_signal_in_the_middle_of_a_deletion_leaves_whole_days(opener):
    store = opener()
    fill(store, 300)
    worker = start(url_of(opener), **SOON)
    wait_until(lambda: left(store) < 2_980)
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=10)
    assert worker.returncode == 0
    kept = left(store)
    assert 0 < kept < 2_980, "it ended before it could be stopped"
    assert kept % 10 == 0
    told = next(line for line in lines(err) if "batches" in line)
    assert (told["message"], told["points"]) == ("stopped while deleting expired usage", 3_000 - kept)


@pytest.mark.promise("D2")
def test_when_one_is_killed_another_goes_on(opener):
    store = opener()
    fill(store, 300)
    killed = start(url_of(opener), **SOON)
    wait_until(lambda: left(store) < 2_980)
    killed.kill()
    killed.communicate()
    assert left(store) > 0, "it ended before it could be killed"
    other = start(url_of(opener), **SOON)
    wait_until(lambda: left(store) == 0)
    other.terminate()
    other.communicate(timeout=10)
    assert other.returncode == 0


def test_a_job_that_fails_is_logged_and_told_by_the_exit_code(opener):
    store = opener()
    fill(store, 1)
    store.drop()
    worker = start(url_of(opener), "--once")
    _, err = worker.communicate(timeout=LIMIT)
    assert worker.returncode == 1
    failed = next(line for line in lines(err) if line["level"] == "error")
    assert "rating.expire failed" in failed["message"]
    assert "NotInitialized" in failed["error"]
    store.init()


def test_without_a_retention_that_somebody_wrote_nothing_is_deleted(run, url, storage):
    fill(storage, 2)
    done = run("worker", "--once", "--store", f"rating={url}")
    assert "everything is kept job=rating.expire" in done.stderr
    assert left(storage) == 20


def test_a_number_without_a_unit_is_told_in_the_form_of_the_log(opener):
    store = opener()
    told = lines(start(url_of(opener), "--once", UNDERCROFT_STORAGE__RETENTION_PERIOD="1").communicate(timeout=LIMIT)[1])
    assert told[0]["level"] == "warning"
    assert "RETENTION_PERIOD: [storage] retention_period = 1 is taken as hours; write 1h" in told[0]["message"]
    assert told[1]["message"] == "worker begins"
    assert left(store) == 0


def test_a_misspelt_setting_ends_it_before_anything_is_done(run, url, storage, tmp_path):
    fill(storage, 2)
    file = tmp_path / "undercroft.conf"
    file.write_text("[storage]\nretention_perod = 1h\n")
    error = run("--config", file, "worker", "--once", "--store", f"rating={url}", code=2).stderr
    assert f"{file}:2, group [storage]: unknown option 'retention_perod'; did you mean 'retention_period'?" in error
    assert left(storage) == 20


@pytest.mark.parametrize(
    ("kinds", "jobs"),
    [
        (("rating", "events"), "events.expire, rating.expire, rating.maintain"),
        (("events",), "events.expire"),
        (("rating",), "rating.expire, rating.maintain"),
    ],
)
def test_it_works_on_every_kind_that_is_configured(run, tmp_path, monkeypatch, kinds, jobs):
    """As do the other commands that are about kinds."""
    for kind in kinds:
        monkeypatch.setenv(f"UNDERCROFT_{kind.upper()}__CONNECTION", f"sqlite:///{tmp_path}/all.db")
    settings.current.cache_clear()
    assert sorted(line.partition(":")[0] for line in run("db", "upgrade").stdout.splitlines()) == sorted(kinds)
    assert sorted(line.partition(":")[0] for line in run("db", "check").stdout.splitlines()) == sorted(kinds)
    done = run("worker", "--once").stderr
    assert f"worker begins jobs={jobs}\n" in done
    assert done.count("everything is kept") == len(kinds)
    assert "error" not in done
    checks = {one["check"] for one in msgspec.json.decode(run("doctor", "--format", "json").stdout)}
    assert checks >= ({f"{kind}: connection" for kind in kinds} if len(kinds) > 1 else {"connection"})


def test_a_kind_without_periodic_work(run, tmp_path):
    done = run("worker", "--once", "--store", f"datasources=sqlite:///{tmp_path}/one.db")
    assert "worker begins jobs=none: stores of datasources need no periodic jobs\n" in done.stderr


def test_retention_of_nothing_and_no_jobs(opener):
    store = opener()
    fill(store, 1)
    kept = start(url_of(opener), "--once", UNDERCROFT_STORAGE__RETENTION_PERIOD="0")
    told = lines(kept.communicate(timeout=LIMIT)[1])
    assert "everything is kept" in [line["message"] for line in told]
    # What the store puts off is done now.
    assert [line["points"] for line in told if line.get("job") == "rating.maintain" and "points" in line] == [10]
    idle = start(url_of(opener), "--once", UNDERCROFT_WORKER__EXPIRE_INTERVAL="0", UNDERCROFT_WORKER__MAINTAIN_INTERVAL="0")
    assert lines(idle.communicate(timeout=LIMIT)[1])[0]["jobs"].startswith("none")
    assert left(store) == 10


def test_text_for_people(run, url, storage, monkeypatch):
    fill(storage, 2)
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "100d")
    settings.current.cache_clear()
    done = run("worker", "--once", "--store", f"rating={url}")
    assert done.stdout == ""
    assert "expired usage is deleted job=rating.expire points=20 batches=2" in done.stderr
    assert left(storage) == 0

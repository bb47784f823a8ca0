"""The whole way: a real Ceilometer publishes, our service stores and answers, the worker fills a table for BI tools."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft
from tests.conftest import stores
from tests.export.places import Place
from tests.hosts.ceilometer import PATIENCE, Agent, ids, over_http, restarted, size
from undercroft.core.errors import NotInitialized
from undercroft.export import COLUMNS

pytestmark = [pytest.mark.kind("metering"), pytest.mark.timeout(900)]
INGEST = "/metering/v1/ceilometer/samples"
# More notifications than are delivered, and seconds from one's timestamp to the next one's. The first are of the future, later ones
# are late.
MANY, STEP, AHEAD = 100_000, 0.002, dt.timedelta(seconds=2)
# Notifications that Ceilometer must have got rid of before and after the kills.
ENOUGH = 60
CONFIGURATION = """
[exporter]
endpoint = http://127.0.0.1:{port}/metering
auth = token
token = reader
connection = {url}
table = {table}
interval = 0.2
lag = 0.2
backoff_base = 0.05
backoff_max = 0.5
page = 50

[filter:everything]
meters = meter.*

[filter:one_project]
query = project_id=p1
meters = meter.0, meter.3
"""


class Export:
    """`undercroft export run FILE`, which comes back after each kill."""

    def __init__(self, place: Place, port: int, folder: pathlib.Path) -> None:
        self.place = place
        self._file = folder / f"{place.table}.ini"
        self._file.write_text(CONFIGURATION.format(port=port, url=place.url.replace("$", "$$"), table=place.table))
        self._log = folder / f"{place.table}.log"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        program = pathlib.Path(sys.executable).with_name("undercroft")
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("UNDERCROFT_", "COV", "PYTEST"))}
        with self._log.open("ab") as log:
            return subprocess.Popen([program, "export", "run", self._file], env=variables, stdout=log, stderr=log)

    def kill(self) -> None:
        """kill -9, and start it again."""
        assert self._process.poll() is None, self.log
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = self._start()

    def stop(self) -> None:
        """End it as systemd does."""
        assert self._process.poll() is None, self.log
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE) == 0, self.log

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self.place.clear()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def await_rows(self, wanted: set[str]) -> None:
        end = time.monotonic() + PATIENCE
        while missing := wanted - self._ids():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < end, f"{len(missing)} of {len(wanted)} samples are missing\n{self.log}"
            time.sleep(0.2)

    def _ids(self) -> set[str]:
        with contextlib.suppress(NotInitialized):  # before the worker has made the table
            return {row[COLUMNS.index("message_id")] for row in self.place.rows()}
        return set()


def rows_of(number: int, start: dt.datetime) -> Iterator[tuple[Any, ...]]:
    """The rows of a notification, as they follow from what `inside.ceilometer_samples` publishes."""
    for place in range(size(number)):
        row = {
            "counter_name": f"meter.{place}", "counter_type": "cumulative", "counter_unit": "ns",
            "counter_volume": float(2**60 + number), "message_id": f"{number:08x}-0001-11f1-8001-{place:012x}",
            "project_id": "p1", "resource_id": f"vm-{number % 7}", "source": "openstack",
            "timestamp": start + dt.timedelta(seconds=number * STEP),
        }  # fmt: skip
        yield tuple(row[name] for name in COLUMNS)


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> list[Place]:
    """A table in each SQL engine of the run."""
    urls = [store.url.replace("{tmp}", str(tmp_path)) for store in stores(request.config, "metering")]
    return [Place(url, f"t{uuid.uuid4().hex[:12]}") for url in urls]


@pytest.mark.promise("D7")
def test_what_ceilometer_publishes_is_in_the_table_once_whatever_is_killed(ceilometer, places, tmp_path, seed, record):
    assert places
    rng = random.Random(seed)
    url = f"sqlite:///{tmp_path}/source.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.upgrade()
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(restarted(tmp_path, metering=url))
        workers = [stack.enter_context(contextlib.closing(Export(place, service.port, tmp_path))) for place in places]
        start = dt.datetime.now(dt.UTC).replace(tzinfo=None) + AHEAD
        agent = Agent(ceilometer, over_http(service, INGEST), 0, MANY, tmp_path, start.isoformat(), STEP)
        await_kept(agent, ENOUGH)
        threading.Event().wait(rng.uniform(0, 0.5))
        service.kill()
        for worker in workers:
            threading.Event().wait(rng.uniform(0, 0.5))
            worker.kill()
        service.service.await_alive()
        await_kept(agent, len(agent.kept) + ENOUGH)
        agent.end()
        for worker in workers:
            worker.await_rows(ids(agent.kept))
            worker.stop()
        found = [{row[COLUMNS.index("message_id")]: row for row in worker.place.rows()} for worker in workers]
        counts = [worker.place.count() for worker in workers]
    record(engines=len(places), kept=len(agent.kept), stored=sum(counts))
    published = {
        row[COLUMNS.index("message_id")]: row for number in range(max(agent.kept) + 1_000) for row in rows_of(number, start)
    }
    for rows, count in zip(found, counts, strict=True):
        # What was stored though its answer was lost may be there, too.
        assert rows == {name: published[name] for name in rows}
        assert len(rows) == count


def await_kept(agent: Agent, count: int) -> None:
    """Wait until Ceilometer did not throw away the samples of so many notifications."""
    end = time.monotonic() + PATIENCE
    while len(agent.kept) < count:
        assert time.monotonic() < end, f"{len(agent.kept)} of {count} notifications"
        time.sleep(0.05)

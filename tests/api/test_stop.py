"""SIGTERM: what is under way is finished or refused, and the end comes soon."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import signal
import threading
import time

import httpx
import pytest

from tests.api.service import Service, frame, serving
from tests.conftest import url_of
from undercroft.conformance.limits import within

pytestmark = pytest.mark.chaos
WHEN = {"begin": dt.datetime(2026, 11, 1, tzinfo=dt.UTC), "end": dt.datetime(2026, 12, 1, tzinfo=dt.UTC)}
LATEST = 10


class Load:
    """Eight clients that push until they are refused; `acknowledged` has the numbers of what they were told is stored."""

    def __init__(self, service: Service, acknowledged: set[int], hour: int) -> None:
        self.service, self.acknowledged, self.hour = service, acknowledged, hour
        self.begun = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(8)
        for worker in range(8):
            self._pool.submit(self._push, (hour * 8 + worker) * 100_000)

    def _push(self, number: int) -> None:
        while True:
            number += 1
            try:
                answer = self.service.push(frame("a", 1, 1, hour=self.hour, number=number))
            except httpx.TransportError:
                return
            if answer.status_code != 204:
                return
            self.acknowledged.add(number)
            self.begun.set()

    def end(self) -> None:
        self._pool.shutdown()


@pytest.mark.promise("N5")
def test_stop_under_load(opener, figure, record):
    opener()
    acknowledged: set[int] = set()
    stops = figure(2, 20)
    slowest = 0.0
    for round_ in range(stops):
        with serving(url_of(opener)) as service:
            load = Load(service, acknowledged, round_)
            assert load.begun.wait(60)
            time.sleep(0.3)
            start = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait(60)
            slowest = max(slowest, time.monotonic() - start)
            load.end()
            assert code == 0, service.log()
            assert not service.pids()
    within(slowest, LATEST)
    kept = {row["number"] for row in opener.opened[0].total(["number"], **WHEN, paginate=False)["results"]}
    assert len(acknowledged) > 8
    assert acknowledged <= kept
    record(stops=stops, acknowledged=len(acknowledged), lost=0, slowest=f"{slowest:.1f} s")


@pytest.mark.promise("N5")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["", "twin: SIGKILL"])
def test_a_request_under_way_is_answered(opener, number):
    """One that waits for another writer, so that it is surely under way when the signal comes."""
    opener()
    store = opener.opened[0]
    with serving(url_of(opener)) as service:
        assert service.push(frame("a", 1)).status_code == 204
        release = threading.Event()
        held = threading.Event()

        def hold(connection) -> None:
            # The row of a scope's sums stays locked until this transaction ends; SQLite locks the file.
            store._pushing(store._encode([_frame()]))(connection)
            held.set()
            assert release.wait(30)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            holding = pool.submit(store._db.write, hold)
            assert held.wait(30)
            asked = pool.submit(service.push, frame("a", 5))
            time.sleep(1)
            assert not asked.done()
            service.process.send_signal(number)
            time.sleep(0.5)
            release.set()
            holding.result()
            if number == signal.SIGKILL:
                assert isinstance(asked.exception(), httpx.TransportError) or asked.result().status_code == 204
            else:
                assert asked.result().status_code == 204
                assert service.process.wait(LATEST) == 0


def _frame():
    from undercroft.rating import DataFrame

    return DataFrame.from_dict(frame("a", 3))

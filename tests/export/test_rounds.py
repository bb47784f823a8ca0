"""Round after round against the stand-in for an old Ceilometer, into each SQL engine."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.export.old_ceilometer import Asked, Fault, OldCeilometer
from tests.export.places import Place, settings
from tests.export.reading import made
from undercroft.export.client import Client
from undercroft.export.login import login
from undercroft.export.settings import Filter
from undercroft.export.source import Source
from undercroft.export.state import Point
from undercroft.export.storing import Storing
from undercroft.export.worker import Worker

ALL, OTHER = Filter("all", (), ("cpu",)), Filter("other", (), ("disk",))


@pytest.fixture
def old() -> Iterator[OldCeilometer]:
    with OldCeilometer() as found:
        yield found


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


class Rounds:
    """A worker that does one round when it is asked to; each time anew, as after a restart."""

    def __init__(self, old: OldCeilometer, place: Place, filters: tuple[Filter, ...] = (ALL,), **keys: Any) -> None:
        self._settings = settings(place.url, place.table, endpoint=old.url, page=3, backoff_base=0.01, backoff_max=0.05, **keys)
        self._settings = type(self._settings)(**{**_fields(self._settings), "filters": filters})
        self._place = place

    def __call__(self) -> dict[Any, Any]:
        """Do one; what went wrong."""
        target = self._place.target(prepare=False, endpoint=self._settings.endpoint)
        with contextlib.closing(login(self._settings)) as mine, contextlib.closing(Client(self._settings, mine)) as client:
            worker = Worker(self._settings, Source(self._settings, client), target, Storing(target), threading.Event())
            for _ in worker.run(once=True):
                pass
            self._endpoint = client.endpoint
        target.release()
        return worker.problems

    def ids(self) -> list[str]:
        return [row[0] for row in self._place.rows(("message_id",))]

    def points(self) -> dict[str, Point]:
        from undercroft.export.settings import endpoint_id

        target = self._place.target(endpoint=self._settings.endpoint)
        return {f"{unit.filter}/{unit.meter}": point for unit, point in target.points(endpoint_id(self._endpoint)).items()}


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


@pytest.mark.parametrize("mode", ["complex", "simple"])
def test_a_late_sample_is_found_as_far_back_as_the_overlap(old, place, mode):
    rounds = Rounds(old, place, mode=mode, overlap=60.0, lag=1.0)
    old.add(made(number, now() - dt.timedelta(minutes=5) + dt.timedelta(seconds=number)) for number in range(10))
    rounds()
    old.add([made(20, now() - dt.timedelta(seconds=30)), made(21, now() - dt.timedelta(seconds=120))])
    rounds()
    assert rounds.ids() == [f"m{number:05}" for number in (*range(10), 20)]


@pytest.mark.parametrize("mode", ["complex", "simple"])
def test_a_sample_of_the_future_waits_and_moves_no_point(old, place, mode):
    rounds = Rounds(old, place, mode=mode, lag=1.0)
    old.add([made(0, now() - dt.timedelta(seconds=10)), made(1, now() + dt.timedelta(hours=1))])
    for _ in range(2):
        rounds()
        assert rounds.ids() == ["m00000"]
        assert rounds.points()["all/cpu"].position <= now() - dt.timedelta(seconds=1)


@pytest.mark.parametrize("mode", ["complex", "simple"])
def test_samples_of_the_points_own_timestamp_are_not_lost(old, place, mode):
    """Without an overlap the bound alone has to include them."""
    rounds = Rounds(old, place, mode=mode, overlap=0.0, lag=0.0)
    old.add([made(0, now() - dt.timedelta(seconds=5))])
    rounds()
    old.add([made(1, rounds.points()["all/cpu"].position)])
    rounds()
    assert rounds.ids() == ["m00000", "m00001"]


def test_the_point_stays_where_a_round_broke_off(old, place):
    """The first page is stored, the second one fails: the next round begins between them."""
    rounds = Rounds(old, place, mode="complex", overlap=0.0, retries=0)
    begin = now() - dt.timedelta(minutes=5)
    old.add(made(number, begin + dt.timedelta(seconds=number)) for number in range(10))
    asked = 0

    def fails(request: Asked) -> Fault | None:
        nonlocal asked
        asked += request.method == "POST"
        return Fault(503) if asked == 4 and request.method == "POST" else None

    old.faults = fails
    assert rounds()
    assert rounds.ids()
    assert rounds.points()["all/cpu"].position < begin + dt.timedelta(seconds=9)
    old.faults = []
    assert not rounds()
    assert rounds.ids() == [f"m{number:05}" for number in range(10)]


@pytest.mark.parametrize("fault", [Fault(429), Fault(500), Fault(cut=5), Fault(403), Fault(400)])
def test_a_filter_that_fails_holds_no_other_up(old, place, fault):
    rounds = Rounds(old, place, (ALL, OTHER), mode="simple", retries=1)
    old.add([made(0, now() - dt.timedelta(minutes=1)), made(1, now() - dt.timedelta(minutes=1), meter="disk")])
    old.faults = lambda asked: fault if asked.path.endswith("/cpu") else None
    assert {str(key) for key in rounds()} <= {"all", str(("all", "cpu"))}
    assert rounds.ids() == ["m00001"]
    old.faults = []
    rounds()
    assert rounds.ids() == ["m00000", "m00001"]


def test_one_round_does_not_promise_another_try_of_what_waiting_does_not_mend(place, caplog):
    with OldCeilometer([made(0, now() - dt.timedelta(minutes=1))], tokens={"t": None}) as old:
        assert Rounds(old, place)()
    assert "not tried again in this round" in caplog.text
    assert "next try in" not in caplog.text


def test_a_refused_sample_holds_nothing_up_and_is_counted_once(old, place):
    rounds = Rounds(old, place)
    old.add([made(0, now() - dt.timedelta(minutes=1)), made(1, now() - dt.timedelta(minutes=1), counter_volume=None)])
    rounds()
    assert rounds.ids() == ["m00000"]
    point = rounds.points()["all/cpu"]
    assert (point.rows, point.refused) == (1, 1)

"""A backend that does not answer."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft
from undercroft.conformance.datasources.asking import calls
from undercroft.conformance.limits import within
from undercroft.conformance.markers import clause
from undercroft.conformance.plugin import Target

INSTANCE: dict[str, Any] = {"uuid": "u", "vcpus": 1, "memory": 1, "disk": 1}
HOST: dict[str, Any] = {"uuid": "h", "hostname": "h.example.com"}


@contextlib.contextmanager
def nobody(target: Target, folder: pathlib.Path) -> Iterator[str]:
    """The URL of a backend that is not there: a port where nothing listens, or a folder where a file should be."""
    if target.host is None:
        (folder / "away").mkdir()
        yield f"{target.url.partition('://')[0]}:///{folder / 'away'}"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        scheme, _, rest = target.url.partition("://")
        place = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
        yield f"{scheme}://{rest.replace(place, f'127.0.0.1:{free.getsockname()[1]}', 1)}"


@pytest.fixture
def away(target: Target, tmp_path: pathlib.Path) -> Iterator[Any]:
    """A source whose backend is away."""
    with nobody(target, tmp_path) as url:
        source = undercroft.connect("datasources", url, query_max_retries=3, query_interval=0.05)
        yield source
        source.close()


@clause("S1", "S13")
def test_everything_ends_in_none_and_is_quick(away: Any, target: Target, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    served = [name for name, each in away.capabilities()["meters"].items() if each["kind"] != "inventory"]
    with calls(away) as made:
        assert away.statistic_aggregation(HOST if served[0].startswith("host") else INSTANCE, None, served[0]) is None
    # A file that cannot be opened is not tried again.
    assert len(made) == (3 if target.host else 1)
    assert any(each.levelno == logging.ERROR for each in caplog.records)
    with calls(away) as made:
        for meter in served:
            resource = HOST if meter.startswith("host") else INSTANCE
            for aggregate in ("mean", "min", "max", "count"):
                assert away.statistic_aggregation(resource, None, meter, aggregate=aggregate) is None
            assert away.statistic_series(resource, None, meter) == {}
            assert list(away.statistic_batch([resource], None, meter).values()) == [None]
            assert away.answers(meter) is None
            assert away.survey(meter) is None
            assert away.explain(resource, None, meter).value is None
    # The breaker answers: nothing more was asked.
    assert made == []
    within(time.monotonic() - began, 15)


@clause("S4", "S13")
def test_metrics_and_availability(away: Any) -> None:
    assert away.check_availability() == "not available"
    assert away.list_metrics() == set()
    assert [finding.level.name for finding in away.diagnose()] == ["ERROR"]


@clause("S13")
def test_availability_is_asked_beside_the_breaker(away: Any) -> None:
    away.list_metrics()
    with calls(away):
        away._ping = lambda: None
        assert away.check_availability() == "available"

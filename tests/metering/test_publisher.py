"""Our publisher of samples inside Ceilometer: what it took is stored once, also after an outage; what it does not take is told."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import pathlib
import time
import types
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import publisher_url, url_of
from undercroft.compat.ceilometer import EventPublisher, SamplePublisher
from undercroft.compat.publisher_url import Target
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.metering import Sample, SampleFilter

PATIENCE = 60
# Nothing listens there.
AWAY = "postgresql://nobody@127.0.0.1:1/none"


class Published:
    """A sample as Ceilometer has it."""

    def __init__(self, number: int, **more: Any) -> None:
        self.form = {
            "name": "cpu", "type": "cumulative", "unit": "ns", "volume": 2**60 + number, "user_id": "u", "user_name": "Ursula",
            "project_id": None, "project_name": None, "resource_id": "vm", "timestamp": "2026-05-01T10:00:00.5+00:00",
            "resource_metadata": {"host": "h", "seen": dt.date(2026, 5, 1)}, "source": "openstack", "id": f"m{number}",
            "monotonic_time": None, **more,
        }  # fmt: skip
        self.id = self.form["id"]

    def as_dict(self) -> dict[str, Any]:
        return self.form


def split(url: str, **own: object) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(publisher_url(url, **own))


@contextlib.contextmanager
def publisher(url: str, spool: pathlib.Path, **own: object) -> Iterator[SamplePublisher]:
    found = SamplePublisher(None, split(url, spool=spool, **own))
    try:
        yield found
    finally:
        found.close()


def drain(found: SamplePublisher) -> None:
    end = time.monotonic() + PATIENCE
    while found._forwarder.spool.total().items:
        assert time.monotonic() < end
        time.sleep(0.01)


def stored(opener: Opener) -> list[Sample]:
    return sorted(opener(init=False).get_samples(SampleFilter()), key=lambda sample: sample.message_id)


@pytest.mark.kind("metering")
def test_samples_reach_the_store(opener, tmp_path):
    with publisher(url_of(opener), tmp_path / "spool.db") as found:
        found.publish_samples([Published(0), Published(1, volume="2.5")])
        # Again, from a version that says more of a sample.
        found.publish_samples([Published(1, of_a_later_version=1)])
        found.publish_samples([])
        drain(found)
    first, second = stored(opener)
    assert (second.message_id, second.counter_volume) == ("m1", 2.5)
    assert first.counter_volume == 2**60
    assert first.timestamp == dt.datetime(2026, 5, 1, 10, 0, 0, 500_000)
    assert first.resource_metadata == {"user_name": "Ursula", "host": "h", "seen": "2026-05-01"}


@pytest.mark.kind("metering")
def test_samples_wait_for_a_store_that_is_away(opener, tmp_path, caplog):
    spool = tmp_path / "spool.db"
    with publisher(AWAY, spool) as found:
        for number in range(50):
            found.publish_samples([Published(number)])
        assert found._forwarder.spool.total().items == 50
        end = time.monotonic() + PATIENCE
        while "samples cannot be sent and wait in" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
    with publisher(url_of(opener), spool) as found:
        drain(found)
    assert [sample.message_id for sample in stored(opener)] == sorted(f"m{number}" for number in range(50))


@pytest.mark.kind("metering")
def test_a_sample_that_cannot_be_stored_does_not_keep_others_back(opener, tmp_path, caplog):
    bad: dict[str, dict[str, Any]] = {
        "m1": {"volume": float("nan")}, "m2": {"type": "sum"}, "m3": {"name": "x" * 300}, "m4": {"timestamp": "yesterday"},
        "m5": {"resource_metadata": {"a": "\ud800"}}, "m6": {"resource_id": None},
    }  # fmt: skip
    with publisher(url_of(opener), tmp_path / "spool.db") as found, caplog.at_level(logging.ERROR):
        found.publish_samples([Published(0), *(Published(int(name[1:]), **wrong) for name, wrong in bad.items()), Published(7)])
        drain(found)
    assert [sample.message_id for sample in stored(opener)] == ["m0", "m7"]
    told = [record.getMessage() for record in caplog.records if "is left out" in record.getMessage()]
    assert sorted(line.split("'")[1] for line in told) == sorted(bad)


def test_a_full_spool_is_told_to_ceilometer(tmp_path):
    with publisher(AWAY, tmp_path / "spool.db", spool_bytes=1_000) as found:
        found.publish_samples([Published(0)])
        with pytest.raises(Unavailable, match=r"^9 dropped: the spool .* holds \d+ of at most 1,000 bytes$"):
            found.publish_samples([Published(number) for number in range(1, 10)])


def test_the_spool_is_named_by_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = []
    for url in (AWAY, f"{AWAY}?busy_timeout=1", AWAY.replace("nobody@", "nobody:secret@"), AWAY.replace("none", "other")):
        found = SamplePublisher(None, split(url.partition("?")[0]))
        paths.append(found._forwarder.spool.path)
        found.close()
    first, second, third, fourth = paths
    assert first == second == third != fourth
    assert first.parent == tmp_path / "undercroft"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "needs the store's engine"),
        ("engine=nothing", "'nothing'"),
        ("engine=postgresql&pool_sise=3", "pool_sise"),
        ("engine=postgresql&spool_bytes=1GB", "spool_bytes='1GB' .* is not a number of bytes"),
        ("engine=postgresql&spool_bytes=0", "spool_bytes='0' .* is not a number of bytes"),
    ],
)
def test_a_wrong_url_is_told_when_the_publisher_is_loaded(tmp_path, query, problem):
    with pytest.raises(ConfigInvalid, match=problem):
        SamplePublisher(None, urllib.parse.urlsplit(f"undercroft://u:secret@127.0.0.1:1/none?spool={tmp_path}/spool.db&{query}"))


def test_an_unknown_option_is_told_with_those_of_the_publisher(tmp_path):
    with pytest.raises(ConfigInvalid, match="unknown option 'spol'") as caught:
        SamplePublisher(None, urllib.parse.urlsplit(f"undercroft://127.0.0.1:1/none?engine=postgresql&spol={tmp_path}/spool.db"))
    assert caught.value.__notes__ == ["the publisher itself takes spool and spool_bytes, the rest are options of the store"]


@pytest.mark.parametrize("port", ["http", "70000"])
def test_a_port_that_is_not_a_number_is_told_when_the_publisher_is_loaded(port):
    with pytest.raises(ConfigInvalid, match="the port in the URL of the publisher is not a number"):
        EventPublisher(None, urllib.parse.urlsplit(f"undercroft://u:secret@127.0.0.1:{port}/none?engine=postgresql"))


def test_a_spool_that_cannot_be_opened_is_told_when_the_publisher_is_loaded(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigInvalid, match="cannot be opened"):
        SamplePublisher(None, split(AWAY, spool=tmp_path / "file" / "spool.db"))


def test_a_publisher_is_for_one_of_events_and_samples(tmp_path):
    with publisher(AWAY, tmp_path / "spool.db") as found, pytest.raises(NotImplementedError, match="stores samples only"):
        found.publish_events([])
    events = EventPublisher.__new__(EventPublisher)
    with pytest.raises(NotImplementedError, match="stores events only"):
        events.publish_samples([types.SimpleNamespace()])


def test_options_of_the_store_stay_in_its_url():
    found = Target.of(split("postgresql://u:p%40@h:1/d?namespace=n", spool="/x y"), ("spool",))
    assert found.url == "postgresql://u:p%40@h:1/d?namespace=n"
    assert found.own == {"spool": "/x y"}

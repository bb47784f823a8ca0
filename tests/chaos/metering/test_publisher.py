"""Our publisher of samples inside Ceilometer keeps what an engine refuses for now, and sends it when the engine takes it (D11)."""

from __future__ import annotations

import contextlib
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos import refusals
from tests.conftest import publisher_url
from undercroft.compat.ceilometer import SamplePublisher
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import Unavailable

pytestmark = [pytest.mark.kind("metering"), pytest.mark.promise("D11"), pytest.mark.timeout(1800)]
PATIENCE = 120


class Published:
    """A sample as Ceilometer has it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": "cpu", "type": "cumulative", "unit": "ns", "volume": self.number, "user_id": None, "project_id": "p",
            "resource_id": "vm", "timestamp": "2026-05-01T10:00:00", "resource_metadata": {}, "source": "openstack",
            "id": f"m{self.number}",
        }  # fmt: skip


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_keeps_what_the_engine_refuses(any_opener: Opener, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    any_opener()
    spool = tmp_path / "spool.db"
    with refusals.prepared(any_opener) as ways:
        for number, (name, way) in enumerate(ways.items()):
            caplog.clear()
            before, refused = Published(2 * number), Published(2 * number + 1)
            with publisher(way.url, spool) as found:
                found.publish_samples([before])
                drain(found)
                # A disk that is full for the store may be full for the spool, which Ceilometer is told.
                with refusals.refusing(way), contextlib.suppress(Unavailable):
                    found.publish_samples([refused])
                    wait_for(lambda: "samples cannot be sent and wait in" in caplog.text)
                    assert found._forwarder.spool.total().items == 1, name
            # Some connections remember what a file was like; and a restart sends what waits.
            with publisher(way.url, spool) as found:
                drain(found)
                if "1 dropped: the spool" in caplog.text:
                    found.publish_samples([refused])
                    drain(found)
            assert "is left out" not in caplog.text, name
        assert any_opener(init=False).count_samples() == 2 * len(ways)


def drain(found: SamplePublisher) -> None:
    wait_for(lambda: not found._forwarder.spool.total().items)


@contextlib.contextmanager
def publisher(url: str, spool: Any) -> Iterator[SamplePublisher]:
    found = SamplePublisher(None, urllib.parse.urlsplit(publisher_url(url, spool=spool)))
    with contextlib.closing(found):
        yield found

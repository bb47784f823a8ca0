"""Sources of samples: our own metering service, and the stand-in of an old Ceilometer."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import undercroft
from tests.api.service import Service, serving
from tests.chaos.export.traffic import Samples
from tests.engines.run import free_ports
from tests.export.old_ceilometer import OldCeilometer


class Source(NamedTuple):
    """A running source.

    Attributes:
        endpoint: its URL without `/v2`.
        add: gives it samples.
    """

    endpoint: str
    add: Callable[[Samples], object]


@contextlib.contextmanager
def ours(folder: pathlib.Path) -> Iterator[Source]:
    """Our own service, on a store that samples are written to beside it."""
    url = f"sqlite:///{folder}/source.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.init()
        with serving(None, metering=url) as service:
            yield Source(service.url + "/metering", store.record_metering_data_batch)


@contextlib.contextmanager
def old(_: pathlib.Path) -> Iterator[Source]:
    """The stand-in."""
    with OldCeilometer() as found:
        yield Source(found.url, found.add)


SOURCES = {"ours": ours, "old": old}


class Restarted:
    """Our own service, which comes back on its port after each kill."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._url = f"sqlite:///{folder}/source.db"
        self._port = free_ports(1)[0]
        self._store = undercroft.connect("metering", self._url)
        self._store.init()
        self._service = self._start()
        self._service.await_alive()
        self.source = Source(self._service.url + "/metering", self._store.record_metering_data_batch)

    def _start(self) -> Service:
        return Service(None, metering=self._url, port=self._port)

    def kill(self) -> None:
        """kill -9, and a new start, which is not waited for."""
        self._service.close()
        self._service = self._start()

    def close(self) -> None:
        """Leave nothing behind."""
        self._service.close()
        self._store.close()

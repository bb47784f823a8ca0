"""Our store in a process of its own. Takes orders, see `bench.harness`."""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import undercroft
from bench.harness import obey, own_stdout
from bench.metering import floor, sizes, workload
from undercroft.metering import SampleFilter


class Worker:
    """Carries out orders."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = undercroft.connect("metering", url)
        self._store.upgrade()
        self._stored = 0

    def record(self, count: int, call: int, *, time_based: bool = True) -> dict[str, float]:
        """Record the next samples; making them is not counted."""
        seconds = 0.0
        for first in range(self._stored, self._stored + count, call):
            numbers = range(first, min(first + call, self._stored + count))
            batch = [workload.sample(number, time_based=time_based) for number in numbers]
            start = time.perf_counter()
            self._store.record_metering_data_batch(batch)
            seconds += time.perf_counter() - start
        self._stored += count
        return {"seconds": seconds}

    def maintain(self) -> dict[str, float]:
        """Do what is put off while writing."""
        start = time.perf_counter()
        samples = self._store.maintain()
        return {"seconds": time.perf_counter() - start, "samples": samples}

    def floor(self, count: int, call: int) -> dict[str, float]:
        """Write the first samples again, by the engine's own client and by us."""
        return floor.compare(self._url, count, call)

    def bytes(self) -> dict[str, Any]:
        """What a sample takes, by column and index."""
        scheme = urllib.parse.urlsplit(self._url).scheme.partition("+")[0]
        return sizes.ENGINES[scheme](self._url, self._stored)

    def ask(self, times: int, hours: int) -> dict[str, float]:
        """Ask each question several times, each time about something else; the median in seconds.

        Args:
            times: how often.
            hours: the first hours of the first day, which statistics are asked about.
        """
        return {name: _median(ask, times) for name, ask in self._questions(hours).items()}

    def _questions(self, hours: int) -> dict[str, Callable[[int], int]]:
        store = self._store
        begin, end = workload.START, workload.START + dt.timedelta(hours=hours)
        meters = [meter.name for meter in workload.METERS]

        def chosen(choice: int, **more: Any) -> SampleFilter:
            return SampleFilter(meter=meters[choice % len(meters)], start_timestamp=begin, end_timestamp=end, **more)

        def resource(choice: int) -> str:
            return workload.resource(choice * 37 % workload.RESOURCES)

        def per_resource(choice: int) -> int:
            return _length(store.get_meter_statistics(chosen(choice), groupby=["resource_id"]))

        def of_one(choice: int) -> int:
            return _length(store.get_meter_statistics(chosen(choice, resource=resource(choice))))

        def by_hour(choice: int) -> int:
            return _length(store.get_meter_statistics(chosen(choice, resource=resource(choice)), period=3_600))

        def newest(choice: int) -> int:
            return _length(store.get_samples(SampleFilter(resource=resource(choice)), limit=100))

        def newest_of_meter(choice: int) -> int:
            return _length(store.get_samples(SampleFilter(meter=meters[choice % len(meters)]), limit=100))

        def one_id(choice: int) -> int:
            return _length(store.get_samples(SampleFilter(message_id=workload.message_id(choice * 7_907 % self._stored))))

        def meters_of(choice: int) -> int:
            return _length(store.get_meters(resource=resource(choice)))

        def resources(choice: int) -> int:
            return _length(store.get_resources(project=workload.project(choice * 37 % workload.RESOURCES), limit=100))

        return {
            f"statistics of a meter, {hours} hours, per resource": per_resource,
            f"statistics of a meter and a resource, {hours} hours": of_one,
            "the same by hour": by_hour,
            "newest 100 samples of a resource": newest,
            "newest 100 samples of a meter": newest_of_meter,
            "one message id": one_id,
            "meters of a resource": meters_of,
            "resources of a project": resources,
        }


def _length(found: Any) -> int:
    return sum(1 for _ in found)


def _median(ask: Callable[[int], int], times: int) -> float:
    taken = []
    for number in range(times + 1):
        start = time.perf_counter()
        found = ask(number + 1)
        taken.append(time.perf_counter() - start)
        assert found
    # The first one makes its statement.
    return statistics.median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    arguments = parser.parse_args()
    answers = own_stdout()
    obey(Worker(arguments.url), answers)


if __name__ == "__main__":
    main()

"""Ceilometer's own sample pipeline, fed with what its polling agents send.

    ceilometer_samples.py PUBLISHER FIRST COUNT FOLDER [START STEP]

START is the timestamp of the first notification's samples, and STEP the seconds to that of the next one.

Each notification has 1 to 5 samples. Prints `begun`, the number of each notification whose samples Ceilometer did not throw away,
and `done`, and ends when its stdin does, be it before all are delivered. Ceilometer logs what it threw away: after an error of a
publisher it goes on with the next one, and a notification of samples is not delivered again.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import logging
import pathlib
import sys
import threading
import time
from typing import Any

from ceilometer import sample
from ceilometer.pipeline import sample as samples
from ceilometer.publisher import utils
from ceilometer.telemetry.notifications import TelemetryIpc

from tests.hosts.inside.pipelines import prepared

THREADS = 4
# Seconds between two notifications of a thread: a restart of a server lasts for some of them.
PACE = 0.01
START = dt.datetime(2026, 5, 1)
THROWN_AWAY = ("Continue after error from publisher", "Failed to dispatch message")


def size(number: int) -> int:
    """How many samples the notification of that number has."""
    return number % 5 + 1


def message_id(number: int, place: int) -> str:
    return f"{number:08x}-0001-11f1-8001-{place:012x}"


def notification(number: int, start: dt.datetime = START, step: float = 1) -> dict[str, Any]:
    found = [
        sample.Sample(
            name=f"meter.{place}", type="cumulative", unit="ns", volume=2**60 + number, user_id="u1", project_id="p1",
            resource_id=f"vm-{number % 7}", timestamp=(start + dt.timedelta(seconds=number * step)).isoformat(),
            resource_metadata={"number": number}, id=message_id(number, place),
        )
        for place in range(size(number))
    ]  # fmt: skip
    return {"payload": {"samples": [utils.meter_message_from_counter(each, "secret") for each in found]}}


class Watch(logging.Handler):
    """Says of each thread whether Ceilometer threw something away."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if any(words in str(record.msg) for words in THROWN_AWAY):
            self.seen.thrown = True


def main(publisher: str, first: int, count: int, folder: pathlib.Path, start: dt.datetime = START, step: float = 1) -> None:
    conf = prepared(folder, publisher, "meters", "pipeline_cfg_file")
    (endpoint,) = [each for each in samples.SamplePipelineManager(conf).get_main_endpoints() if isinstance(each, TelemetryIpc)]
    watch = Watch()
    logging.getLogger().addHandler(watch)
    print("begun", flush=True)

    stopping = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        stopping.set()

    listener = threading.Thread(target=listen)
    listener.start()

    def deliver(number: int) -> None:
        if stopping.is_set():
            return
        watch.seen.thrown = False
        endpoint.sample([notification(number, start, step)])
        if not watch.seen.thrown:
            # One write, so that threads do not mix their lines.
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
        time.sleep(PACE)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(deliver, range(first, first + count)))
    print("done", flush=True)
    listener.join()


if __name__ == "__main__":
    times = (dt.datetime.fromisoformat(sys.argv[5]), float(sys.argv[6])) if sys.argv[5:] else ()
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]), *times)

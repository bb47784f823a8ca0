"""Ceilometer's own `http` publisher of samples, inside its sink: ceilometer_publisher.py PUBLISHER COUNT LOG."""

from __future__ import annotations

import datetime as dt
import sys

from ceilometer import sample, service
from ceilometer.pipeline import sample as pipeline
from ceilometer.publisher import http
from oslo_utils import netutils


def main(publisher: str, count: int, log: str) -> None:
    conf = service.prepare_service(["ceilometer", "--log-file", log], [])
    sink = pipeline.SampleSink.__new__(pipeline.SampleSink)
    sink.publishers = [http.HttpPublisher(conf, netutils.urlsplit(publisher))]
    for number in range(count):
        one = sample.Sample(
            name="cpu", type="cumulative", unit="ns", volume=2**63 + number, user_id="u", project_id="p", resource_id="vm é",
            timestamp=dt.datetime(2026, 1, 1, 0, number).isoformat(), resource_metadata={"say": 'a "quote" and \\ one line\nmore'},
        )  # fmt: skip
        sink.publish_samples([one])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

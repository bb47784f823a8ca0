"""Prometheus, by remote write: the series of node exporters and of Ceilometer's exporter.

The message and its packing are small enough to be written here: protobuf's fields, and snappy's blocks of literals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.conformance.datasources.feeding import Series

PROCESSORS = 2
TOTAL = 64 * 2**30
# The name of each meter's metric, as the options of the source's URL have it; what is stored is the value times the second.
METRICS: Mapping[str, tuple[str, float]] = {
    "host_outlet_temp": ("ipmi_outlet_celsius", 1.0),
    "host_inlet_temp": ("ipmi_inlet_celsius", 1.0),
    "host_airflow": ("ipmi_airflow_cfm", 1.0),
    "host_power": ("ipmi_power_kilowatts", 0.001),
    "instance_cpu_usage": ("ceilometer_cpu", 1.0),
    "instance_ram_usage": ("ceilometer_memory_usage", 1.0),
    "instance_ram_allocated": ("ceilometer_memory", 1.0),
    "instance_l3_cache_usage": ("ceilometer_cpu_l3_cache", 1.0),
    "instance_root_disk_size": ("ceilometer_disk_root_size", 1.0),
}
# What a URL adds so that all meters are served.
_AT_ONCE = 2_000
_LITERAL = 65_536

Written = tuple[dict[str, str], list[tuple[int, float]]]


class Feeder(OverHttp):
    """Writes series."""

    def feed(self, series: Sequence[Series]) -> None:
        """Write the samples; they can be read when the server has answered."""
        written = [each for one in series for each in _written(one)]
        headers = {
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0",
        }  # fmt: skip
        for start in range(0, len(written), _AT_ONCE):
            body = _packed(b"".join(_field(1, _series(*each)) for each in written[start : start + _AT_ONCE]))
            self.client.post("/api/v1/write", content=body, headers=headers).raise_for_status()


def _written(series: Series) -> Iterator[Written]:
    """The series that an exporter would offer."""
    if series.meter == "host_cpu_usage":
        yield from _idle(series)
        return
    label = "fqdn" if series.meter.startswith("host_") else "resource"
    if series.meter == "host_ram_usage":
        labels = {label: series.resource, "job": "node"}
        yield {"__name__": "node_memory_MemTotal_bytes", **labels}, [(moment, TOTAL) for moment, _ in series.points]
        used = [(moment, TOTAL - value * 1024) for moment, value in series.points]
        yield {"__name__": "node_memory_MemAvailable_bytes", **labels}, used
        return
    name, factor = METRICS[series.meter]
    yield (
        {"__name__": name, label: series.resource, "job": "ceilometer"},
        [(moment, value * factor) for moment, value in series.points],
    )


def _idle(series: Series) -> Iterator[Written]:
    """Counters of idle seconds whose rate up to each sample is what the sample says; the first one begins them.

    The processors differ: one is busier than the mean by what the other is less.
    """
    labels = {"__name__": "node_cpu_seconds_total", "mode": "idle", "fqdn": series.resource, "job": "node"}
    for number in range(PROCESSORS):
        total, before = 100_000.0, series.points[0][0]
        points = []
        for moment, busy in series.points:
            lean = min(busy, 100 - busy, 10.0) * (1 if number else -1)
            total += (100 - busy + lean) / 100 * (moment - before) / 1_000_000
            points.append((moment, total))
            before = moment
        yield {**labels, "cpu": str(number)}, points


# -- the message ---------------------------------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _series(labels: Mapping[str, str], points: Iterable[tuple[int, float]]) -> bytes:
    named = (_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items()))
    samples = (
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(moment // 1_000)) for moment, value in sorted(points)
    )
    return b"".join((*named, *samples))


def _packed(data: bytes) -> bytes:
    parts = [_varint(len(data))]
    for start in range(0, len(data), _LITERAL):
        part = data[start : start + _LITERAL]
        parts += [b"\xf4", (len(part) - 1).to_bytes(2, "little"), part]
    return b"".join(parts)

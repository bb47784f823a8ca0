"""The readings as samples of two meters, as Ceilometer's compute agent makes them.

`cpu_util` (gauge, %) is the CPU use of each reading, every five minutes. `cpu` (cumulative, ns) is the CPU time that all vCPUs of a
machine have used since the day began; it is read at each full hour.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from undercroft.demo.prices import Flavor, Prices
from undercroft.demo.traces import DAY, HOURS, READINGS_AN_HOUR, Machine
from undercroft.metering import Aggregate, Sample, SampleFilter, Statistics, Store

UTIL, CPU = "cpu_util", "cpu"
SOURCE = "planetlab"
PROJECTS = 20
BEGIN = DAY.replace(tzinfo=None)
END = BEGIN + dt.timedelta(hours=HOURS)
# Between two readings.
STEP = dt.timedelta(hours=1) / READINGS_AN_HOUR
# One percent of one vCPU, from one reading to the next, in nanoseconds.
_PERCENT = STEP // dt.timedelta(microseconds=1) * 1_000 // 100
# From the epoch of UUIDs of version 1, in units of 100 ns.
_UUID_EPOCH = (BEGIN - dt.datetime(1582, 10, 15)) // dt.timedelta(microseconds=1) * 10  # noqa: DTZ001 - as models are


def project_of(machine: Machine) -> str:
    """Machine n belongs to project n mod 20."""
    return f"project-{machine.number % PROJECTS:02}"


def flavor_of(machine: Machine, prices: Prices) -> Flavor:
    """Machine n has flavor n mod 3."""
    return prices.flavor[machine.number % len(prices.flavor)]


def batches(machines: Sequence[Machine], prices: Prices) -> Iterator[list[dict[str, Any]]]:
    """The samples of each hour, as `record_metering_data_batch` takes them; the last batch is the end of the day."""
    about = [_about(machine, flavor_of(machine, prices)) for machine in machines]
    used = [0] * len(machines)
    for hour in range(HOURS + 1):
        first = hour * READINGS_AN_HOUR
        batch = [_sample(about[n], CPU, "cumulative", "ns", used[n], first, n) for n in range(len(machines))]
        for reading in range(first, first + READINGS_AN_HOUR) if hour < HOURS else ():
            for n, machine in enumerate(machines):
                percent = machine.readings[reading]
                batch.append(_sample(about[n], UTIL, "gauge", "%", percent, reading, n))
                used[n] += percent * about[n]["resource_metadata"]["vcpus"] * _PERCENT
        yield batch


def _about(machine: Machine, flavor: Flavor) -> dict[str, Any]:
    """What all samples of a machine say."""
    metadata = {"display_name": machine.name, "vcpus": flavor.vcpus, "flavor": {"id": flavor.id, "name": flavor.name}}
    return {
        "user_id": None,
        "project_id": project_of(machine),
        "resource_id": machine.name,
        "resource_metadata": metadata,
        "source": SOURCE,
        "message_signature": None,
    }


def _sample(about: dict[str, Any], meter: str, kind: str, unit: str, volume: int, reading: int, number: int) -> dict[str, Any]:
    # Ids of version 1, as Ceilometer's are, but the same in every run: storing the day twice changes nothing.
    ticks = _UUID_EPOCH + reading * (STEP // dt.timedelta(microseconds=1) * 10) + 2 * number + (meter == CPU)
    message_id = f"{ticks & 0xFFFFFFFF:08x}-{ticks >> 32 & 0xFFFF:04x}-1{ticks >> 48:03x}-8000-{number:012x}"
    return {
        **about,
        "counter_name": meter,
        "counter_type": kind,
        "counter_unit": unit,
        "counter_volume": volume,
        "timestamp": BEGIN + reading * STEP,
        "message_id": message_id,
    }


def counters(store: Store) -> Iterable[Sample]:
    """The stored samples of `cpu`, the oldest first."""
    day = [
        {"=": {"meter": CPU}},
        {"=": {"source": SOURCE}},
        {">=": {"timestamp": BEGIN.isoformat()}},
        {"<=": {"timestamp": END.isoformat()}},
    ]
    return store.query_samples({"and": day}, [{"timestamp": "asc"}])


class Use(NamedTuple):
    """CPU use of all machines, as the store computes it.

    Attributes:
        hours: statistics of each hour.
        readings: the mean of each reading.
    """

    hours: list[Statistics]
    readings: list[Statistics]


def use(store: Store) -> Use:
    """Ask the store for the CPU use of the day."""
    day = SampleFilter(meter=UTIL, source=SOURCE, start_timestamp=BEGIN, end_timestamp=END)
    wanted = [*(Aggregate(name) for name in ("avg", "stddev", "max", "count")), Aggregate("cardinality", "resource_id")]
    return Use(
        list(store.get_meter_statistics(day, 3_600, None, wanted)),
        list(store.get_meter_statistics(day, STEP.total_seconds(), None, wanted[:1])),
    )


def count(store: Store) -> int:
    """How many samples of the two meters the store has."""
    return sum(
        store.count_samples(
            SampleFilter(meter=meter, source=SOURCE, start_timestamp=BEGIN, end_timestamp=END, end_timestamp_op="le")
        )
        for meter in (UTIL, CPU)
    )

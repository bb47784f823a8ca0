"""The workload: 1,000 resources with 5 meters each, polled every 5 minutes, in the order of time, ids as Ceilometer makes them.

It imports nothing of ours.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

START = dt.datetime(2026, 1, 1)
RESOURCES, PROJECTS, USERS, HOSTS = 1_000, 50, 200, 60
PERIOD = dt.timedelta(minutes=5)
POLLS = 288
# 100 ns from the first day of UUIDs to `START`.
_ZERO = int((START - dt.datetime(1582, 10, 15)) / dt.timedelta(microseconds=1)) * 10
_NODE = 0x0242AC110002


class Meter(NamedTuple):
    """A meter of every resource."""

    name: str
    type: str
    unit: str
    integer: bool


METERS = (
    Meter("cpu", "cumulative", "ns", integer=True),
    Meter("cpu_util", "gauge", "%", integer=False),
    Meter("memory.usage", "gauge", "MB", integer=True),
    Meter("disk.device.read.bytes", "cumulative", "B", integer=True),
    Meter("network.incoming.bytes.rate", "gauge", "B/s", integer=False),
)
A_POLL = RESOURCES * len(METERS)
A_DAY = A_POLL * POLLS
# The meter that is asked about.
ASKED = "cpu_util"


def resource(number: int) -> str:
    return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128, version=4))


def project(machine: int) -> str:
    """Of a resource."""
    return f"{machine * 31 % PROJECTS:032x}"


_RESOURCES = tuple(resource(number) for number in range(RESOURCES))
_METADATA = tuple(
    {
        "display_name": f"vm-{number}",
        "host": f"compute-{number * 17 % HOSTS:03}",
        "flavor": {"name": ("m1.small", "m1.large")[number % 2], "vcpus": 1 << number % 4, "ram": 2_048 << number % 3},
        "instance_type": ("m1.small", "m1.large")[number % 2],
        "status": "active",
    }
    for number in range(RESOURCES)
)


def timestamp(number: int) -> dt.datetime:
    """When the sample of that number was taken: a poll goes through the resources in 5 seconds."""
    poll, place = divmod(number, A_POLL)
    return START + poll * PERIOD + dt.timedelta(milliseconds=place // len(METERS) * 5)


def volume(number: int) -> int | float:
    """Integers stay so; those of `cpu` are above 2^53."""
    poll, place = divmod(number, A_POLL)
    machine, kind = divmod(place, len(METERS))
    noise = (number * 2_654_435_761 ^ machine * 40_503) % 2**20
    match kind:
        case 0:
            return 2**55 + machine * 10**15 + poll * 150_000_000_000 + noise
        case 1:
            return noise / 2**20 * 100
        case 2:
            return 256 + noise % 4_096
        case 3:
            return machine * 10**9 + poll * 7_340_032 + noise
        case _:
            return noise * 1.37


def message_id(number: int, *, time_based: bool = True) -> str:
    """As Ceilometer's publisher makes it, with the time of the sample; or a random one."""
    if not time_based:
        return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))
    poll, place = divmod(number, A_POLL)
    ticks = _ZERO + poll * 3_000_000_000 + place * 10_000
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48, 0x91, 0x3C, _NODE)
    return str(uuid.UUID(fields=fields, version=1))


def sample(number: int, *, time_based: bool = True) -> dict[str, Any]:
    """The sample of that number, as a store takes it."""
    machine, kind = divmod(number % A_POLL, len(METERS))
    meter = METERS[kind]
    return {
        "counter_name": meter.name,
        "counter_type": meter.type,
        "counter_unit": meter.unit,
        "counter_volume": volume(number),
        "user_id": f"{machine % USERS:032x}",
        "project_id": project(machine),
        "resource_id": _RESOURCES[machine],
        "timestamp": timestamp(number),
        "resource_metadata": _METADATA[machine],
        "source": "openstack",
        "message_id": message_id(number, time_based=time_based),
        "message_signature": None,
    }


def published(number: int) -> dict[str, Any]:
    """The same, as Ceilometer's publisher sends it."""
    found = sample(number)
    names = {"counter_name": "name", "counter_type": "type", "counter_unit": "unit", "counter_volume": "volume", "message_id": "id"}
    del found["message_signature"]
    more = {"timestamp": found["timestamp"].isoformat(), "user_name": None, "project_name": None, "monotonic_time": None}
    return {names.get(name, name): value for name, value in found.items()} | more


def numbers(meter: str, machine: int, polls: int = POLLS) -> Iterator[int]:
    """Those of the samples of one meter of one resource."""
    kind = [each.name for each in METERS].index(meter)
    return (poll * A_POLL + machine * len(METERS) + kind for poll in range(polls))


def check(found: dict[str, dict[str, float]], polls: int, name: str) -> None:
    """Compare the statistics per resource that `name` gave for the first polls with plain arithmetic.

    Raises:
        SystemExit: they differ.
    """
    for machine in range(RESOURCES):
        wanted, answer = expected(ASKED, machine, polls), found.get(resource(machine), {})
        if not all(math.isclose(value, answer.get(key, math.nan), rel_tol=1e-12) for key, value in wanted.items()):
            raise SystemExit(f"{name}: resource {machine}: {answer} is not {wanted}")


def expected(meter: str, machine: int, polls: int = POLLS) -> dict[str, float]:
    """Plain arithmetic: what the statistics of one meter of one resource are."""
    found = [volume(number) for number in numbers(meter, machine, polls)]
    total = math.fsum(found)
    return {"count": len(found), "min": min(found), "max": max(found), "sum": total, "avg": total / len(found)}

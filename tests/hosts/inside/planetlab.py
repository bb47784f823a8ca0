"""A cluster of hosts with machines of the PlanetLab day: its inventory, and two hours of what was measured on it.

CPU use is as measured, five minutes a reading. Everything else follows from it:

    resident memory    of an instance: 20 % of its memory, and 0.6 % more for each percent of CPU
    L3 cache           of an instance: 10 MB, and 100 kB more for each percent of CPU; within the last 100 s a fifth of that on the
                       first instance, and five times as much on the second, which is on the same host
    CPU and memory     of a host: those of its instances
    outlet, inlet      25 and 20 degrees Celsius, and 0.4 and 0.2 more for each percent of the host's CPU
    air flow           300 CFM, and 4 more for each percent
    power              150 W, and 6 more for each percent
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from undercroft.conformance.datasources.feeding import Series
from undercroft.demo import traces

STEP, SECONDS = 60, 7_200
# The first reading that is used: 14:00, when the machines differ most.
FIRST = 14 * 12
# Unequal, so that there is something to balance: how many instances each host has.
PLACES = (9, 8, 8, 6, 5, 4, 4, 3, 2, 1)
HOST_VCPUS, HOST_MEMORY, HOST_DISK = 16, 65_536, 1_000
_BRIEF = 100
# Odd: the first digits of uuids are as even as those of random ones, and the same in each run.
_SPREAD = 0x9E3779B1


class Instance(NamedTuple):
    """A virtual machine."""

    uuid: str
    host: int
    vcpus: int
    memory: int
    disk: int
    priority: int
    readings: tuple[int, ...]


class Measured(NamedTuple):
    """A series: (seconds before the end, value in the meter's unit), the oldest first; CPU of instances in nanoseconds."""

    meter: str
    resource: str
    points: list[tuple[int, float]]
    vcpus: int


class Cluster:
    """Hosts and their instances.

    Args:
        run: a part of all names and uuids, so that they differ from those of other runs.
        places: how many instances each host has.
    """

    def __init__(self, run: str, places: Sequence[int] = PLACES) -> None:
        self._run = run
        self.hosts = [f"compute-{number}-{run}.example.org" for number in range(len(places))]
        on = [host for host, count in enumerate(places) for _ in range(count)]
        machines = traces.machines()
        self.instances = [
            Instance(
                f"{number * _SPREAD % 2**32:08x}-0000-4000-8000-{run}{number:04}", on[number], 1 + number % 4,
                1_024 * (1 + number % 5), 10 + number % 7, number % 10, machine.readings[FIRST : FIRST + SECONDS // 300 + 1],
            )
            for number, machine in enumerate(machines[:: len(machines) // len(on)][: len(on)])
        ]  # fmt: skip

    def host_uuid(self, number: int) -> str:
        """Nova's id of a host."""
        return f"{self._run}-0000-4000-9000-{number:012}"

    def measured(self) -> list[Measured]:
        """All series."""
        found: list[Measured] = []
        moments = range(SECONDS, -1, -STEP)
        cpu = [[0.0] * len(moments) for _ in self.hosts]
        memory = [[0.0] * len(moments) for _ in self.hosts]
        for number, instance in enumerate(self.instances):
            busy = [float(instance.readings[(SECONDS - back) // 300]) for back in moments]
            resident = [instance.memory * (20 + 0.6 * each) / 100 for each in busy]
            cache = [(10 + each / 10) * 1e6 * _shaken(number, back) for back, each in zip(moments, busy, strict=True)]
            total, spent = 0.0, []
            for place, each in enumerate(busy):
                total += each / 100 * instance.vcpus * STEP * 1e9 if place else 0.0
                spent.append(total)
            for meter, values in (
                ("instance_cpu_usage", spent), ("instance_ram_usage", resident), ("instance_l3_cache_usage", cache),
                ("instance_ram_allocated", [float(instance.memory)] * len(busy)),
                ("instance_root_disk_size", [float(instance.disk)] * len(busy)),
            ):  # fmt: skip
                found.append(Measured(meter, instance.uuid, list(zip(moments, values, strict=True)), instance.vcpus))
            for place, (each, used) in enumerate(zip(busy, resident, strict=True)):
                cpu[instance.host][place] += each * instance.vcpus / HOST_VCPUS
                memory[instance.host][place] += used * 1_024
        for name, busy, used_memory in zip(self.hosts, cpu, memory, strict=True):
            for meter, values in (
                ("host_cpu_usage", busy), ("host_ram_usage", used_memory), ("host_outlet_temp", [25 + 0.4 * each for each in busy]),
                ("host_inlet_temp", [20 + 0.2 * each for each in busy]), ("host_airflow", [300 + 4 * each for each in busy]),
                ("host_power", [150 + 6 * each for each in busy]),
            ):  # fmt: skip
                found.append(Measured(meter, name, list(zip(moments, values, strict=True)), HOST_VCPUS))
        return found

    def series(self, moment: int) -> list[Series]:
        """All series for a feeder, of which the last sample is at `moment`, in seconds since 1970."""
        micros = moment * 1_000_000
        return [
            Series(each.meter, each.resource, [(micros - back * 1_000_000, value) for back, value in each.points], each.vcpus)
            for each in self.measured()
        ]


def _shaken(number: int, back: int) -> float:
    if back >= _BRIEF:
        return 1.0
    return {0: 0.2, 1: 5.0}.get(number, 1.0)

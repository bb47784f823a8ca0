"""The meters: what each one measures, of which kind of resource, in which unit, and within which bounds.

`METERS` is the one table of units and bounds. A driver says in a `Metric` how its backend stores a meter; the base class makes the
meter's value of what is stored, so that conversions and inversions are written once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

COMPUTE_NODE, INSTANCE, BARE_METAL, STORAGE = "compute_node", "instance", "bare_metal", "storage"
RESOURCE_TYPES = (COMPUTE_NODE, INSTANCE, BARE_METAL, STORAGE)
MEAN, MIN, MAX, COUNT = "mean", "min", "max", "count"
AGGREGATES = (MEAN, MIN, MAX, COUNT)


@dataclasses.dataclass(frozen=True)
class Meter:
    """A meter of the contract.

    Attributes:
        name: the key of METRIC_MAP.
        of: the type of its resources, `compute_node` or `instance`.
        unit: of its values.
        does: what it measures, as a phrase for help.
        least, most: values beyond are cut to these; None for no bound.
    """

    name: str
    of: str
    unit: str
    does: str
    least: float | None = None
    most: float | None = None


def _host(name: str, unit: str, does: str, least: float | None = None, most: float | None = None) -> Meter:
    return Meter(f"host_{name}", COMPUTE_NODE, unit, does, least, most)


def _instance(name: str, unit: str, does: str, least: float | None = None, most: float | None = None) -> Meter:
    return Meter(f"instance_{name}", INSTANCE, unit, does, least, most)


METERS: Mapping[str, Meter] = {
    meter.name: meter
    for meter in (
        _host("cpu_usage", "%", "CPU use of all processors of a host", 0.0, 100.0),
        _host("ram_usage", "KiB", "memory in use of a host"),
        _host("outlet_temp", "°C", "temperature of the air that leaves a host"),
        _host("inlet_temp", "°C", "temperature of the air that enters a host"),
        _host("airflow", "CFM", "air flow through a host"),
        _host("power", "W", "power that a host draws"),
        _instance("cpu_usage", "%", "CPU use of an instance's own vCPUs", 0.0, 100.0),
        _instance("ram_usage", "MB", "resident memory of an instance"),
        _instance("ram_allocated", "MB", "memory of an instance's flavor"),
        _instance("l3_cache_usage", "B", "L3 cache in use of an instance"),
        _instance("root_disk_size", "GB", "size of an instance's root disk"),
    )
}


@dataclasses.dataclass(frozen=True)
class Metric:
    """How a backend stores a meter.

    Attributes:
        name: the backend's name of it, the value in METRIC_MAP.
        kind: `gauge`, a level; `cumulative`, a count that only grows, in nanoseconds of CPU time; `inventory`, no metric at all:
            the attribute `name` (`instance.memory`) of the resource that was asked about.
        scale: what is stored, times this, is in the meter's unit. Not for `cumulative`.
        complement: the stored level is what is left of a whole: this number, or another metric of the backend by its name.
            The base class swaps min and max, and takes the answer from the number; where it is a name, the driver does so.
        per_vcpu: what is stored is per instance, and the meter per vCPU of it; `cumulative` always is.
    """

    name: str
    kind: Literal["gauge", "cumulative", "inventory"] = "gauge"
    scale: float = 1.0
    complement: float | str | None = None
    per_vcpu: bool = False


# As Ceilometer names its meters, and Gnocchi stores them. The IPMI agent's air flow is a tenth of the true one.
CEILOMETER: Mapping[str, Metric] = {
    "host_cpu_usage": Metric("compute.node.cpu.percent"),
    "host_ram_usage": Metric("hardware.memory.used"),
    "host_outlet_temp": Metric("hardware.ipmi.node.outlet_temperature"),
    "host_inlet_temp": Metric("hardware.ipmi.node.temperature"),
    "host_airflow": Metric("hardware.ipmi.node.airflow", scale=10.0),
    "host_power": Metric("hardware.ipmi.node.power"),
    "instance_cpu_usage": Metric("cpu", "cumulative"),
    "instance_ram_usage": Metric("memory.resident"),
    "instance_ram_allocated": Metric("memory"),
    "instance_l3_cache_usage": Metric("cpu_l3_cache"),
    "instance_root_disk_size": Metric("disk.root.size"),
}

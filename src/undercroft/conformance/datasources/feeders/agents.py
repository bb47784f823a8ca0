"""Samples as Ceilometer's agents take them: their names, units, types and resource ids."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

from undercroft.conformance.datasources.feeding import Series
from undercroft.core import time

# (name, type, unit, what the agent's value is times this).
NAMES: dict[str, tuple[str, str, str, float]] = {
    "host_cpu_usage": ("compute.node.cpu.percent", "gauge", "%", 1.0),
    "host_ram_usage": ("hardware.memory.used", "gauge", "KB", 1.0),
    "host_outlet_temp": ("hardware.ipmi.node.outlet_temperature", "gauge", "C", 1.0),
    "host_inlet_temp": ("hardware.ipmi.node.temperature", "gauge", "C", 1.0),
    "host_airflow": ("hardware.ipmi.node.airflow", "gauge", "CFM", 0.1),
    "host_power": ("hardware.ipmi.node.power", "gauge", "W", 1.0),
    "instance_cpu_usage": ("cpu", "cumulative", "ns", 1.0),
    "instance_ram_usage": ("memory.resident", "gauge", "MB", 1.0),
    "instance_ram_allocated": ("memory", "gauge", "MB", 1.0),
    "instance_l3_cache_usage": ("cpu_l3_cache", "gauge", "B", 1.0),
    "instance_root_disk_size": ("disk.root.size", "gauge", "GB", 1.0),
}


def resource_id(series: Series) -> str:
    """The id that an agent gives the resource."""
    return f"{series.resource}_{series.resource}" if series.meter.startswith("host_") else series.resource


def samples(series: Series) -> Iterator[dict[str, Any]]:
    """Samples in the form of the metering store."""
    name, kind, unit, factor = NAMES[series.meter]
    for moment, value in series.points:
        yield {
            "counter_name": name, "counter_type": kind, "counter_unit": unit, "counter_volume": value * factor,
            "user_id": "nova", "project_id": "service", "resource_id": resource_id(series), "timestamp": _moment(moment),
            "resource_metadata": {}, "source": "openstack", "message_id": str(uuid.uuid4()), "message_signature": None,
        }  # fmt: skip


def _moment(micros: int) -> dt.datetime:
    return time.from_micros(micros).replace(tzinfo=None)

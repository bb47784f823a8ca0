"""The strategies of Watcher that read meters, and which (read in python-watcher 17.0.0)."""

from __future__ import annotations

from collections.abc import Mapping

STRATEGIES: Mapping[str, tuple[str, ...]] = {
    "basic": ("host_cpu_usage", "instance_cpu_usage"),
    "noisy_neighbor": ("instance_l3_cache_usage",),
    "outlet_temperature": ("host_outlet_temp",),
    "uniform_airflow": ("host_airflow", "host_inlet_temp", "host_power"),
    "vm_workload_consolidation": (
        "instance_ram_allocated", "instance_cpu_usage", "instance_ram_usage", "instance_root_disk_size", "host_cpu_usage",
        "host_ram_usage",
    ),
    "workload_balance": ("instance_cpu_usage", "instance_ram_usage"),
    "workload_stabilization": ("host_cpu_usage", "host_ram_usage", "instance_cpu_usage", "instance_ram_usage"),
}  # fmt: skip

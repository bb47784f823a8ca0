"""The cloud that the suite reads: hosts and instances whose samples show what a source may get wrong."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import uuid
from collections.abc import Iterable, Mapping

from undercroft.conformance.datasources.feeding import CPU, Series
from undercroft.core import time

MINUTE = 60_000_000
SECOND_NS = 1_000_000_000
HOST_METERS = ("host_cpu_usage", "host_ram_usage", "host_outlet_temp", "host_inlet_temp", "host_airflow", "host_power")
INSTANCE_METERS = (
    CPU, "instance_ram_usage", "instance_ram_allocated", "instance_l3_cache_usage", "instance_root_disk_size",
)  # fmt: skip
UNITS = {
    "host_cpu_usage": "%", "host_ram_usage": "KiB", "host_outlet_temp": "°C", "host_inlet_temp": "°C", "host_airflow": "CFM",
    "host_power": "W", "instance_cpu_usage": "%", "instance_ram_usage": "MB", "instance_ram_allocated": "MB",
    "instance_l3_cache_usage": "B", "instance_root_disk_size": "GB",
}  # fmt: skip
# From and to, of random values. All are within the meter's bounds.
RANGES = {
    "host_cpu_usage": (1, 99), "host_ram_usage": (1_000_000, 60_000_000), "host_outlet_temp": (20, 60), "host_inlet_temp": (15, 40),
    "host_airflow": (100, 900), "host_power": (50, 900), "instance_ram_usage": (100, 8_000), "instance_l3_cache_usage": (1e5, 4e7),
}  # fmt: skip
MEMORY, DISK = 4096, 40
# What follows a name in the backend's query, if the name is not escaped. One is the pattern of its neighbour.
HOSTILE = (
    "quote'", 'double"', "back\\slash", "tick`", "line\nbreak", "percent%s", "brace{0}", "under_score", "' OR '1'='1", '"} or {x="',
    "'; DROP TABLE sample; --", "comma,equals=", "a|b", "[a-z]+", "ünïcode-日本", "dollar$", "caret^", "(paren)", "hash#",
    "and&amp", "star*",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class World:
    """What was fed to a backend.

    Attributes:
        now: the moment of all questions, a full minute.
        run: part of every host's name.
        series: everything that was fed, by meter and resource.
        instances: uuids by the suite's own word for each.
    """

    now: dt.datetime
    run: str
    series: Mapping[tuple[str, str], Series]
    instances: Mapping[str, str]

    @property
    def micros(self) -> int:
        """`now` in microseconds."""
        return time.to_micros(self.now)

    def host_name(self, word: str) -> str:
        """The full name of a host."""
        return f"{word}-{self.run}.example.com"

    def host(self, word: str) -> dict[str, object]:
        """A host as strategies pass it."""
        return node(self.host_name(word))

    def instance(self, word: str, **changed: object) -> dict[str, object]:
        """An instance as strategies pass it."""
        vcpus = self.series[CPU, self.instances[word]].vcpus if (CPU, self.instances[word]) in self.series else 1
        return {
            "uuid": self.instances[word], "vcpus": vcpus, "memory": MEMORY, "disk": DISK, "metadata": {}, "project_id": "p",
        } | changed  # fmt: skip

    def hostile(self) -> list[str]:
        """Names of hosts, which are data and nothing else."""
        return [f"{text}{self.run}" for text in HOSTILE] + [
            f"h.{self.run}.net",
            f"hx{self.run}.net",
            f"long-{self.run}-".ljust(127, "l"),
        ]


def node(name: str) -> dict[str, object]:
    """A host of any name."""
    return {"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "hypervisor_hostname": name}


def make(now: dt.datetime) -> World:
    """A world of its own names."""
    world = World(now, uuid.uuid4().hex[:10], {}, {word: str(uuid.uuid4()) for word in _CPU})
    made = [*_hosts(world), *_instances(world)]
    return dataclasses.replace(world, series={(each.meter, each.resource): each for each in made})


def _at(world: World, ago: Mapping[float, float]) -> list[tuple[int, float]]:
    """Points from {minutes before now: value}, ascending."""
    return [(world.micros - round(minutes * MINUTE), ago[minutes]) for minutes in sorted(ago, reverse=True)]


# Minutes before now, and percent.
WINDOW = {6.0: 90.0, 5.0: 80.0, 4.0: 40.0, 3.0: 30.0, 2.0: 20.0, 1.0: 15.0, 0.0: 10.0}


def _hosts(world: World) -> Iterable[Series]:
    chance = random.Random(16)
    for word in ("random", "other"):
        for meter in HOST_METERS:
            low, high = RANGES[meter]
            values = {float(minutes): float(round(chance.uniform(low, high))) for minutes in range(40)}
            yield Series(meter, world.host_name(word), _at(world, values))
    for meter in HOST_METERS:
        yield Series(meter, world.host_name("zero"), _at(world, dict.fromkeys((3.0, 2.0, 1.0, 0.0), 0.0)))
        yield Series(meter, world.host_name("old"), _at(world, dict.fromkeys((62.0, 61.0, 60.0), 7.0)))
    for meter in ("host_cpu_usage", "host_power"):
        yield Series(meter, world.host_name("window"), _at(world, WINDOW))
    for meter in ("host_outlet_temp", "host_inlet_temp"):
        yield Series(meter, world.host_name("cold"), _at(world, {2.0: -5.0, 1.0: -20.0, 0.0: 1.0}))
    for name, value in names(world).items():
        for meter in ("host_cpu_usage", "host_power"):
            yield Series(meter, name, _at(world, dict.fromkeys((2.0, 1.0, 0.0), value)))


def names(world: World) -> dict[str, float]:
    """Hosts that differ by their names only, each with the value that it alone has."""
    special = [f"short-{world.run}", f"twin-{world.run}.example.com", f"twin-{world.run}.example.org", *world.hostile()]
    return {name: float(place) for place, name in enumerate(special, 3)}


# Minutes before now, and seconds of CPU time; vCPUs.
_CPU: dict[str, tuple[dict[float, float], float]] = {
    "random": ({}, 2),
    "other": ({}, 4),
    "irregular": ({9: 0, 8: 6, 5: 60, 4: 120, 1: 138, 0: 168}, 1),
    "reset": ({4: 500, 3: 530, 2: 3, 1: 33, 0: 39}, 1),
    "single": ({0: 700}, 1),
    "busy": ({3: 0, 2: 90, 1: 150, 0: 240}, 1),
    "zero": ({3: 900, 2: 900, 1: 900, 0: 900}, 1),
    "old": ({62: 10, 61: 20, 60: 30}, 1),
    "window": ({6: 0, 5: 54, 4: 60, 2: 84, 0: 144}, 1),
    "bare": ({2: 0, 1: 30, 0: 75}, 1),
    "digits": ({3: 0, 2: 1, 1: 2, 0: 3}, 7),
}


def _instances(world: World) -> Iterable[Series]:
    chance = random.Random(61)
    for word, (ago, vcpus) in _CPU.items():
        used, found = 0.0, dict[float, float](ago)
        for minutes in range(39, -1, -1) if not ago else ():
            used += round(chance.uniform(0, 60 * vcpus))
            found[float(minutes)] = used
        points = [(moment, seconds * SECOND_NS) for moment, seconds in _at(world, found)]
        yield Series(CPU, world.instances[word], points, vcpus)
    for word in ("random", "other"):
        for meter in ("instance_ram_usage", "instance_l3_cache_usage"):
            low, high = RANGES[meter]
            levels = {float(minutes): float(round(chance.uniform(low, high))) for minutes in range(40)}
            yield Series(meter, world.instances[word], _at(world, levels))
        yield Series("instance_ram_allocated", world.instances[word], _at(world, dict.fromkeys(map(float, range(40)), MEMORY)))
        yield Series("instance_root_disk_size", world.instances[word], _at(world, dict.fromkeys(map(float, range(40)), DISK)))
    for meter in ("instance_ram_usage", "instance_l3_cache_usage"):
        yield Series(meter, world.instances["zero"], _at(world, dict.fromkeys((2.0, 1.0, 0.0), 0.0)))
        yield Series(meter, world.instances["old"], _at(world, dict.fromkeys((62.0, 61.0), 7.0)))
        yield Series(meter, world.instances["window"], _at(world, WINDOW))
        yield Series(meter, world.instances["digits"], _at(world, {2.0: 1.0, 1.0: 2.0, 0.0: 7.0}))

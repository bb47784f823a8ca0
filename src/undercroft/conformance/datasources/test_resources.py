"""Resources: what strategies pass, whose type wins, how hosts are found, and names that try to be more than data."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from undercroft.conformance.datasources.asking import Asked, close
from undercroft.conformance.datasources.data import DISK, HOST_METERS, INSTANCE_METERS, MEMORY, names, node
from undercroft.conformance.markers import clause
from undercroft.conformance.rows import part, rows

HOSTS = ("host_cpu_usage", "host_ram_usage", "host_inlet_temp", "host_airflow", "host_power")


class Thing:
    """Has the attributes that it was given; another one raises, and not only AttributeError."""

    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> object:
        raise NotImplementedError(f"Cannot load '{name}' in the base class")


class Server(Thing):
    """As novaclient's."""


class Instance(Thing):
    """As Watcher's."""


class Hypervisor(Thing):
    """As novaclient's and openstacksdk's."""


class ComputeNode(Thing):
    """As Watcher's."""


class Node(Thing):
    """As ironicclient's."""


class Pool(Thing):
    """As cinderclient's."""


class StorageNode(Thing):
    """As Watcher's."""


def servers(ask: Asked, word: str) -> dict[str, Any]:
    uuid, vcpus = ask.world.instances[word], ask.world.instance(word)["vcpus"]
    flavor = {"vcpus": vcpus, "ram": MEMORY, "disk": DISK}
    return {
        "novaclient": Server(id=uuid, name="n", flavor=flavor, metadata={}, tenant_id="t"),
        "openstacksdk": Server(id=uuid, name="n", flavor=Thing(**flavor), project_id="t", hostname="guest"),
        "watcher": Instance(uuid=uuid, vcpus=vcpus, memory=MEMORY, disk=DISK),
        "mapping": {"uuid": uuid, "vcpus": vcpus, "memory": MEMORY, "disk": DISK},
        "mapping of nova": {"id": uuid, "flavor": flavor},
        "anything": Thing(uuid=uuid, vcpus=vcpus, memory=MEMORY, disk=DISK),
    }


def nodes(name: str) -> dict[str, Any]:
    return {
        "novaclient": Hypervisor(id=7, hypervisor_hostname=name, vcpus=8),
        "openstacksdk": Hypervisor(id="u7", name=name, hypervisor_hostname=name),
        "watcher": ComputeNode(uuid="u7", hostname=name, vcpus=8),
        "without uuid": ComputeNode(hostname=name),
        "mapping": {"hypervisor_hostname": name},
        "watcher's mapping": {"uuid": "u7", "hostname": name},
        "anything": Thing(hypervisor_hostname=name),
    }


@clause("S4")
def test_instances_of_every_client(ask: Asked) -> None:
    for meter in ask.served(*INSTANCE_METERS):
        for what, resource in servers(ask, "random").items():
            found = ask.source.statistic_aggregation(resource, "instance", meter, 600)
            assert close(found, ask.expected(meter, "random", 600)), (what, meter, found)


@clause("S4")
def test_hosts_of_every_client(ask: Asked) -> None:
    for meter in ask.served(*HOST_METERS):
        for what, resource in nodes(ask.world.host_name("random")).items():
            found = ask.source.statistic_aggregation(resource, "compute_node", meter, 600)
            assert close(found, ask.expected(meter, "random", 600)), (what, meter, found)


@clause("S5")
@rows(("number", "given"), list(enumerate(("instance", "compute_node", None, "", "instance_l3_cache_usage"))))
def test_the_object_outranks_the_type(ask: Asked, number: int, given: Any) -> None:
    served = ask.served(*HOSTS)
    # A source of fewer meters meets each type, too.
    for meter in part(served, number, len(served) or 1):
        for what, resource in nodes(ask.world.host_name("random")).items():
            found = ask.source.statistic_aggregation(resource, given, meter, 600)
            assert close(found, ask.expected(meter, "random", 600)), (what, meter, found)
    for meter in ask.served(*INSTANCE_METERS):
        for what, resource in servers(ask, "random").items():
            if what not in ("mapping", "anything") or given != "compute_node":
                found = ask.source.statistic_aggregation(resource, given, meter, 600)
                assert close(found, ask.expected(meter, "random", 600)), (what, meter, found)


@clause("S6")
def test_a_type_that_is_a_meter_is_ignored(ask: Asked) -> None:
    for meter in ask.served("instance_l3_cache_usage"):
        instance = ask.world.instance("random")
        found = ask.source.get_instance_l3_cache_usage(instance, "instance_l3_cache_usage", 600, "mean", granularity=60)
        assert close(found, ask.expected(meter, "random", 600))


@clause("S4")
def test_resources_that_cannot_have_the_meter(ask: Asked, caplog: pytest.LogCaptureFixture) -> None:
    name, uuid = ask.world.host_name("random"), ask.world.instances["random"]
    for meter in ask.served(*HOST_METERS, *INSTANCE_METERS):
        others: list[tuple[Any, str]] = [
            (Node(uuid=uuid, name=name, power_state="power on"), "bare_metal"),
            ({"uuid": uuid, "human_id": name, "hostname": name}, "bare_metal"),
            (Pool(name=f"{name}@lvm#p"), "storage"),
            (StorageNode(uuid=uuid, host=name, zone="z"), "storage"),
            ({"uuid": uuid, "host": name}, "storage"),
            (ask.world.instance("random") if meter in HOST_METERS else ask.world.host("random"), ""),
        ]
        for resource, type_ in others:
            caplog.clear()
            assert ask.source.statistic_aggregation(resource, type_ or None, meter) is None
            assert any(each.levelno == logging.WARNING for each in caplog.records)
            assert ask.source.statistic_series(resource, type_ or None, meter) == {}


@clause("S4")
@rows("resource", [None, {}, 7, "c1", Thing(), {"uuid": None}, {"uuid": "", "vcpus": 1}, Instance(), ComputeNode(), [1]])
def test_resources_without_id_or_name(ask: Asked, resource: Any) -> None:
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage", "instance_ram_usage"):
        types: list[Any] = ["instance", "compute_node", "bare_metal", "storage", None, 7]
        for type_ in types:
            assert ask.source.statistic_aggregation(resource, type_, meter) is None
            assert ask.source.statistic_series(resource, type_, meter) == {}


@clause("S4")
def test_unknown_resources_are_none_with_a_warning(ask: Asked, caplog: pytest.LogCaptureFixture) -> None:
    for meter in ask.served(*HOST_METERS, *INSTANCE_METERS):
        if ask.kinds[meter] != "inventory":
            unknown = node("nobody.example.com") if meter in HOST_METERS else {"uuid": "no-such-instance", "vcpus": 1}
            caplog.clear()
            for aggregate in ("mean", "min", "max", "count"):
                assert ask.source.statistic_aggregation(unknown, None, meter, aggregate=aggregate) is None
            assert any(each.levelno == logging.WARNING for each in caplog.records)
            assert ask.source.statistic_series(unknown, None, meter) == {}


@clause("S11")
def test_a_short_name_finds_the_full_one(ask: Asked) -> None:
    for meter in ask.served(*HOSTS):
        short = ask.world.host_name("random").partition(".")[0]
        found = ask.source.statistic_aggregation(node(short), "compute_node", meter, 600)
        assert close(found, ask.expected(meter, "random", 600))


@clause("S11")
@rows("meter", ["host_cpu_usage", "host_power"])
def test_a_full_name_finds_the_short_one(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        short = f"short-{ask.world.run}"
        expected = names(ask.world)[short]
        assert ask.named(short, meter) == pytest.approx(expected)
        assert ask.named(f"{short}.example.com", meter) == pytest.approx(expected)
        assert ask.named(f"{short}.a.b", meter) == pytest.approx(expected)


@clause("S11")
@rows("meter", ["host_cpu_usage", "host_power"])
def test_two_domains(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        known, twin = names(ask.world), f"twin-{ask.world.run}"
        assert ask.named(f"{twin}.example.com", meter) == pytest.approx(known[f"{twin}.example.com"])
        assert ask.named(f"{twin}.example.org", meter) == pytest.approx(known[f"{twin}.example.org"])
        assert ask.named(f"{twin}.example.net", meter) is None
        assert ask.named(twin, meter) is None


@clause("S10")
def test_hostile_names_of_hosts_have_their_own_values(ask: Asked) -> None:
    known, served = names(ask.world), ask.served("host_cpu_usage", "host_power")
    for number, meter in enumerate(served):
        # Each name by one of the meters that there are.
        for name in part(ask.world.hostile(), number, len(served)):
            assert ask.named(name, meter) == pytest.approx(known[name]), name
            over_time = ask.source.statistic_series(node(name), "compute_node", meter)
            assert len(over_time) == (2 if ask.kinds[meter] == "cumulative" else 3), name
            assert list(over_time.values()) == pytest.approx([known[name]] * len(over_time)), name


@clause("S10")
def test_hostile_ids_of_instances_find_nothing(ask: Asked) -> None:
    uuid = ask.world.instances["window"]
    ids = [
        f"{uuid}' OR '1'='1", f'{uuid}"', f'{uuid}"}} or vector(1) or x{{a="', ".*", ".+", f"{uuid}|x", uuid[:-1] + ".", "*", "%",
        "/.*/", f"{uuid}\n", f"{uuid} ", "\\", f"{uuid}\\", "'; DROP TABLE sample; --", "日本", "x" * 255, "x" * 5_000,
        "a/../b", "\x00",
    ]  # fmt: skip
    for meter in ask.served("instance_cpu_usage", "instance_ram_usage"):
        for each in ids:
            assert ask.source.statistic_aggregation({"uuid": each, "vcpus": 1}, "instance", meter) is None, each
            assert ask.source.statistic_series({"uuid": each, "vcpus": 1}, "instance", meter) == {}, each
        found = ask.source.statistic_batch([{"uuid": each, "vcpus": 1} for each in [*ids, uuid]], "instance", meter)
        assert found == dict.fromkeys(ids) | {uuid: found[uuid]}
        assert close(found[uuid], ask.expected(meter, "window"))


@clause("S10")
@rows("word", ["host", "instance"])
def test_hostile_questions_leave_the_breaker_closed(ask: Asked, word: str) -> None:
    bad = {"host": node("a\x00\"'\\\n{}"), "instance": {"uuid": "a\x00\"'\\\n{}", "vcpus": 1}}[word]
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
        ask.source.statistic_aggregation(bad, None, meter)
        ask.same(meter, "random", 600)


@clause("S7")
@rows("vcpus", [0, None, "unset", -1, True])
def test_without_vcpus_one_is_assumed(ask: Asked, caplog: pytest.LogCaptureFixture, vcpus: Any) -> None:
    for meter in ask.served("instance_cpu_usage"):
        resource = ask.world.instance("bare", vcpus=vcpus)
        if vcpus == "unset":
            resource = Instance(uuid=ask.world.instances["bare"], metadata={})  # type: ignore[assignment]
        if vcpus == -1:
            assert ask.source.statistic_aggregation(resource, "instance", meter) is not None
            continue
        caplog.clear()
        assert ask.source.statistic_aggregation(resource, "instance", meter) == pytest.approx(62.5)
        if vcpus != 1 and ask.kinds[meter] == "cumulative":
            assert any("vCPUs" in each.getMessage() for each in caplog.records)

"""The bases of both planes: options, controllers, capabilities, the self-test."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from oslo_config import cfg

from tests.unit.messaging.stub import STORED, DataDriver
from undercroft.conformance.markers import clause
from undercroft.core.capabilities import never, not_yet
from undercroft.core.errors import Unavailable, Unsupported
from undercroft.messaging import Capabilities, Features

GROUP = "drivers:message_store:stub"


class WithOptions(DataDriver):
    """A driver that has options."""

    _DRIVER_OPTIONS = ((GROUP, (cfg.StrOpt("uri"),)),)


@clause("Q39")
def test_options_are_registered_and_a_second_time_is_no_error() -> None:
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    for _ in range(2):
        driver = WithOptions(conf)
        assert driver.conf is driver.control_driver.conf is conf
        assert conf[GROUP]["uri"] is None


@clause("Q39")
def test_controllers_are_made_once() -> None:
    driver = DataDriver(cache="cache")
    assert driver.cache == "cache"
    for name in ("message", "claim", "subscription"):
        one = getattr(driver, f"{name}_controller")
        assert one is getattr(driver, f"{name}_controller")
        assert one.driver is driver
    assert driver.queue_controller.driver is driver.control_driver


@clause("Q40")
def test_the_whole_contract_is_every_capability() -> None:
    full = Features.full()
    assert list(full) == list(Capabilities) == [1, 2, 3, 4, 5]
    assert tuple(full) == DataDriver.BASE_CAPABILITIES
    assert list(full.gaps()) == []
    assert bool(full)


LESS = Features.without(fifo=never("no order"), store_once=not_yet("#1"))


@clause("Q40")
def test_a_gap_is_no_member() -> None:
    assert list(LESS) == [2, 3, 4, 5]
    assert Capabilities.FIFO not in LESS
    assert "fifo" not in LESS
    assert len(LESS) == 4
    assert [name for name, _ in LESS.gaps()] == ["fifo", "store_once"]
    with pytest.raises(Unsupported, match="fifo"):
        LESS.require("fifo", "stub")


@clause("Q40")
def test_capabilities_are_compared_by_their_members() -> None:
    full = Features.full()
    assert full != LESS
    assert full > LESS
    assert full >= LESS
    assert not full <= LESS
    assert full == Features.full() == set(Capabilities) == frozenset(Capabilities)
    assert set(Capabilities) == full
    assert set(Capabilities) - {Capabilities.FIFO} == LESS
    # What the host does not ask for does not count.
    assert Features.without(store_once=not_yet("#1")) == full
    assert hash(Features.without(store_once=not_yet("#1"))) == hash(full)
    assert {full, Features.full(), LESS} == {full, LESS}
    assert full & {Capabilities.CLAIMS} == {Capabilities.CLAIMS}
    assert LESS | {Capabilities.FIFO} == full
    assert full - LESS == {Capabilities.FIFO}
    assert copy.copy(LESS) == pickle.loads(pickle.dumps(LESS)) == LESS
    assert full != tuple(Capabilities)


@clause("Q40")
@pytest.mark.parametrize("name", ["fifo", "claims", "durability", "deduplication", "store_once", "concurrent_writers"])
def test_a_gap_is_false_by_its_name(name: str) -> None:
    found = Features.without(**{name: never("it cannot")})
    assert not getattr(found, name)
    assert [gap.reason for _, gap in found.gaps()] == ["it cannot"]


OPERATIONS = [
    "create_queue", "post_messages", "claim_messages", "list_messages", "delete_messages", "delete_claim", "bulk_delete_messages",
    "delete_queue",
]  # fmt: skip


@clause("Q41")
def test_a_self_test_asks_for_everything_in_a_queue_of_its_own() -> None:
    driver = DataDriver()
    driver.answers["_create"] = lambda: ("3", [STORED])
    found = driver.health()
    assert found["storage_reachable"] is True
    assert list(found["operation_status"]) == OPERATIONS
    assert all(one["succeeded"] and one["ref"] is None and one["seconds"] >= 0 for one in found["operation_status"].values())
    calls = driver.calls()
    assert calls == ["_create", "_post", "_create", "_list", "_delete", "_delete", "_bulk_delete", "_delete"]
    assert len({given[0] for _, given, _ in driver.asked}) == 1
    assert len(driver.asked[1][1][1]) == 100


@clause("Q41")
def test_a_self_test_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> Any:
        raise Unavailable("the engine is away")

    driver = DataDriver(alive=False)
    driver.answers.update(dict.fromkeys(("_create", "_post", "_list", "_delete", "_bulk_delete"), away))
    found = driver.health()
    assert found["storage_reachable"] is False
    failed = {name: one["ref"] for name, one in found["operation_status"].items() if not one["succeeded"]}
    assert {"create_queue", "post_messages", "claim_messages", "list_messages", "delete_queue"} <= set(failed)
    assert len(set(failed.values())) == len(failed)
    assert all(ref in caplog.text for ref in failed.values())

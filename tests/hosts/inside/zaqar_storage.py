"""Zaqar's own tests of a storage driver, over ours on a real engine: zaqar_storage.py URL together|apart|theirs|pooled.

Queues are in the same database, in another one, or in a management store of Zaqar's own; or messages are in four stores, which
Zaqar's pooling spreads queues over. Where the tests wait, Zaqar's clock is moved instead: it counts whole seconds, so that a short
delay may be over at once when the machine is busy.
"""

from __future__ import annotations

import functools
import sys
import unittest
from typing import Any

from oslo_utils import timeutils
from zaqar.storage import pooling
from zaqar.storage.sqlalchemy import driver as theirs
from zaqar.storage.sqlalchemy import tables
from zaqar.tests.unit.storage import base

from tests.hosts.inside import outcomes, zaqar_configuration
from undercroft.compat.zaqar import drivers, messages, queues, registers


class MovedTime:
    """In the place of the module `time`."""

    sleep = staticmethod(timeutils.advance_time_seconds)


class OnUndercroft:
    """Every test on empty stores."""

    driver_class: Any = drivers.DataDriver
    control_driver_class = drivers.ControlDriver
    gc_interval = 1
    more = ""

    def setUp(self: Any) -> None:
        self.config_file = zaqar_configuration.made(self, self.more)
        timeutils.set_time_override()
        self.addCleanup(timeutils.clear_time_override)
        base.time = MovedTime
        super().setUp()  # type: ignore[misc]
        self.addCleanup(self.control.close)
        self.addCleanup(self.driver.close)


class QueueTest(OnUndercroft, base.QueueControllerTest):
    driver_class = drivers.ControlDriver
    controller_class = queues.Queue


class MessageTest(OnUndercroft, base.MessageControllerTest):
    controller_class = messages.Message
    # Zaqar skips it because of a fault of its driver for MongoDB.
    test_message_period = base.MessageControllerTest.test_message_period.__wrapped__


class ClaimTest(OnUndercroft, base.ClaimControllerTest):
    controller_class = messages.Claim


class SubscriptionTest(OnUndercroft, base.SubscriptionControllerTest):
    controller_class = messages.Subscription


class PoolsTest(OnUndercroft, base.PoolsControllerTest):
    driver_class = drivers.ControlDriver
    controller_class = registers.Pools


class CatalogueTest(OnUndercroft, base.CatalogueControllerTest):
    driver_class = drivers.ControlDriver
    controller_class = registers.Catalogue


class FlavorsTest(OnUndercroft, base.FlavorsControllerTest1):
    driver_class = drivers.ControlDriver
    controller_class = registers.Flavors


class FourPools(registers.Pools):
    """Zaqar's tests register four databases of MongoDB: each is a store of ours here."""

    def create(self, name: str, weight: int, uri: str, flavor: str | None = None, options: Any = None) -> None:
        store = zaqar_configuration.emptied(sys.argv[1], 2 + int(name))
        super().create(name, weight, zaqar_configuration.scheme_in_host(store), flavor, options)


class PooledControlDriver(drivers.ControlDriver):
    @functools.cached_property
    def pools_controller(self) -> FourPools:
        return FourPools(self)


class Pooled(OnUndercroft):
    """Each queue is in one of four pools."""

    driver_class = pooling.DataDriver
    control_driver_class = PooledControlDriver
    more = "[DEFAULT]\npooling = True\n"


class PooledQueueTest(Pooled, base.QueueControllerTest):
    controller_class = pooling.QueueController


class PooledMessageTest(Pooled, base.MessageControllerTest):
    controller_class = pooling.MessageController
    test_message_period = base.MessageControllerTest.test_message_period.__wrapped__


class PooledClaimTest(Pooled, base.ClaimControllerTest):
    controller_class = pooling.ClaimController


class WithTheirQueues:
    """Queues are in a store of Zaqar's own."""

    control_driver_class = theirs.ControlDriver

    def _prepare_conf(self: Any) -> None:
        tables.metadata.create_all(self.control.engine)


if __name__ == "__main__":
    messages_of: list[Any] = [MessageTest, ClaimTest, SubscriptionTest]
    classes: list[Any] = [QueueTest, *messages_of, PoolsTest, CatalogueTest, FlavorsTest]
    if sys.argv[2] == zaqar_configuration.THEIRS:
        classes = [type(each.__name__, (WithTheirQueues, each), {}) for each in messages_of]
    elif sys.argv[2] == zaqar_configuration.POOLED:
        classes = [PooledQueueTest, PooledMessageTest, PooledClaimTest]
    outcomes.run(unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, classes)))

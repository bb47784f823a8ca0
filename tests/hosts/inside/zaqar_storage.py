"""Zaqar's own tests of a storage driver, over ours on a real engine: zaqar_storage.py URL together|apart|theirs.

Queues are in the same database, in another one, or in a management store of Zaqar's own. Where the tests wait, Zaqar's clock is
moved instead: it counts whole seconds, so that a short delay may be over at once when the machine is busy.
"""

from __future__ import annotations

import sys
import unittest
from typing import Any

from oslo_utils import timeutils
from zaqar.storage.sqlalchemy import driver as theirs
from zaqar.storage.sqlalchemy import tables
from zaqar.tests.unit.storage import base

from tests.hosts.inside import outcomes, zaqar_configuration
from undercroft.compat.zaqar import drivers, messages, queues


class MovedTime:
    """In the place of the module `time`."""

    sleep = staticmethod(timeutils.advance_time_seconds)


class OnUndercroft:
    """Every test on empty stores."""

    driver_class: Any = drivers.DataDriver
    control_driver_class = drivers.ControlDriver
    gc_interval = 1

    def setUp(self: Any) -> None:
        self.config_file = zaqar_configuration.made(self)
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


class WithTheirQueues:
    """Queues are in a store of Zaqar's own."""

    control_driver_class = theirs.ControlDriver

    def _prepare_conf(self: Any) -> None:
        tables.metadata.create_all(self.control.engine)


if __name__ == "__main__":
    classes: list[Any] = [QueueTest, MessageTest, ClaimTest, SubscriptionTest]
    if sys.argv[2] == zaqar_configuration.THEIRS:
        classes = [type(each.__name__, (WithTheirQueues, each), {}) for each in classes[1:]]
    outcomes.run(unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, classes)))

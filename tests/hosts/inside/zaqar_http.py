"""Zaqar's own tests of its HTTP API, over our stores on a real engine: zaqar_http.py URL together|apart [CLASS ...]."""

from __future__ import annotations

import os
import sys
import time
import unittest
from typing import Any, ClassVar

from tests.hosts.inside import outcomes, zaqar_configuration

# The tests are for MongoDB: they are for this engine, which ours takes the place of.
os.environ["ZAQAR_TEST_MONGODB"] = "1"

from zaqar.tests.unit.transport.wsgi import base, test_version
from zaqar.tests.unit.transport.wsgi.v2_0 import (
    test_claims,
    test_default_limits,
    test_home,
    test_media_type,
    test_messages,
    test_ping,
    test_purge,
    test_queue_lifecycle,
    test_subscriptions,
    test_topic_lifecycle,
    test_urls,
    test_validation,
)

from undercroft.compat.zaqar import drivers

LIMITED = """
[transport]
max_queue_metadata = 64
max_messages_post_size = 256
"""


class OnUndercroft:
    """Every test on empty stores of ours; MongoDB's collections are not dropped at its end."""

    more: ClassVar[str] = ""

    def setUp(self: Any) -> None:
        self.config_file = zaqar_configuration.made(self, self.more)
        super().setUp()  # type: ignore[misc]
        assert type(self.boot.storage._storage) is drivers.DataDriver
        assert type(self.boot.control) is drivers.ControlDriver

    def tearDown(self: Any) -> None:
        base.TestBase.tearDown(self)


def over_ours(theirs: type, more: str = "") -> type:
    return type(theirs.__name__, (OnUndercroft, theirs), {"more": more})


class TestClaimsMongoDB(test_claims.TestClaimsMongoDB):
    """Its test compares an age, for which Zaqar counts whole seconds, with a time that has fractions: no second may begin in it."""

    def test_lifecycle(self) -> None:
        time.sleep(1.02 - time.time() % 1)
        super().test_lifecycle()


CLASSES = [
    over_ours(test_version.TestVersion),
    over_ours(TestClaimsMongoDB),
    over_ours(test_default_limits.TestDefaultLimits),
    over_ours(test_home.TestHomeDocument),
    over_ours(test_media_type.TestMediaType),
    over_ours(test_messages.TestMessagesMongoDB),
    over_ours(test_ping.TestPing),
    over_ours(test_purge.TestPurge),
    over_ours(test_queue_lifecycle.TestQueueLifecycleMongoDB),
    over_ours(test_subscriptions.TestSubscriptionsMongoDB),
    over_ours(test_topic_lifecycle.TestTopicLifecycleMongoDB),
    over_ours(test_urls.TestURL),
    over_ours(test_validation.TestValidation, LIMITED),
]

if __name__ == "__main__":
    chosen = [each for each in CLASSES if each.__name__ in sys.argv[3:] or len(sys.argv) == 3]
    outcomes.run(unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, chosen)))

"""Zaqar's own tests of its HTTP API, over our stores on a real engine: zaqar_http.py URL together|apart|pooled [CLASS ...].

Pooled ones are those of pools and flavors: the registers are in our store, and each pool is a file of SQLite.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys
import time
import unittest
from typing import Any, ClassVar

from tests.hosts.inside import outcomes, zaqar_configuration

# The tests are for MongoDB: they are for this engine, which ours takes the place of.
os.environ["ZAQAR_TEST_MONGODB"] = "1"

from zaqar.storage import pooling
from zaqar.tests.unit.transport.wsgi import base, test_version
from zaqar.tests.unit.transport.wsgi.v2_0 import (
    test_claims,
    test_default_limits,
    test_flavors_new,
    test_home,
    test_media_type,
    test_messages,
    test_ping,
    test_pools_new,
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


POOLING = """
[DEFAULT]
pooling = True
[pooling:catalog]
enable_virtual_pool = True
"""


class OnUndercroft:
    """Every test on empty stores of ours; MongoDB's collections are not dropped at its end."""

    more: ClassVar[str] = ""
    storage: ClassVar[Any] = drivers.DataDriver

    def setUp(self: Any) -> None:
        self.config_file = zaqar_configuration.made(self, self.more)
        super().setUp()  # type: ignore[misc]
        assert type(self.boot.storage._storage) is self.storage
        assert type(self.boot.control) is drivers.ControlDriver

    def tearDown(self: Any) -> None:
        base.TestBase.tearDown(self)


def over_ours(theirs: type, more: str = "") -> type:
    return type(theirs.__name__, (OnUndercroft, theirs), {"more": more})


class Pooled(OnUndercroft):
    """Pools are files, and a store in memory: the tests put a slash and a name behind a URL, and use it as it is, too."""

    more = POOLING
    storage = pooling.DataDriver

    @property
    def mongodb_url(self) -> str:
        return "undercroft+sqlite://"

    @mongodb_url.setter
    def mongodb_url(self, _url: str) -> None:
        """Zaqar's base class sets that of its own engine."""

    def simulate_put(self: Any, path: str, *args: Any, body: Any = None, **more: Any) -> Any:
        # Its operator makes the store of a pool first.
        for name in re.findall(r'"undercroft\+sqlite:///([\w-]+)"', body or ""):
            pathlib.Path(name).touch()
        return super().simulate_put(path, *args, body=body, **more)  # type: ignore[misc]


def pooled(theirs: type) -> type:
    return type(theirs.__name__, (Pooled, theirs), {})


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

POOLED_CLASSES = [pooled(test_pools_new.TestPoolsMongoDB), pooled(test_flavors_new.TestFlavorsMongoDB)]

if __name__ == "__main__":
    classes = POOLED_CLASSES if sys.argv[2] == zaqar_configuration.POOLED else CLASSES
    chosen = [each for each in classes if each.__name__ in sys.argv[3:] or len(sys.argv) == 3]
    outcomes.run(unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, chosen)))

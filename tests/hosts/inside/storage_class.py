"""CloudKitty's own tests of a storage class, over our driver on a real engine: storage_class.py URL."""

from __future__ import annotations

import sys
import unittest
import uuid
from typing import Any, ClassVar

from cloudkitty.tests import TestCase
from cloudkitty.tests.storage.v2.test_storage_unit import StorageUnitTest
from oslo_config import cfg

import undercroft.compat.cloudkitty as drop_in
from tests.hosts.inside import outcomes
from tests.hosts.inside.urls import with_namespace


class OnUndercroft(StorageUnitTest):
    """Every test on tables of its own."""

    scenarios: ClassVar[Any] = [(name, {**values, "storage_backend": "undercroft"}) for name, values in TestCase.scenarios]

    def setUp(self):
        cfg.CONF.set_override("connection", with_namespace(sys.argv[1], f"u{uuid.uuid4().hex[:16]}"), drop_in.GROUP)
        super().setUp()
        assert type(self.storage) is drop_in.Storage
        store: Any = self.storage.store
        self.addCleanup(store.close)
        self.addCleanup(store.drop)


if __name__ == "__main__":
    outcomes.run(unittest.defaultTestLoader.loadTestsFromTestCase(OnUndercroft))

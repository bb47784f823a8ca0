"""Panko's own scenarios of storage, over our driver on a real engine: panko_storage.py URL."""

from __future__ import annotations

import os
import sys
import unittest
import uuid
from typing import Any

from panko.tests import db

from tests.hosts.inside import outcomes
from tests.hosts.inside.urls import with_namespace


class Manager:
    """Opens every test's store on tables of its own; in the place of the managers that know Panko's engines."""

    def __init__(self, _url: str, conf: Any) -> None:
        from panko import storage

        url = with_namespace(sys.argv[1], f"u{uuid.uuid4().hex[:16]}")
        self.connection = storage.get_connection(f"undercroft+{url}", conf)
        assert "undercroft" in type(self.connection).__mro__[1].__module__

    def setUp(self) -> None:
        """Nothing more."""

    def cleanUp(self) -> None:  # noqa: N802
        """Leave nothing behind."""
        self.connection.drop()
        self.connection.close()

    def getDetails(self) -> dict[str, Any]:  # noqa: N802
        """Nothing to tell."""
        return {}


if __name__ == "__main__":
    # The tests are for engines by name: all of them are for this one, which ours takes the place of.
    os.environ["PIFPAF_URL"] = "sqlite://"
    for name in db.TestBase.DRIVER_MANAGERS:
        db.TestBase.DRIVER_MANAGERS[name] = Manager
    from panko.tests.functional.storage import test_storage_scenarios

    outcomes.run(unittest.defaultTestLoader.loadTestsFromModule(test_storage_scenarios))

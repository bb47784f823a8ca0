"""CloudKitty's own v2 HTTP tests, over our driver on a real engine: http_suite.py URL FOLDER.

One of its requests asks for at most 100 points and wants 56 frames, which are 224 points: true of a fake store that pages over
frames. It is run with the number that the limit allows: 25 frames of 4 points.
"""

from __future__ import annotations

import pathlib
import shutil
import sys
import types
import unittest
import uuid
from typing import Any

import cloudkitty.tests.gabbi as suite_package
from cloudkitty.api.v2.dataframes.dataframes import DataFrameList
from cloudkitty.api.v2.summary.summary import Summary
from cloudkitty.tests.gabbi import fixtures
from gabbi import driver

import undercroft
import undercroft.compat.cloudkitty as drop_in
from tests.hosts.inside import outcomes
from tests.hosts.inside.urls import with_namespace

URL, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
LIMITED = "fetch data for the first tenant without end time"
FRAMES = "$.dataframes.`len`"


class ConfigFixtureStorageV2(fixtures.ConfigFixture):
    """CloudKitty with our driver in the place of InfluxDB's, on tables of each file's own."""

    def start_fixture(self):
        super().start_fixture()
        self.url = with_namespace(URL, f"g{uuid.uuid4().hex[:16]}")
        self.conf.set_override("backend", "undercroft", "storage")
        self.conf.set_override("version", "2", "storage")
        self.conf.set_override("connection", self.url, drop_in.GROUP)

    def stop_fixture(self):
        super().stop_fixture()
        store = undercroft.connect("rating", self.url)
        store.drop()
        store.close()


class InfluxStorageDataFixture(fixtures.StorageDataFixture):
    """CloudKitty's data in our store: nothing is put in the place of a client."""

    def start_fixture(self):
        super().start_fixture()
        assert type(self.storage) is drop_in.Storage
        Summary.reload()
        DataFrameList.reload()

    def stop_fixture(self):
        """What the parent cleans is the tables of CloudKitty's v1 storage, which are not there."""
        self.storage.store.close()


class NowInfluxStorageDataFixture(InfluxStorageDataFixture):
    initialize_data = fixtures.NowInfluxStorageDataFixture.initialize_data


def load() -> Any:
    """The requests of the v2 files."""
    requests = pathlib.Path(suite_package.__file__).parent / "gabbits"
    chosen = FOLDER / "requests"
    chosen.mkdir()
    for file in [requests / "root-v2-storage.yaml", *requests.glob("v2-*.yaml")]:
        shutil.copy(file, chosen)
    ours = (ConfigFixtureStorageV2, InfluxStorageDataFixture, NowInfluxStorageDataFixture)
    named = types.SimpleNamespace(**{**vars(fixtures), **{each.__name__: each for each in ours}})
    suite: Any = driver.build_tests(
        str(chosen), unittest.defaultTestLoader, intercept=fixtures.setup_app, fixture_module=named, test_loader_name="cloudkitty"
    )
    limited = [test for file in suite for test in file if test.test_data["name"].endswith(LIMITED)]
    assert len(limited) == 1, limited
    expected = limited[0].test_data["response_json_paths"]
    assert expected == {FRAMES: 56}, expected
    expected[FRAMES] = 25
    return suite


if __name__ == "__main__":
    outcomes.run(load())

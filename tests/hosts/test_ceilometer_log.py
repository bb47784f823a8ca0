"""What Ceilometer's publisher gives up while the store is away is in its log, and can be sent from there."""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import Any

import pytest

from tests.api.service import serving
from tests.conftest import url_of
from tests.hosts.conftest import Environment

pytestmark = [pytest.mark.kind("metering"), pytest.mark.one_per_driver, pytest.mark.promise("D2")]
INGEST = "/metering/v1/ceilometer/samples"
DOCS = pathlib.Path(__file__).parents[2] / "docs" / "metering.md"
COUNT = 5


@pytest.mark.parametrize("on_error", ["answer", "close"], ids=["", "twin: a connection that is broken off"])
def test_samples_are_sent_again_from_the_log(ceilometer: Environment, opener: Any, tmp_path: Any, on_error: str) -> None:
    log = tmp_path / "ceilometer.log"
    with serving(None, metering=f"sqlite:///{tmp_path}/empty.db", metering_settings={"on_error": on_error}) as away:
        publisher = f"http://127.0.0.1:{away.port}{INGEST}?max_retries=0"
        done = ceilometer.run("-m", "tests.hosts.inside.ceilometer_publisher", publisher, COUNT, log, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    # The expression that the docs name.
    (expression,) = re.findall(r"sed -n '(.*?)' ceilometer.log", DOCS.read_text())
    lines = subprocess.run(["sed", "-n", expression, log], capture_output=True, text=True, check=True).stdout.splitlines()
    opener()
    with serving(None, metering=url_of(opener)) as service:
        for line in [*lines, *lines]:
            assert service.client.post(INGEST, content=line, headers={"Content-Type": "application/json"}).status_code == 200
    found = list(opener.opened[0].get_samples(None))
    if on_error == "close":
        assert found == []
        return
    assert [each.counter_volume for each in found] == [2**63 + number for number in reversed(range(COUNT))]
    assert {(each.resource_id, each.resource_metadata["say"]) for each in found} == {("vm é", 'a "quote" and \\ one line\nmore')}

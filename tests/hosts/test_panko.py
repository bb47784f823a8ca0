"""The real Panko over our driver, and the real pankoclient against our service."""

from __future__ import annotations

import datetime as dt
import json
import subprocess

import pytest

from tests.api.service import serving
from tests.conftest import opener_of, url_of
from tests.hosts.conftest import make
from tests.hosts.deployment import inside
from undercroft.events import Event, Trait

pytestmark = [pytest.mark.kind("events"), pytest.mark.one_per_driver]
CLIENT = """
import json, sys
from keystoneauth1 import session
from keystoneauth1.token_endpoint import Token
from pankoclient.v2 import client

found = client.Client(session=session.Session(auth=Token(sys.argv[1], "t-admin")))
def plain(things):
    return [getattr(thing, "_info", thing) for thing in things]
print(json.dumps({
    "all": plain(found.event.list()),
    "page": plain(found.event.list(limit=2, marker="m02", sorts=["generated:desc"])),
    "filtered": plain(found.event.list(filters={"host": "h1"})),
    "one": found.event.get("m03")._info,
    "types": plain(found.event_type.list()),
    "traits": plain(found.event_trait.list("k1", "size")),
    "described": plain(found.event_trait_description.list("k1")),
    "capabilities": plain([found.capabilities.list()])[0],
}))
"""


@pytest.fixture(scope="session")
def panko():
    return make("panko")


def test_panko_s_own_scenarios_of_storage(panko, engine, tmp_path, record):
    outcomes = inside(panko, tmp_path, "panko_storage", opener_of(engine, tmp_path).url)
    assert outcomes["others"] == {}, "\n".join(f"{name}: {text}" for name, text in outcomes["others"].items())
    record(passed=len(outcomes["passed"]))
    assert len(outcomes["passed"]) == 24


def test_the_real_pankoclient(panko, opener, tmp_path):
    store = opener()
    start = dt.datetime(2026, 1, 1)
    store.record_events(
        [
            Event(
                f"m{n:02}", f"k{n % 2}", start + dt.timedelta(seconds=n), [Trait("host", 1, f"h{n % 2}"), Trait("size", 2, n)], {}
            )
            for n in range(6)
        ]
    )
    tokens = tmp_path / "tokens"
    tokens.write_text("t-admin p u admin\n")
    with serving(None, events=url_of(opener), auth="tokens", token_file=tokens) as service:
        done = subprocess.run(
            [str(panko.python), "-c", CLIENT, f"{service.url}/events"],
            env=panko.variables, capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["message_id"] for each in found["all"]] == [f"m{n:02}" for n in range(6)]
    assert [each["message_id"] for each in found["page"]] == ["m01", "m00"]
    assert [each["message_id"] for each in found["filtered"]] == ["m01", "m03", "m05"]
    assert found["one"]["message_id"] == "m03"
    assert found["types"] == ["k0", "k1"]
    assert found["described"] == [{"name": "host", "type": "string"}, {"name": "size", "type": "integer"}]
    assert found["capabilities"]["api"] == {"events:query:simple": True}
    assert {"name": "size", "type": "integer", "value": "5"} in found["traits"]

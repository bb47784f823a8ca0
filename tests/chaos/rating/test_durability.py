"""`doctor` tells a server whose commits are durable from one that acknowledges before it writes (D1)."""

from __future__ import annotations

import msgspec
import pytest

from tests.chaos.servers import Server, opener_on
from tests.cli.conftest import runner
from undercroft.cli.main import root

pytestmark = pytest.mark.timeout(7200)


def durability(server: Server) -> dict[str, str]:
    """What `doctor` says of the server's settings: level by setting."""
    opener = opener_on(server, "rating")
    opener()
    url = f"{server.url}{'&' if '?' in server.url else '?'}namespace={opener.namespace}"
    told = runner().invoke(root, ["doctor", "--store", url, "--format", "json"], prog_name="undercroft")
    opener.clear()
    found = msgspec.json.decode(told.stdout)
    return {one["check"].partition(": ")[2]: one["level"] for one in found if one["check"].startswith("durability: ")}


DECIDING = {"postgresql": "fsync", "mariadb": "innodb_flush_log_at_trx_commit"}


@pytest.mark.promise("D1")
def test_doctor_is_content_with_a_durable_server(durable: Server):
    assert set(durability(durable).values()) == {"ok"}


@pytest.mark.promise("D1")
def test_doctor_warns_of_a_server_that_acknowledges_before_it_writes(fast: Server):
    found = durability(fast)
    assert found[DECIDING[fast.engine.name.partition("-")[0]]] == "warning"
    assert set(found.values()) <= {"ok", "warning"}

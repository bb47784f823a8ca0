"""`undercroft serve`, before it serves: ports, addresses, libraries. What it answers is tested in tests/api."""

from __future__ import annotations

import re
import socket
import sys
import time

import pytest

from tests.api.service import PATIENCE, Service, serving
from tests.cli.conftest import runner
from undercroft.cli.main import root


@pytest.fixture
def store(tmp_path):
    """The option that names an empty store."""
    from undercroft.core import settings

    yield f"events=sqlite:///{tmp_path}/e.db"
    settings.current.cache_clear()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    # The command leaves its options to the server's processes there.
    for name in ("API__PORT", "API__HOST", "EVENTS__CONNECTION"):
        monkeypatch.setenv(f"UNDERCROFT_{name}", "")
        monkeypatch.delenv(f"UNDERCROFT_{name}")


def refused(*arguments: str) -> str:
    """What is said about it; nothing else is."""
    result = runner().invoke(root, ["serve", *arguments])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


def test_a_port_in_use_is_named_with_the_way_out(store):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused("--store", store, "--port", str(port))
    assert (
        line == f"error: cannot listen on 127.0.0.1:{port}: another process listens there; stop it, or give another port by --port"
    )


def test_a_port_of_another_service_is_in_use(tmp_path):
    """Its processes share their port with each other, and with nobody else."""
    place = f"sqlite:///{tmp_path}/e.db"
    with serving(None, events=place) as first:
        second = Service(None, events=place, port=first.port)
        try:
            assert second.process.wait(PATIENCE) == 2
            assert second.log().startswith(f"error: cannot listen on 127.0.0.1:{first.port}: another process listens there")
        finally:
            second.close()


def test_an_address_of_another_machine(store, monkeypatch):
    from undercroft.api import auth

    monkeypatch.setattr(auth, "check_address", lambda *_: None)
    line = refused("--store", store, "--host", "192.0.2.1")
    assert line == "error: cannot listen on 192.0.2.1:8889: this machine has no such address; give one of its own by --host"


@pytest.mark.parametrize("name", ["granian", "falcon", "prometheus_client"])
def test_without_its_libraries_it_says_what_to_install(store, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    line = refused("--store", store)
    assert line == f"error: the service needs Python packages that are missing ({name}): pip install 'undercroft[server]'"


@pytest.mark.parametrize("form", ["text", "json"])
def test_it_says_that_it_listens_when_it_does_and_nothing_else(tmp_path, form):
    service = Service(None, "--log-format", form, events=f"sqlite:///{tmp_path}/e.db")
    try:
        end = time.monotonic() + PATIENCE
        while not service.log() and time.monotonic() < end:
            time.sleep(0.005)
        # Without another try.
        assert service.client.get("/healthz").status_code == 200
        service.stop()
        assert re.fullmatch(rf"listening on {service.url}, /events \(1 x \d+ threads\)\n", service.log())
    finally:
        service.close()

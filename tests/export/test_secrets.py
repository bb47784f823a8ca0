"""Secrets of the worker are in nothing that it writes, at debug level neither."""

from __future__ import annotations

import contextlib
import json
import logging
import pathlib
from typing import Any

import pytest

from tests.cli.conftest import runner
from tests.engines.run import free_ports
from tests.export.old_ceilometer import OldCeilometer
from tests.export.test_login import V2, served
from undercroft.cli.main import root
from undercroft.core.errors import UndercroftError
from undercroft.export.client import Client
from undercroft.export.login import login
from undercroft.export.settings import load
from undercroft.export.source import Source

pytestmark = pytest.mark.promise("S7")
CANARIES = ("canary-key", "canary-token", "canary-database", "canary%2Ddatabase")
LOGGERS = ("httpx", "httpcore", "keystoneauth", "keystoneauth1", "urllib3", "requests", "sqlalchemy", "undercroft")


def written(folder: pathlib.Path, **keys: Any) -> pathlib.Path:
    (folder / "secret").write_text("canary-key\n")
    values = {
        "tenant": "demo", "user": "ana", "connection": f"postgresql://ana:canary%2Ddatabase@127.0.0.1:{free_ports(1)[0]}/none",
        "timeout": 2, "retries": 0, **keys,
    }  # fmt: skip
    file = folder / "export.ini"
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    file.write_text(f"[exporter]\n{lines}[filter:all]\nmeters = *\n")
    return file


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in ("", *LOGGERS):
        caplog.set_level(logging.DEBUG, name)
    return caplog


def clean(*texts: str) -> None:
    for text in texts:
        for canary in CANARIES:
            assert canary not in text


@pytest.mark.parametrize("key", ["${CANARY}", "file:{folder}/secret", "canary-key"])
@pytest.mark.parametrize("auth", ["v2", "v3", "auto"])
def test_login_and_reading(tmp_path, everything, monkeypatch, key, auth):
    monkeypatch.setenv("CANARY", "canary-key")
    keystone = V2()
    texts = []
    with OldCeilometer() as old, served(keystone) as url:
        settings = load(written(tmp_path, auth_url=url, auth=auth, key=key.replace("{folder}", str(tmp_path)), endpoint=old.url))
        assert settings.key == "canary-key"
        texts += [repr(settings), str(settings)]
        with contextlib.closing(login(settings)) as mine, contextlib.closing(Client(settings, mine)) as client:
            texts.append(repr(mine))
            for _ in range(2):
                try:
                    Source(settings, client).meters(settings.filters[0])
                except UndercroftError as error:
                    texts += [str(error), repr(error)]
    clean(*texts, everything.text)


def test_a_fixed_token_that_is_refused(tmp_path, everything):
    with OldCeilometer() as old:
        old.faults = lambda *_: None
        settings = load(written(tmp_path, token="canary-token", endpoint=old.url))
        with contextlib.closing(login(settings)) as mine, contextlib.closing(Client(settings, mine)) as client:
            Source(settings, client).meters(settings.filters[0])
    clean(everything.text, repr(settings))


@pytest.mark.parametrize(
    "command", [("run", "--once"), ("run", "--dry-run"), ("check",), ("status",), ("backfill", "--from", "2026-01-01")]
)
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_commands(tmp_path, everything, command, debug):
    """The database is away, so that each has something to say about it."""
    with OldCeilometer() as old:
        file = written(tmp_path, token="canary-token", endpoint=old.url)
        done = runner().invoke(
            root, [*debug, "export", command[0], str(file), *command[1:], "--retries", "0"], prog_name="undercroft"
        )
    assert done.exit_code
    told = json.dumps([str(done.exception), repr(done.exception)])
    clean(done.stdout, done.stderr, told, everything.text)


@pytest.mark.parametrize(
    "keys",
    [
        {"connection": "canary-database"},
        {"connection": "postgresql://ana:canary-database@x@127.0.0.1/none"},
        {"connection": "oracle://ana:canary-database@127.0.0.1/none"},
        {"token": "canary-token", "endpoint": "not a url"},
        {"auth_url": "http://ana:canary-key@127.0.0.1/v3"},
        {"key": "canary-key", "auth_url": "ftp://x"},
        {"keey": "canary-key"},
    ],
)
def test_configurations_that_are_refused(tmp_path, everything, keys):
    file = written(tmp_path, **keys)
    done = runner().invoke(root, ["export", "status", str(file)], prog_name="undercroft")
    assert done.exit_code == 2
    clean(done.stdout, done.stderr, everything.text)

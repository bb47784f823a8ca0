"""Canaries: words put in every place that has something to hide, looked for in all that the service and the commands say.

Passwords and tokens are to be nowhere. Hosts, users, names of databases, paths and an engine's words are for the log and for the
operator's commands, and in no answer.
"""

from __future__ import annotations

import base64
import itertools
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import undercroft
from tests.api.answers import CLIENT
from tests.api.service import Service, frame, serving
from undercroft.api import kind as kinds

pytestmark = [pytest.mark.any_engine, pytest.mark.promise("S7")]
SECRET = ("canary-password", "canary-token", "canary-query", base64.b64encode(b"canary-password").decode())
PLACE = (
    "canary-user", "127.99.88.77", "canary-database", "canary-folder", "canary-file", "canary-proxy",
    "sqlite:", "postgresql:", "mariadb:", "mongodb:", "opensearch:",
    "Traceback", "sqlalchemy", "psycopg", "pymysql", "pymongo", "urllib3", "opensearchpy", "sqlite3", "[SQL",
)  # fmt: skip
ADMIN_TOKEN, MEMBER_TOKEN = "canary-token-admin", "canary-token-member"
CREDENTIALS = "canary-user:canary-password@canary-host.invalid:1/canary-database"
# None of these is ever reached: the names of `.invalid` belong to no machine.
AWAY = (
    f"postgresql://{CREDENTIALS}?sslpassword=canary-query&sslkey=/canary-folder/canary-file",
    f"opensearch://{CREDENTIALS}?ca_certs=/canary-folder/canary-file",
)
EVENT = {"message_id": "m", "event_type": "t", "generated": "2026-01-01T00:00:00", "traits": [["n", 2, 1]]}
SAMPLE = {
    "name": "cpu", "type": "gauge", "unit": "%", "volume": 1, "resource_id": "r", "timestamp": "2026-01-01", "id": "m",
}  # fmt: skip
KEYS = {
    "secret_key": "canary-password" * 3, "encryption_key": base64.b64encode(b"canary-password!" * 2).decode(), "admin_mode": "true",
}  # fmt: skip
MESSAGES = {"messages": [{"body": "x"}]}
BODIES: list[Any] = [
    MESSAGES,
    {"_enable_encrypt_messages": True},
    EVENT,
    SAMPLE,
    {},
    [5],
    {"dataframes": [frame("a")]},
    {"dataframes": 5},
]
QUERIES: list[dict[str, str]] = [{}, {"begin": "x"}, {"marker": "nobody"}, {"no-such-parameter": "1"}, {"format": "csv"}]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    found = tmp_path / "canary-folder"
    found.mkdir()
    (found / "canary-file-tokens").write_text(f"{ADMIN_TOKEN} p u admin\n{MEMBER_TOKEN} a u2 member\n")
    return found


def here(folder: pathlib.Path) -> str:
    return f"sqlite:///{folder}/canary-file.db"


@pytest.fixture(params=["here", "away"])
def places(request: pytest.FixtureRequest, folder: pathlib.Path) -> tuple[str, str]:
    """URLs of rated usage and of events."""
    if request.param == "away":
        return AWAY
    for kind in ("rating", "events", "metering", "messaging"):
        store = undercroft.connect(kind, here(folder))
        store.init()
        store.close()
    return here(folder), here(folder)


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and the rest of requests that are right, wrong, and not allowed, on every route."""
    own = [("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing", "/rating/nothing")]
    routes = [
        (route.method, re.sub(r"\{[^}]*\}", "x", f"/{api.name}{route.path.removeprefix(f'/{api.name}')}"))
        for api, route in kinds.routes()
    ]
    for method, path in [*own, *routes]:
        for token, query in itertools.product((ADMIN_TOKEN, MEMBER_TOKEN, "canary-token-of-nobody"), QUERIES):
            if token != ADMIN_TOKEN and query:
                continue
            headers = {"X-Auth-Token": token, "X-Forwarded-For": "canary-proxy", **CLIENT}
            if method in ("POST", "PUT", "DELETE"):
                for body in BODIES if not query else ():
                    yield method, path, {"headers": headers, "json": body}
            else:
                # A tail or a stream ends at once.
                yield method, path, {"headers": headers, "params": {**query, **({"seconds": "0"} if "tail" in path else {})}}


def texts(service: Service) -> Iterator[tuple[str, str]]:
    """All that it answers."""
    for method, path, rest in requests():
        try:
            answer = service.client.request(method, path, **rest)
        except httpx.TransportError:
            # Broken off, as senders of events want it.
            continue
        yield f"{method} {path} {answer.status_code}", "\n".join([*map(str, answer.headers.items()), answer.text])


def titles(service: Service) -> str:
    return " ".join(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in service.pids())


def found(words: tuple[str, ...], text: str) -> list[str]:
    return [word for word in words if word in text]


@pytest.mark.parametrize(("places", "is_gone"), [("here", False), ("here", True)], indirect=["places"])
def test_no_answer_no_log_and_no_title_has_a_secret(places, is_gone, folder, record):
    rating, events = places
    settings = {"auth": "tokens", "token_file": folder / "canary-file-tokens", "deadline": 1}
    program = "tests.api.talkative"
    with serving(
        rating, events=events, metering=rating, messaging=rating, program=program, messaging_settings=KEYS, **settings
    ) as service:  # fmt: skip
        if is_gone:
            for file in folder.glob("canary-file.db*"):
                file.unlink()
        said = list(texts(service))
        title = titles(service)
        service.kill()
        log = (pathlib.Path(service._folder.name) / "log").read_text() + service.log()
    for what, text in said:
        assert not found(SECRET, text), what
        if "openapi" not in what:
            assert not found(PLACE, text), (what, text[:600])
        else:
            assert not found(PLACE[:6], text), what
    assert not found(SECRET, log)
    assert not found(SECRET, title)
    failed = [each for each in (re.search(r"request (req-[0-9a-f-]{36})", text) for _, text in said) if each]
    assert all(each[1] in log for each in failed), "an answer names a request that the log does not know"
    record(answers=len(said), failures=len(failed), secrets=0)
    assert bool(failed) == is_gone


COMMANDS = [
    ["config", "show"], ["config", "show", "--format", "json"], ["doctor"], ["--debug", "doctor"], ["db", "check"],
    ["--debug", "db", "check"], ["rating", "total"], ["--debug", "events", "list"], ["worker", "--once"], ["serve", "--help"],
]  # fmt: skip


def test_no_command_prints_a_secret(places, folder, record):
    rating, events = places
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UNDERCROFT_", "COV", "PYTEST"))}
    file = folder / "canary-file.conf"
    file.write_text(f"[rating]\nconnection = {rating}\n[api]\nauth = tokens\ntoken_file = {folder}/canary-file-tokens\n")
    environment |= {"UNDERCROFT_EVENTS__CONNECTION": events, "UNDERCROFT_CONFIG": str(file), "TMPDIR": str(folder)}
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.api.talkative", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        log = (folder / "log").read_text()
        assert not found(SECRET, done.stdout + done.stderr + log), command
    record(commands=len(COMMANDS), secrets=0)

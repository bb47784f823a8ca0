"""Real servers of the tests' own, and one that answers what a test says."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import hiredis
import pytest

from tests.engines import run
from undercroft.engines.redis import EngineOptions, Redis

Answers = Callable[[list[bytes]], bytes | None]
# What a server without cluster mode says when it is looked at.
ALONE = {
    b"CLUSTER": b"-ERR This instance has cluster support disabled\r\n",
    b"ROLE": b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
    b"CLIENT": b"+OK\r\n",
}


class Scripted(socketserver.ThreadingTCPServer):
    """A server that answers each command by a function; None closes the connection.

    Attributes:
        asked: the commands that came, but for those of the login and of looking for servers.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answers = answers
        self.asked: list[list[bytes]] = []
        self.place = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Connection(socketserver.BaseRequestHandler):
    request: socket.socket
    server: Scripted

    def handle(self) -> None:
        reader = hiredis.Reader()
        while piece := self.request.recv(65_536):
            reader.feed(piece)
            while (words := reader.gets()) is not False:
                answer = self.server.answers(words)
                if answer is None:
                    return
                if words[0] not in ALONE:
                    self.server.asked.append(words)
                with contextlib.suppress(OSError):
                    self.request.sendall(answer)


@pytest.fixture
def scripted() -> Iterator[Callable[[Answers], Scripted]]:
    """Starts servers that answer by a function; what it does not answer (b"") is answered as by a server without cluster mode."""
    servers: list[Scripted] = []

    def start(answers: Answers) -> Scripted:
        def all_answers(words: list[bytes]) -> bytes | None:
            found = answers(words)
            return ALONE.get(words[0], b"") if found == b"" else found

        servers.append(Scripted(all_answers))
        return servers[-1]

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


class Started:
    """Real servers, each in a folder of its own."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._known: dict[str, tuple[run.Engine, pathlib.Path, int]] = {}

    def __call__(self, arguments: str = "", script: str = "start-redis.sh") -> str:
        """The URL of a new one, with further arguments."""
        engine = run.Engine("redis", [], "", everywhere=False, start=script, environment={"REDIS_ARGS": arguments})
        folder = self._folders.mktemp("redis")
        (port,) = run.free_ports(1)
        url = run.start(engine, folder, port)["url"]
        self._known[url] = engine, folder, port
        return url

    def again(self, url: str) -> None:
        """Start those of its processes that have ended, on what they left."""
        assert run.start(*self._known[url])["url"] == url

    def stop(self) -> None:
        for _, folder, _ in self._known.values():
            run.stop(folder)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Starts real servers."""
    if shutil.which("redis-server") is None:
        pytest.skip("NOT RUN: no redis-server on this machine")
    found = Started(tmp_path_factory)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def url(started: Started) -> str:
    """A real server, shared by the tests that change none of its settings."""
    return started()


@pytest.fixture
def connect() -> Iterator[Callable[..., Redis]]:
    """Opens clients, and closes them."""
    opened: list[Redis] = []

    def at(url: str, **options: object) -> Redis:
        opened.append(Redis.open(url, EngineOptions, options)[0])
        return opened[-1]

    yield at
    for each in opened:
        each.close()


@pytest.fixture
def redis(url: str, connect: Callable[..., Redis]) -> Iterator[Redis]:
    """A client of the real server, which is emptied after the test."""
    found = connect(url)
    yield found
    found.command(None, "FLUSHALL", writes=True)

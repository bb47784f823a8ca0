"""Redis refuses: by rights that are withdrawn, a login that is changed, and by its own errors, which a proxy answers with.

Full memory, a full disk and the like are settings of the whole server, which other tests use, too.
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import socketserver
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import redis

from tests.chaos.refusals import TOLD, Refusal, Way, named
from undercroft.conformance.plugin import Opener

# A script that writes, or one that reads: a client cannot tell before it has sent the script.
_SCRIPT = re.compile(rb"\r\n\$\d+\r\nEVAL(?:SHA)?\r\n")
_PASSWORD = "secret"
T = TypeVar("T")
_shared: dict[tuple[str, str], Any] = {}


class _Proxy(socketserver.ThreadingTCPServer):
    """Passes commands on; answers scripts by itself while it has an error to answer with."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, server: tuple[str, int]) -> None:
        self.server, self.error = server, b""
        super().__init__(("127.0.0.1", 0), _Connection)

    server: tuple[str, int]
    error: bytes


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        with socket.create_connection(self.server.server) as upstream, contextlib.suppress(OSError):
            threading.Thread(target=self._answers, args=(upstream,), daemon=True).start()
            while data := self.request.recv(1 << 16):
                scripts = len(_SCRIPT.findall(data))
                if self.server.error and scripts:
                    self.request.sendall(self.server.error * scripts)
                else:
                    upstream.sendall(data)

    def _answers(self, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(1 << 16):
                self.request.sendall(data)


@contextlib.contextmanager
def _once(opener: Opener, name: str, make: Callable[[Opener], contextlib.AbstractContextManager[T]]) -> Iterator[T]:
    """What `make` gives; ways of one opener that are prepared at a time share it, and a service at its URL."""
    key = (name, opener.namespace)
    if key not in _shared:
        stack = contextlib.ExitStack()
        _shared[key] = [stack.enter_context(make(opener)), stack, 0]
    _shared[key][2] += 1
    try:
        yield _shared[key][0]
    finally:
        _shared[key][2] -= 1
        if not _shared[key][2]:
            _shared.pop(key)[1].close()


@contextlib.contextmanager
def _proxy(opener: Opener) -> Iterator[_Proxy]:
    parts = urllib.parse.urlsplit(opener.url)
    with _Proxy((parts.hostname or "", parts.port or 6379)) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()


@contextlib.contextmanager
def _answered(opener: Opener, error: str) -> Iterator[Refusal]:
    """Every script is answered with an error."""
    with _once(opener, "proxy", _proxy) as proxy:

        def answer_with(error: str) -> None:
            proxy.error = f"-{error} {TOLD}\r\n".encode() if error else b""

        url = named(opener, urllib.parse.urlsplit(opener.url)._replace(netloc=f"127.0.0.1:{proxy.server_address[1]}").geturl())
        yield Refusal(url, functools.partial(answer_with, error), functools.partial(answer_with, ""))


@contextlib.contextmanager
def _user(opener: Opener) -> Iterator[tuple[redis.Redis, str, str]]:
    """The administrator, a user who may do everything, and the URL of the user's store."""
    parts = urllib.parse.urlsplit(opener.url)
    user = f"{opener.namespace}_user"
    with contextlib.closing(redis.Redis(host=parts.hostname or "", port=parts.port or 6379)) as server:
        server.execute_command("ACL", "SETUSER", user, "on", f">{_PASSWORD}", "~*", "&*", "+@all")
        try:
            yield server, user, named(opener, parts._replace(netloc=f"{user}:{_PASSWORD}@{parts.hostname}:{parts.port}").geturl())
        finally:
            server.execute_command("ACL", "DELUSER", user)


@contextlib.contextmanager
def _rule(opener: Opener, begin: Sequence[str], end: Sequence[str], *, kill: bool = False) -> Iterator[Refusal]:
    """The user is set to something else; `kill`: the connections are closed, since what is set is asked when they are made."""
    with _once(opener, "user", _user) as (server, user, url):

        def refuse() -> None:
            server.execute_command("ACL", "SETUSER", user, *begin)
            if kill:
                server.execute_command("CLIENT", "KILL", "USER", user)

        yield Refusal(url, refuse, lambda: server.execute_command("ACL", "SETUSER", user, *end))


WAYS: Mapping[str, Way] = {
    "rights withdrawn (NOPERM)": functools.partial(_rule, begin=["-eval", "-evalsha"], end=["+eval", "+evalsha"]),
    "keys of somebody else (NOPERM)": functools.partial(_rule, begin=["resetkeys", "~other:*"], end=["~*"]),
    "password changed (WRONGPASS)": functools.partial(_rule, begin=["resetpass", ">other"], end=[f">{_PASSWORD}"], kill=True),
    "memory full (OOM)": functools.partial(_answered, error="OOM command not allowed when used memory > 'maxmemory'."),
    "disk full (MISCONF)": functools.partial(_answered, error="MISCONF Errors writing to the AOF file"),
    "read only (READONLY)": functools.partial(_answered, error="READONLY You can't write against a read only replica."),
    "still loading (LOADING)": functools.partial(_answered, error="LOADING Redis is loading the dataset in memory"),
    "busy with a script (BUSY)": functools.partial(_answered, error="BUSY Redis is busy running a script."),
    "a cluster that is down (CLUSTERDOWN)": functools.partial(_answered, error="CLUSTERDOWN The cluster is down"),
    "an unknown code": functools.partial(_answered, error="WHATEVER"),
    "an error of the script's own (ERR)": functools.partial(_answered, error="ERR Error running script"),
}

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
from collections.abc import Iterator, Mapping

import redis

from tests.chaos.refusals import TOLD, Refusal, Way, named
from undercroft.conformance.plugin import Opener

# A script that writes, or one that reads: a client cannot tell before it has sent the script.
_SCRIPT = re.compile(rb"\r\n\$\d+\r\nEVAL(?:SHA)?\r\n")
_PASSWORD = "secret"


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
def _answered(opener: Opener, error: str) -> Iterator[Refusal]:
    """Every script is answered with an error."""
    parts = urllib.parse.urlsplit(opener.url)
    with _Proxy((parts.hostname or "", parts.port or 6379)) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()

        def answer_with(error: str) -> None:
            proxy.error = f"-{error} {TOLD}\r\n".encode() if error else b""

        url = named(opener, parts._replace(netloc=f"127.0.0.1:{proxy.server_address[1]}").geturl())
        try:
            yield Refusal(url, functools.partial(answer_with, error), functools.partial(answer_with, ""))
        finally:
            proxy.shutdown()


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
def _rights(opener: Opener) -> Iterator[Refusal]:
    """The right to run scripts is withdrawn."""
    with _user(opener) as (server, user, url):
        yield Refusal(
            url,
            lambda: server.execute_command("ACL", "SETUSER", user, "-eval", "-evalsha"),
            lambda: server.execute_command("ACL", "SETUSER", user, "+eval", "+evalsha"),
        )


@contextlib.contextmanager
def _keys(opener: Opener) -> Iterator[Refusal]:
    """The keys are somebody else's."""
    with _user(opener) as (server, user, url):
        yield Refusal(
            url,
            lambda: server.execute_command("ACL", "SETUSER", user, "resetkeys", "~other:*"),
            lambda: server.execute_command("ACL", "SETUSER", user, "~*"),
        )


@contextlib.contextmanager
def _login(opener: Opener) -> Iterator[Refusal]:
    """The user's password is another one, and the connections are closed."""
    with _user(opener) as (server, user, url):

        def begin() -> None:
            server.execute_command("ACL", "SETUSER", user, "resetpass", ">another")
            server.execute_command("CLIENT", "KILL", "USER", user)

        yield Refusal(url, begin, lambda: server.execute_command("ACL", "SETUSER", user, f">{_PASSWORD}"))


WAYS: Mapping[str, Way] = {
    "rights withdrawn (NOPERM)": _rights,
    "keys of somebody else (NOPERM)": _keys,
    "password changed (WRONGPASS)": _login,
    "memory full (OOM)": functools.partial(_answered, error="OOM command not allowed when used memory > 'maxmemory'."),
    "disk full (MISCONF)": functools.partial(_answered, error="MISCONF Errors writing to the AOF file"),
    "read only (READONLY)": functools.partial(_answered, error="READONLY You can't write against a read only replica."),
    "still loading (LOADING)": functools.partial(_answered, error="LOADING Redis is loading the dataset in memory"),
    "busy with a script (BUSY)": functools.partial(_answered, error="BUSY Redis is busy running a script."),
    "a cluster that is down (CLUSTERDOWN)": functools.partial(_answered, error="CLUSTERDOWN The cluster is down"),
    "an unknown code": functools.partial(_answered, error="WHATEVER"),
    "an error of the script's own (ERR)": functools.partial(_answered, error="ERR Error running script"),
}

"""A request of ASGI as WSGI's `environ`."""

from __future__ import annotations

import io
import sys
import urllib.parse
from collections.abc import Mapping
from typing import Any

_BARE = {"CONTENT_TYPE", "CONTENT_LENGTH"}


class BodyWanted(BaseException):
    """The application reads a body that is not there yet. No `Exception`: nothing but the front may catch it."""


class Unread(io.RawIOBase):
    """In the place of a body that is not there: it tells that somebody wants it."""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, _buffer: Any) -> int:
        """Raise `BodyWanted`."""
        raise BodyWanted

    def readall(self) -> bytes:
        """Raise `BodyWanted`."""
        raise BodyWanted


def make(scope: Mapping[str, Any], body: bytes | None) -> dict[str, Any]:
    """The `environ` of a request.

    A header whose name has an underscore is left out: `X-Roles` and `X_Roles` are one name here, and a proxy that takes away the
    first would let the second through.

    Args:
        scope: what the server tells of the request.
        body: all of it; None when it is not there.
    """
    raw: bytes | None = scope.get("raw_path")
    path = scope["path"].encode("utf-8", "surrogateescape") if raw is None else urllib.parse.unquote_to_bytes(raw)
    host, port = scope.get("server") or ("localhost", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": Unread() if body is None else io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name:
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in _BARE else f"HTTP_{key}"
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    return environ

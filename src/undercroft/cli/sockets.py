"""What `serve` does about sockets beside its HTTP server: a port that is free, enough open files, and word when it listens."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import threading
from collections.abc import Callable

from undercroft.core.errors import ConfigInvalid

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
_LOOK_SECONDS = 0.05


def joined(host: str, port: int) -> str:
    """Host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_address(host: str, port: int) -> str:
    """The numeric address of `host`, when its port can be listened on.

    The HTTP server shares its port with its other processes, so it would share it with another service as well, without a word.

    Raises:
        ConfigInvalid: it cannot; says why and what to do.
    """
    place = joined(host, port)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ConfigInvalid(
            f"cannot listen on {place}: {error.strerror or error}; give an address of this machine by --host"
        ) from None
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        out = {
            errno.EADDRINUSE: "another process listens there; stop it, or give another port by --port",
            errno.EADDRNOTAVAIL: "this machine has no such address; give one of its own by --host",
            errno.EACCES: "only root may listen there; give a port above 1023 by --port",
        }
        told = out.get(error.errno or 0, error.strerror or str(error))
        raise ConfigInvalid(f"cannot listen on {place}: {told}") from None
    return str(address[0])


def allow_many() -> None:
    """Let this process, and those it starts, have as many open files as the system allows them: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system without a limit may still refuse to be told so.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def when_bound(address: str, port: int, tell: Callable[[], object]) -> None:
    """Call `tell`, from another thread, once connections to an address are taken."""

    def look() -> None:
        pause = threading.Event()
        while True:
            with contextlib.suppress(OSError), socket.create_connection((_EVERYWHERE.get(address, address), port), timeout=1):
                tell()
                return
            pause.wait(_LOOK_SECONDS)

    threading.Thread(target=look, name="undercroft-bound", daemon=True).start()

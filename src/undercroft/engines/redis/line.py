"""One connection to one server: redis-py connects it and logs in; what goes over it is hiredis' and ours, and never repeated.

redis-py's own reading begins its time anew with each piece of an answer, and costs some microseconds more.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import hiredis
from redis import connection, exceptions

from undercroft.engines import connecting
from undercroft.engines.redis import errors
from undercroft.engines.redis.address import Address, Node
from undercroft.engines.redis.errors import Refused
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.redis.script import Word

# Its annotation asks for a tuple of one.
pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]
_ASKING = pack((b"ASKING",))
_PIECE = 65_536
_MORE = object()


class _Parser(connection.DefaultParser):  # type: ignore[misc,valid-type]
    """Tells the code of every error of the login, also of those that redis-py knows by a class of its own."""

    @classmethod
    def parse_error(cls, response: str) -> Refused:
        return Refused(response)


class Login:
    """How connections are made: by address and options. Immutable.

    Attributes:
        place: the URL without a password, for messages.
        timeout: seconds to wait for a connection.
    """

    def __init__(self, address: Address, options: EngineOptions) -> None:
        self.place = address.place
        self.timeout = options.connect_timeout
        self._kind: Any = connection.SSLConnection if address.tls else connection.Connection
        self._arguments: dict[str, Any] = {
            "db": address.database, "username": address.user, "password": address.password,
            "socket_timeout": options.statement_timeout, "socket_connect_timeout": options.connect_timeout,
            "socket_keepalive": True, "protocol": 2, "parser_class": _Parser,
        }  # fmt: skip
        if address.tls:
            self._arguments |= {
                "ssl_ca_certs": options.ca_certs, "ssl_certfile": options.certfile,
                "ssl_keyfile": options.keyfile or options.certfile, "ssl_cert_reqs": "required", "ssl_check_hostname": True,
            }  # fmt: skip

    def connect(self, node: Node) -> Line:
        """A new connection, within the deadline of the work at hand.

        Raises:
            Unsent: the server takes none.
            Denied: it does not take the login, or its certificate is not trusted.
        """
        made = connecting.in_time(lambda: self._connect(node), self.place) or self._connect(node)
        return Line(made, node, self.place)

    def _connect(self, node: Node) -> _Closing:
        own = self._kind(host=node.host, port=node.port, **self._arguments)
        try:
            own.connect()
        except (exceptions.RedisError, OSError) as failure:
            # Here, since another thread that raises it puts another context in the place of the cause.
            raise errors.not_connected(failure, self.place) from failure
        return _Closing(own)


class _Closing:
    """redis-py's connection with the method that a connection too late is closed by."""

    def __init__(self, own: Any) -> None:
        self.own = own

    def close(self) -> None:
        self.own.disconnect()


class Line:
    """A connection in the hands of one thread.

    Attributes:
        node: the server.
    """

    __slots__ = ("_own", "_piece", "_place", "_poll", "_reader", "_socket", "node")

    def __init__(self, made: _Closing, node: Node, place: str) -> None:
        self._own = made.own
        self._place = f"{place} ({node})"
        # redis-py has no public attribute for the socket.
        self._socket: socket.socket = self._own._sock
        # Its annotations know no bytearray.
        self._reader: Any = hiredis.Reader(protocolError=exceptions.InvalidResponse, replyError=Refused, notEnoughData=_MORE)
        self._piece = bytearray(_PIECE)
        self._poll: select.poll | None = None
        self.node = node

    def ask(self, packed: bytes, seconds: float) -> Any:
        """The answer to a packed command, within so many seconds.

        Raises:
            Refused: it is an error.
            Unsent, Broken: there is none.
        """
        until = time.monotonic() + seconds
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(packed)
        except OSError as failure:
            # The server does nothing of a command that it has not whole.
            raise errors.unsent(failure, self._place) from failure
        return self.read(until)

    def ask_there(self, packed: bytes, seconds: float) -> Any:
        """The same, of a slot that is on its way to this server."""
        until = time.monotonic() + seconds
        self.send(_ASKING + packed, seconds)
        self.read(until)
        return self.read(until)

    def send(self, packed: bytes, seconds: float) -> None:
        """Send packed commands; `read` gives the answers one after the other.

        Raises:
            Broken: the server may have some of them.
        """
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(packed)
        except OSError as failure:
            raise errors.unanswered(failure, self._place) from failure

    def read(self, until: float) -> Any:
        """The next answer, until a moment of the monotonic clock; raises as `ask`."""
        reader = self._reader
        try:
            while (answer := reader.gets()) is _MORE:
                self._fill(until)
        except (OSError, exceptions.InvalidResponse) as failure:
            raise errors.unanswered(failure, self._place) from failure
        if isinstance(answer, Refused):
            raise answer
        return answer

    def _fill(self, until: float) -> None:
        """Read the next piece."""
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        count = self._socket.recv_into(self._piece)
        if not count:
            raise ConnectionResetError("the server closed it")
        self._reader.feed(self._piece, 0, count)

    def fileno(self) -> int:
        """Of its socket, to wait for several at once."""
        return self._socket.fileno()

    def is_closed(self) -> bool:
        """Whether the server has closed it, or has sent what nobody asked for."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
        return bool(self._poll.poll(0))

    def cut(self) -> None:
        """End what is waited for, from another thread."""
        # A second handle on the same socket: shutting that down ends the read, also below TLS.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket.fileno())) as handle:
            handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self._own.disconnect()

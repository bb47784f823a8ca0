"""One connection to one server: redis-py connects it, logs in and reads; it repeats nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable
from typing import Any

import hiredis
from redis import connection, exceptions

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.engines import connecting
from undercroft.engines.redis import errors
from undercroft.engines.redis.address import Address, Node
from undercroft.engines.redis.errors import Refused
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.redis.script import Word

# Its annotation asks for a tuple of one.
pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]
_ASKING = pack((b"ASKING",))


class _Parser(connection.DefaultParser):  # type: ignore[misc,valid-type]
    """Tells the code of every error, also of those that redis-py knows by a class of its own."""

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
        try:
            made = connecting.in_time(lambda: self._connect(node), self.place) or self._connect(node)
        except exceptions.RedisError as failure:
            raise errors.not_connected(failure, self.place) from failure
        except OSError as failure:
            raise errors.Unsent(f"{self.place}: {failure}") from failure
        return Line(made, node, self.place)

    def _connect(self, node: Node) -> _Closing:
        own = self._kind(host=node.host, port=node.port, **self._arguments)
        own.connect()
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
        idle_since: when it came back to the pool, by the monotonic clock.
    """

    __slots__ = ("_own", "_place", "_poll", "_socket", "idle_since", "node")

    def __init__(self, made: Any, node: Node, place: str) -> None:
        self._own = made.own
        self._place = f"{place} ({node})"
        # There is no public way to the socket, which alone can be cut off from another thread.
        self._socket: socket.socket = self._own._sock
        self._poll: select.poll | None = None
        self.node = node
        self.idle_since = 0.0

    def ask(self, packed: bytes) -> Any:
        """The answer to a packed command.

        Raises:
            Refused: it is an error.
            Unsent, Broken: there is none.
        """
        try:
            self._own.send_packed_command((packed,), False)
        except exceptions.RedisError as failure:
            raise errors.unsent(failure, self._place) from failure
        return self.read()

    def ask_there(self, packed: bytes) -> Any:
        """The same, of a slot that is on its way to this server."""
        self.send(_ASKING + packed)
        self.read()
        return self.read()

    def send(self, packed: bytes) -> None:
        """Send packed commands; `read` gives the answers one after the other.

        Raises:
            Broken: the server may have some of them.
        """
        try:
            self._own.send_packed_command((packed,), False)
        except exceptions.RedisError as failure:
            raise errors.unanswered(failure, self._place) from failure

    def read(self) -> Any:
        """The next answer; raises as `ask`."""
        try:
            return self._own.read_response()
        except Refused:
            raise
        except exceptions.RedisError as failure:
            raise errors.unanswered(failure, self._place) from failure

    def has_come(self, seconds: float) -> bool:
        """Whether an answer, or the end of the connection, comes within so many seconds."""
        try:
            return bool(self._own.can_read(seconds))
        except exceptions.RedisError as failure:
            raise errors.unanswered(failure, self._place) from failure

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


def check_time(place: str) -> None:
    """Raise `Unavailable` when no time is left: nothing is sent then."""
    if deadline.remaining() == 0:
        raise Unavailable(f"{place}: the time for this request was over before the command was sent")

"""POST to a receiver that a user named: to a checked address, within a deadline, with little of the answer read.

This is `http.client` of the standard library, because that does nothing of its own accord: it follows no redirect, asks no proxy,
reads no `.netrc`, keeps no cookies, unpacks nothing. A connection is made here, to an address that was checked, and kept for
further requests to the same host and port; a name is resolved once for each connection.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.engines.addresses import Address, Guard, literal
from undercroft.engines.bounded import Bounded, Full
from undercroft.engines.keeping import Keeping
from undercroft.engines.resolving import Resolver

# Bytes of an answer that are read, its head included.
LARGEST = 64 * 1024
# Seconds that a request may take, from the look-up of the name to the end of the answer.
SECONDS = 5.0
# Addresses of a host that are tried, and bytes of an answer that are read at once.
_TRIED, _PART = 4, 16 * 1024


class Target(NamedTuple):
    """Where a request goes.

    Attributes:
        is_tls: whether over TLS.
        host: a name, or an address without brackets, in ASCII.
        port: of TCP.
        path: with the query.
    """

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host as the header of this name has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


class Answered(NamedTuple):
    """What came back.

    Attributes:
        status: of HTTP.
        retry_after: the header.
    """

    status: int
    retry_after: str | None


class Poster:
    """Sends POSTs; threads may share it.

    Args:
        guard: tells which addresses may be reached.
        tls: gives what checks certificates; asked when the first connection with TLS is made.
        resolver: finds addresses.
        seconds: that a request may take.
    """

    def __init__(
        self, guard: Guard, tls: Callable[[], ssl.SSLContext], resolver: Resolver | None = None, seconds: float = SECONDS
    ) -> None:
        self._guard, self._seconds = guard, seconds
        self._resolver = Resolver() if resolver is None else resolver
        self._tls = tls
        self._kept: Keeping[_Connection] = Keeping()

    def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answered:
        """Send one request.

        Args:
            target: where to.
            headers: valid ones, without those of the connection and the host.
            body: what is sent.

        Raises:
            Forbidden: the host has an address that must not be reached; nothing was sent.
            Unavailable: no connection, no certificate that is valid, or no answer in time.
        """
        receiver = target._replace(path="")
        with deadline.within(self._seconds):
            kept = self._kept.take(receiver)
            if kept is not None:
                try:
                    return self._exchanged(receiver, kept, target.path, headers, body)
                except _Gone:
                    # The receiver closed it, as it may at any time. It knows by `webhook-id` what it has had.
                    pass
            return self._exchanged(receiver, self._connected(receiver), target.path, headers, body)

    def _connected(self, receiver: Target) -> _Connection:
        known = literal(receiver.host)
        addresses: Sequence[Address] = [known] if known is not None else self._resolver.addresses(receiver.host)
        self._guard.check(addresses)
        bare = _dialled(addresses[:_TRIED], receiver.port)
        try:
            return _Connection(receiver, Bounded(self._secured(bare, receiver) if receiver.is_tls else bare))
        except BaseException:
            bare.close()
            raise

    def _secured(self, bare: socket.socket, receiver: Target) -> socket.socket:
        bare.settimeout(_left())
        try:
            return self._tls().wrap_socket(bare, server_hostname=receiver.host)
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(f"the certificate is not valid: {error.verify_message or error.reason}") from None
        except TimeoutError:
            raise Unavailable("TLS was not agreed on in time") from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"TLS was not agreed on: {_told(error)}") from None

    def _exchanged(self, receiver: Target, connection: _Connection, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        can_be_kept = False
        try:
            answered, can_be_kept = connection.exchanged(path, headers, body)
        except TimeoutError:
            raise Unavailable(f"no answer within {self._seconds:g} s") from None
        except Full:
            raise Unavailable(f"the head of the answer is larger than {LARGEST // 1024} KiB") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the answer broke off: {_told(error)}") from None
        finally:
            if can_be_kept:
                self._kept.put(receiver, connection)
            else:
                connection.shut()
        return answered

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._kept.close()


class _Gone(Unavailable):
    """The receiver has closed a connection that was kept."""


class _Connection(http.client.HTTPConnection):
    """A connection to a checked address."""

    # It never connects by itself, which would be to an address that was not checked.
    auto_open = 0

    def __init__(self, receiver: Target, bounded: Bounded) -> None:
        super().__init__(receiver.host, receiver.port)
        self._authority = receiver.authority
        self._bounded = bounded
        self._has_served = False
        self.born = self.used = time.monotonic()

    def connect(self) -> None:
        """Refuse to: the connection is made before."""
        raise http.client.NotConnected

    def exchanged(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Answered, bool]:
        """The answer to a request, and whether the connection can be used again."""
        self._bounded.allow(LARGEST, deadline.remaining)
        self.sock = self._bounded
        try:
            response = self._answer(path, headers, body)
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            if self._has_served and not self._bounded.has_read:
                raise _Gone(_told(error)) from None
            raise
        self._has_served = True
        answered = Answered(response.status, response.headers.get("retry-after"))
        try:
            # By and by: a buffer for all of it would be as large as the receiver says.
            while response.read(_PART):
                pass
        except (OSError, http.client.HTTPException):
            # The answer was given; what follows is of no use to us.
            return answered, False
        return answered, not response.will_close and response.status >= http.client.OK

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> http.client.HTTPResponse:
        """The head of the answer to a request."""
        self.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", self._authority)
        for name, value in headers.items():
            self.putheader(name, value)
        self.putheader("Content-Length", str(len(body)))
        self.endheaders(body)
        response = self.getresponse()
        if self._bounded.has_ended:
            # The library takes the end of a connection for the end of the head.
            raise http.client.RemoteDisconnected("the connection ended in the head of the answer")
        return response

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: neither its end, nor an answer to no request."""
        poll = select.poll()
        poll.register(self._bounded.fileno(), select.POLLIN)
        return not poll.poll(0)

    def shut(self) -> None:
        """End the connection."""
        self._bounded.shut()


def _dialled(addresses: Sequence[Address], port: int) -> socket.socket:
    """A connection to the first of the addresses that takes one."""
    failure: OSError | None = None
    for place, address in enumerate(addresses):
        bare = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Each of them has its part of the time.
            bare.settimeout(_left() / (len(addresses) - place))
            bare.connect((str(address), port))
            # The head and the body are sent one after the other.
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            bare.close()
            failure = error
        else:
            return bare
    raise Unavailable(f"no connection: {_told(failure)}")


def _left() -> float:
    """Seconds left; a socket takes 0 for "do not wait"."""
    return max(deadline.remaining() or 0.0, 0.001)


def _told(error: Exception | None) -> str:
    """What a library says, in one line; nothing of a receiver's answer."""
    if isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected):
        return type(error).__name__
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__

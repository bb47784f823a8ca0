"""Addresses of names, within a deadline: the system's own look-up has none."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.engines.addresses import Address

Lookup = Callable[[str], Sequence[str]]
# Names that may be looked up at once: a thread is left behind for each that is not answered, for as long as the system waits.
_MOST = 64


def system(host: str) -> Sequence[str]:
    """The addresses of a name, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Resolver:
    """Looks names up, each once at a time; threads may share it.

    Args:
        lookup: gives the addresses of a name; raises OSError.
        most: names that may be looked up at once.
    """

    def __init__(self, lookup: Lookup = system, most: int = _MOST) -> None:
        self._lookup, self._most = lookup, most
        self._turn = threading.Lock()
        self._under_way: dict[str, concurrent.futures.Future[Sequence[Address]]] = {}

    def addresses(self, host: str) -> Sequence[Address]:
        """All addresses of a name, the preferred one first.

        Raises:
            Unavailable: it has none, or they were not found within the deadline of the work at hand.
        """
        waited = self._begun(host)
        try:
            return waited.result(deadline.remaining())
        except TimeoutError:
            raise Unavailable("the name of the host was not resolved in time") from None
        except (OSError, UnicodeError, ValueError) as error:
            raise Unavailable(f"the name of the host is not resolved: {getattr(error, 'strerror', None) or error}") from None

    def _begun(self, host: str) -> concurrent.futures.Future[Sequence[Address]]:
        with self._turn:
            found = self._under_way.get(host)
            if found is None:
                if len(self._under_way) >= self._most:
                    raise Unavailable("too many names of hosts are being resolved")
                found = self._under_way[host] = concurrent.futures.Future()
                threading.Thread(target=self._run, args=(host, found), name="undercroft-resolve", daemon=True).start()
        return found

    def _run(self, host: str, found: concurrent.futures.Future[Sequence[Address]]) -> None:
        addresses: Sequence[Address] = ()
        failure: BaseException | None = None
        try:
            # A scope (fe80::1%eth0) belongs to this machine, not to the address.
            texts = [text.partition("%")[0] for text in self._lookup(host)]
            addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]
        except BaseException as error:  # noqa: BLE001 - those who wait get it
            failure = error
        with self._turn:
            del self._under_way[host]
        if failure is None and not addresses:
            failure = OSError("it has no address")
        if failure is None:
            found.set_result(addresses)
        else:
            found.set_exception(failure)

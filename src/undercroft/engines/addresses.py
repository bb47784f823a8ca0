"""Which addresses a URL of a user may reach: public ones, and those of networks that the operator allows.

The list of what is refused is written out. The properties of `ipaddress` call addresses public that lead elsewhere: those that
stand for an IPv4 address (NAT64, 6to4), and multicast.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence

from undercroft.core.errors import ConfigInvalid, NotPermitted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by carriers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "metadata of a cloud",
    "169.254.0.0/16": "link local, metadata of a cloud",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "of protocols, metadata of a cloud",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "of protocols",
    "192.52.193.0/24": "of protocols",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "of protocols",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, broadcast",
    "::1/128": "loopback",
    "::/96": "IPv4-compatible, unspecified",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "100::/64": "discarded",
    "2001::/32": "Teredo",
    "2001::/23": "of protocols, benchmarking",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local, metadata of a cloud",
    "fe80::/10": "link local",
    "fec0::/10": "site local",
    "ff00::/8": "multicast",
    # Public addresses of IPv6 are of 2000::/3; the rest is not assigned.
    "::/3": "reserved",
    "4000::/2": "reserved",
    "8000::/1": "reserved",
}
REFUSED: Sequence[tuple[_Network, str]] = tuple((ipaddress.ip_network(text), why) for text, why in _REFUSED.items())


class Forbidden(NotPermitted):
    """An address that must not be reached."""


class Guard:
    """Tells which addresses may be reached.

    Args:
        allowed: networks such as 10.1.0.0/16 that may be although they are not public.
        setting: that names them, for messages.

    Raises:
        ConfigInvalid: one of them is not a network.
    """

    def __init__(self, allowed: Iterable[str], setting: str) -> None:
        self._setting = setting
        self._allowed = tuple(_network(text, setting) for text in allowed)

    def check(self, addresses: Iterable[Address]) -> None:
        """Refuse a host unless all of its addresses may be reached.

        Raises:
            Forbidden: one of them may not.
        """
        for address in addresses:
            why = self._why_not(address)
            if why is not None:
                raise Forbidden(f"the address {address} is not allowed ({why}); networks that are: {self._setting}")

    def _why_not(self, address: Address) -> str | None:
        if any(address in network for network in self._allowed):
            return None
        return next((why for network, why in REFUSED if address in network), None)


def _network(text: str, setting: str) -> _Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ConfigInvalid(f"{setting}: {text[:64]!r} is not a network such as 10.1.0.0/16: {error}") from None


def literal(host: str) -> Address | None:
    """The address that a host is given by; None where it is given by a name.

    IPv4 addresses have spellings that only the system's own functions take, such as 127.1, 0x7f000001, 0177.0.0.1 and 2130706433.
    """
    text = host.removesuffix(".")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):
        return None

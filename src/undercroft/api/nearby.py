"""Whether a request is this machine's own: what is served without access control is served to nobody else.

The address that a connection comes from does not tell. A proxy on this machine forwards requests of strangers, and a browser on
this machine sends requests of whatever page is open in it, also by a name that its owner made an address of this machine
(DNS rebinding). So the headers are looked at, too.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Collection

import falcon

from undercroft.core.errors import NotPermitted

# Headers that a proxy adds; every name that begins so counts, because each proxy has its own.
_FORWARDED = ("HTTP_X_FORWARDED", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_X_ORIGINAL_FOR")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:@/\[\]?#]+))(?::[0-9]{1,5})?")
_ANY = "*"
_WITH_TOKENS = "set [api] auth = tokens and token_file"


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


class Nearby:
    """Tells requests of this machine from those of others.

    Args:
        host: address that the service listens on.
        hosts: further names and addresses by which this machine's own programs call it.
        origins: whose pages may ask; `*` for all.
    """

    def __init__(self, host: str, hosts: Collection[str], origins: Collection[str]) -> None:
        self._hosts = {name.lower() for name in (host, *hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def check(self, req: falcon.Request) -> None:
        """Let a request of this machine pass.

        Raises:
            NotPermitted: it comes from elsewhere, by whatever way; the message says what to set.
        """
        if not is_loopback(req.remote_addr or ""):
            raise NotPermitted("without access control ([api] auth = none) only this machine is answered")
        for name in req.env:
            if name.startswith(_FORWARDED):
                header = name.removeprefix("HTTP_").replace("_", "-").title()
                raise NotPermitted(
                    f"this request was forwarded ({header}), and without access control ([api] auth = none) only this machine is "
                    f"answered: {_WITH_TOKENS}"
                )
        host = req.env.get("HTTP_HOST")
        if host is not None and not self._is_ours(host):
            raise NotPermitted(
                f"Host: {host[:255]!r} is not this machine ([api] auth = none): ask http://127.0.0.1, add the name to [api] hosts, "
                f"or {_WITH_TOKENS}"
            )
        origin = req.get_header("Origin")
        if origin is not None and not self._is_own_page(origin.lower(), req.scheme, host):
            raise NotPermitted(
                f"Origin: {origin[:255]!r} is not one of this service's pages: add it to [api] cors_origins if its pages may ask"
            )

    def _is_ours(self, host: str) -> bool:
        name = _hostname(host)
        return name is not None and (is_loopback(name) or name in self._hosts)

    def _is_own_page(self, origin: str, scheme: str, host: str | None) -> bool:
        if _ANY in self._origins or origin in self._origins:
            return True
        return host is not None and origin == f"{scheme}://{host.lower()}"


def _hostname(host: str) -> str | None:
    """The name in a Host header; None when it is none."""
    match = _HOST.fullmatch(host)
    return None if match is None else (match[1] or match[2]).lower()

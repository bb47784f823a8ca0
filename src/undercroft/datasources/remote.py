"""Datasources that are asked over HTTP: their URLs, their logins, and the client that asks.

`gnocchi+https://USER:PASSWORD@HOST:PORT/PATH?key=value`. With `auth_url` the user logs in to Keystone; without it, Basic
authentication is used where a user is named.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.datasources.contract import DataSourceBase, Options
from undercroft.engines import http

T = TypeVar("T")


class RemoteOptions(Options, frozen=True, kw_only=True):
    """Options of a datasource that is asked over HTTP.

    Attributes:
        auth_url: of Keystone, such as `https://keystone.example.org/v3`; the URL's user and password log in there.
        project: the project to log in to.
        user_domain: the user's domain.
        project_domain: the project's domain.
        region: which region's endpoint of the catalogue is asked.
        interface: which interface of it: `public`, `internal` or `admin`.
        token: sent with each request as a bearer token.
        cafile: a file of certificate authorities, instead of those that the machine trusts.
        insecure: do not check certificates.
    """

    auth_url: str | None = None
    project: str | None = None
    user_domain: str = "Default"
    project_domain: str = "Default"
    region: str | None = None
    interface: str = "public"
    token: str | None = None
    cafile: str | None = None
    insecure: bool = False


class Remote(DataSourceBase):
    """Base class of these datasources. They may be shared by threads, whose requests are sent one after the other."""

    Options: ClassVar[type[RemoteOptions]] = RemoteOptions
    # The type of the service in Keystone's catalogue, and its port where the URL has none.
    SERVICE: ClassVar[str] = ""
    PORT: ClassVar[int] = 80
    options: RemoteOptions
    client: http.Client

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> RemoteOptions:
        base, found, _ = urls.split(url, self.Options, options)
        self.client = http.Client(
            self._login(base, found, osc), found.request_timeout, http.verify(found.cafile, insecure=found.insecure)
        )
        return found

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _login(self, base: str, options: RemoteOptions, osc: Any) -> http.Login:
        parts = _parts(base)
        endpoint = _endpoint(parts, self.PORT)
        if options.auth_url is not None:
            # Its library is needed for nothing else.
            from undercroft.engines.keystone import Account, Keystone  # noqa: PLC0415

            return Keystone(
                Account(
                    auth_url=options.auth_url, endpoint=endpoint, tenant=options.project, user=_unquoted(parts.username),
                    key=_unquoted(parts.password), user_domain_name=options.user_domain, project_domain_name=options.project_domain,
                    region=options.region, interface=options.interface, timeout=options.request_timeout, cafile=options.cafile,
                    insecure=options.insecure,
                ),
                self.SERVICE,
            )  # fmt: skip
        if osc is not None and parts.username is None and options.token is None and self.SERVICE:
            from undercroft.engines.keystone import Session  # noqa: PLC0415

            return Session(osc.session, self.SERVICE, options.interface, options.region, endpoint)
        if endpoint is None:
            raise ConfigInvalid(
                f"{urls.redacted(base)!r} names no host; without one it needs auth_url, to find it in Keystone's catalogue"
            )
        if options.token is not None:
            return http.Fixed(endpoint, {"Authorization": f"Bearer {options.token}"})
        if parts.username is not None:
            pair = f"{_unquoted(parts.username)}:{_unquoted(parts.password) or ''}"
            return http.Fixed(endpoint, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"})
        return http.Fixed(endpoint, {})


def decoded(answer: bytes, type_: type[T], server: str) -> T:
    """The JSON of an answer.

    Args:
        answer: as it came.
        type_: what it has to be.
        server: whose API it is, for the message.

    Raises:
        Unavailable: it is something else, as a proxy or another server would send.
    """
    try:
        return msgspec.json.decode(answer, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"the response is not valid for the {server} API: {error}") from None


def _parts(base: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(base)
        _ = parts.port
    except ValueError as error:
        raise ConfigInvalid(f"{urls.redacted(base)!r} is not a URL: {error}") from None
    return parts


def _endpoint(parts: urllib.parse.SplitResult, port: int) -> str | None:
    """The root of the API; None where the URL names no host."""
    if not parts.hostname:
        return None
    _, _, over = parts.scheme.partition("+")
    if over not in ("", "http", "https"):
        raise ConfigInvalid(f"the scheme {parts.scheme!r}: write +https, or nothing, after the datasource's name")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{over or 'http'}://{host}:{parts.port or port}{parts.path.rstrip('/')}"


def _unquoted(text: str | None) -> str | None:
    return None if text is None else urllib.parse.unquote(text)

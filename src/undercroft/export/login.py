"""How requests are authenticated: by a login to Keystone, a fixed token, or not at all."""

from __future__ import annotations

from typing import Protocol

from undercroft.export.settings import Settings


class Login(Protocol):
    """Names the endpoint, and gives what each request is to carry."""

    @property
    def endpoint(self) -> str:
        """The root of the API, from the settings or the catalogue."""
        ...

    def headers(self) -> dict[str, str]:
        """Headers of a request: the token, renewed before it expires."""
        ...

    def renew(self) -> None:
        """Get a new token: the one of now was refused."""
        ...

    def roles(self) -> frozenset[str] | None:
        """The roles of the token; None where they are unknown."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Given:
    """A fixed token, or none."""

    def __init__(self, endpoint: str, token: str | None) -> None:
        self.endpoint = endpoint
        self._token = token

    def headers(self) -> dict[str, str]:
        """The token."""
        return {} if self._token is None else {"X-Auth-Token": self._token}

    def renew(self) -> None:
        """Nothing: a fixed token cannot be renewed."""

    def roles(self) -> frozenset[str] | None:
        """Unknown."""
        return None

    def close(self) -> None:
        """Nothing is open."""


def login(settings: Settings) -> Login:
    """The login of a configuration; nothing is asked before it is used.

    Raises:
        ConfigInvalid: the library for it is not installed.
    """
    if settings.auth in ("none", "token") and settings.endpoint is not None:
        return Given(settings.endpoint, settings.token if settings.auth == "token" else None)
    # Its library is needed for nothing else.
    from undercroft.export.keystone import Keystone  # noqa: PLC0415

    return Keystone(settings)

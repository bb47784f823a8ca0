"""The routes of messages."""

from __future__ import annotations

from typing import Any

from undercroft.api.call import Rule
from undercroft.api.messaging import door, schemas, versions
from undercroft.api.routes import Route

PREFIX = "/messaging"


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, PREFIX + path, *arguments, **{"check": door.check, "headers": door.HEADERS, **named})


ROUTES: tuple[Route, ...] = (
    _route("GET", "", versions.versions, Rule.OPEN, {300: schemas.Versions}, check=None, headers=()),
    _route(
        "GET", "/v2", versions.home, Rule.OPEN, {200: schemas.Home, 300: schemas.Versions}, check=None, headers=(),
    ),
    _route("GET", "/v2/ping", versions.ping, Rule.ANYONE, {204: None}),
    _route("HEAD", "/v2/ping", versions.ping_head, Rule.ANYONE, {204: None}),
    _route("GET", "/v2/health", versions.health, Rule.ADMIN, {200: dict[str, Any]}),
)  # fmt: skip

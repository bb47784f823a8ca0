"""The forms of what goes in and out about messages."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class MediaType(Struct):
    """A form in which answers come."""

    base: str
    type: str


class VersionLink(Struct):
    """Where a version is."""

    href: str
    rel: str


class Version(Struct, rename={"media_types": "media-types"}):
    """A version of the API."""

    id: str
    media_types: list[MediaType]
    links: list[VersionLink]
    status: str = "CURRENT"
    updated: str = "2014-9-24T04:06:47Z"


class Versions(Struct):
    """The versions there are."""

    versions: list[Version]


class Resource(Struct, rename="kebab"):
    """What there is below a path."""

    href_template: str
    href_vars: dict[str, str]
    hints: dict[str, Any]


class Home(Struct):
    """The resources of this version."""

    resources: dict[str, Resource]

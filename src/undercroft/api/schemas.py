"""Structs that every kind's routes share. Bodies and queries are checked by structs, and the OpenAPI document is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Offset = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Results to pass over.")]
Limit = Annotated[int, Meta(ge=1, le=2**63 - 1, description="Results to give at most.")]


class Nothing(Struct, forbid_unknown_fields=True):
    """No parameters."""


class Message(Struct):
    """An error."""

    message: str


class Fault(Struct):
    """An error, as the older APIs of the host projects tell it."""

    faultcode: Literal["Client", "Server"]
    faultstring: str
    debuginfo: None = None


class ErrorMessage(Struct):
    """The same one level further in."""

    error_message: Fault


class Health(Struct):
    """How the service is."""

    status: str


class Taken(Struct):
    """What became of items that were sent: how many are stored now, and how many were there."""

    accepted: int
    duplicates: int

"""Traits of audit records in CADF's form (DMTF DSP0262): who did what to what, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from undercroft.events.models import Trait

EVENT = "/cloud/audit/1.0/event"
# The trait's name, and where its text is.
_TEXTS = {
    "cadf_id": ("id",),
    "cadf_type": ("eventType",),
    "action": ("action",),
    "outcome": ("outcome",),
    "severity": ("severity",),
    "request_path": ("requestPath",),
    "reason_code": ("reason", "reasonCode"),
    "reason_type": ("reason", "reasonType"),
    "initiator_id": ("initiator", "id"),
    "initiator_type": ("initiator", "typeURI"),
    "initiator_name": ("initiator", "name"),
    "initiator_project_id": ("initiator", "project_id"),
    "initiator_host_address": ("initiator", "host", "address"),
    "initiator_host_agent": ("initiator", "host", "agent"),
    "target_id": ("target", "id"),
    "target_type": ("target", "typeURI"),
    "target_name": ("target", "name"),
    "observer_id": ("observer", "id"),
    "observer_type": ("observer", "typeURI"),
    "observer_name": ("observer", "name"),
    # Callers who are not administrators find it by these.
    "project_id": ("initiator", "project_id"),
    "user_id": ("initiator", "user_id"),
    "resource_id": ("target", "id"),
}


def values(payload: Any) -> Iterator[tuple[str, int, Any]]:
    """Name, type and value of the traits of a payload that is an audit record; none of any other."""
    if not isinstance(payload, Mapping) or not isinstance(payload.get("typeURI"), str):
        return
    if not payload["typeURI"].rstrip("/").endswith(EVENT):
        return
    for name, path in _TEXTS.items():
        value: Any = payload
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, (str, int)):
            yield name, Trait.TEXT_TYPE, value
    if payload.get("eventTime") is not None:
        yield "event_time", Trait.DATETIME_TYPE, payload["eventTime"]

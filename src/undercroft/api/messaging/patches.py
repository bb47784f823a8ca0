"""Changes of metadata, as a part of JSON Patch (RFC 6902) says them: add, replace and remove of one key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.api.messaging.refusals import BODY, Exists, Refused
from undercroft.messaging.attributes import RESERVED

MEDIA = "application/openstack-messaging-v2.0-json-patch"
OPERATIONS = ("add", "replace", "remove")
_PATH = re.compile(r"/metadata/((?:[^/~]|~[01])+)", re.DOTALL)


def patched(metadata: Mapping[str, Any], changes: Sequence[Any]) -> dict[str, Any]:
    """Metadata after the changes, in their order.

    Raises:
        Refused: a change is malformed.
        Exists: a key is to be replaced or removed that is missing; reserved ones never are.
    """
    if not changes:
        raise Refused(BODY, 'the body has no change: send [{"op": "add", "path": "/metadata/KEY", "value": ...}]')
    found = dict(metadata)
    for place, change in enumerate(changes):
        op, key = _parsed(f"[{place}]", change)
        if op != "add" and key not in found and key not in RESERVED:
            raise Exists(f"[{place}]: cannot {op} the key {key[:64]!r}, which the metadata do not have")
        if op == "remove":
            found.pop(key, None)
        else:
            found[key] = change["value"]
    return found


def _parsed(where: str, change: Any) -> tuple[str, str]:
    if not isinstance(change, dict):
        raise Refused(BODY, f"{where} is not an object with op, path and value")
    op, path = change.get("op"), change.get("path")
    if op not in OPERATIONS:
        raise Refused(BODY, f"{where}.op is one of {', '.join(OPERATIONS)}, not {str(op)[:32]!r}")
    match = _PATH.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        raise Refused(BODY, f"{where}.path is /metadata/KEY, in which ~1 means / and ~0 means ~, not {str(path)[:64]!r}")
    if op != "remove" and "value" not in change:
        raise Refused(BODY, f"{where} has no value, which {op} needs")
    return op, match[1].replace("~1", "/").replace("~0", "~")

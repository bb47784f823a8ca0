"""Whose rated usage a caller may see."""

from __future__ import annotations

from undercroft.api.call import Call
from undercroft.rating import BaseStorage

RatingCall = Call[BaseStorage, None]


class Unscoped(Exception):
    """The caller is not an admin and has no project, so no usage is visible."""


def own_scope(call: RatingCall) -> dict[str, str]:
    """The filter that keeps a caller to the own project; empty for an admin.

    Raises:
        Unscoped: the caller has no project.
    """
    if call.caller.is_admin:
        return {}
    if not call.caller.project:
        raise Unscoped
    return {call.store.scope_key: call.caller.project}

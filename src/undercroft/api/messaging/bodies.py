"""What is checked of every JSON body."""

from __future__ import annotations

from typing import Any

from undercroft.api.messaging.refusals import BODY, Refused

_LEAST, _MOST = -(2**63), 2**63 - 1


def check_integers(value: Any, field: str) -> None:
    """Refuse integers that do not fit into 64 bits: other clients could not read them.

    Raises:
        Refused: there is one, at any depth.
    """
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, int):
            if not _LEAST <= each <= _MOST:
                raise Refused(BODY, f"{field} has an integer that does not fit into 64 bits")
        elif isinstance(each, dict):
            rest += each.values()
        elif isinstance(each, list):
            rest += each

"""Ids outside and within a pool.

Outside, what a pool gave an id is `inner~TAG`, with the tag of the pool, and keeps that for life. Within another pool, where it
was brought to, it is a foreign id, `~N~inner~TAG`. N counts its moves, so that a message which comes back to a pool is not taken
for one that was brought there before.
"""

from __future__ import annotations

import hashlib
import re

MARK = "~"
# Digits of a tag.
_DIGITS = 6
LENGTH = len(MARK) + _DIGITS
# Moves that are looked for in any case: what others have moved lately may not be known here.
_MOVES = 8
_TAG = re.compile(f"{MARK}[0-9a-f]{{{_DIGITS}}}", re.ASCII)


def tag(pool: str) -> str:
    """What the ids of a pool end with."""
    return MARK + hashlib.blake2b(pool.encode(), digest_size=_DIGITS // 2).hexdigest()


def parted(outside: str) -> tuple[str, str]:
    """The id within its first pool, and that pool's tag; both are empty for what is no such id."""
    inner, found = outside[:-LENGTH], outside[-LENGTH:]
    return (inner, found) if inner and _TAG.fullmatch(found) else ("", "")


def shown(inner: str, own: str) -> str:
    """What an id of the pool with the tag `own` is outside."""
    return _foreign(inner)[1] if inner[0] == MARK else inner + own


def _foreign(inner: str) -> tuple[int, str]:
    """The moves and the id outside of a foreign id; what was received from outside has none, and is what it was."""
    _, *parts = inner.split(MARK, 2)
    return (int(parts[0]), parts[1]) if _is_count(parts) else (0, inner)


def _is_count(parts: list[str]) -> bool:
    return len(parts) > 1 and parts[0].isascii() and parts[0].isdigit()


def moves(inner: str) -> int:
    """How many moves a message has behind it."""
    return _foreign(inner)[0] if inner[0] == MARK else 0


def moved(inner: str, own: str) -> str:
    """What an id of the pool with the tag `own` is in the next pool."""
    return f"{MARK}{moves(inner) + 1}{MARK}{shown(inner, own)}"


def received(outside: str) -> str:
    """What an id that comes from outside, and begins with the mark, is in a pool: itself, unless that would be read otherwise."""
    return f"{MARK}0{MARK}{outside}" if _is_count(outside.split(MARK, 2)[1:]) else outside


def forms(outside: str, own: str, hops: int, *, comes_back: bool) -> list[str]:
    """What an id may be within the pool with the tag `own`; nothing for what is none.

    Args:
        outside: the id.
        own: the tag.
        hops: moves that messages of the queue may have behind them.
        comes_back: whether messages of the pool may have been elsewhere in between.
    """
    if outside[:1] == MARK:
        return [received(outside), *_moved(outside, hops)]
    inner, first = parted(outside)
    if not inner:
        return []
    if first != own:
        return _moved(outside, hops)
    return [inner, *_moved(outside, hops)] if comes_back else [inner]


def _moved(outside: str, hops: int) -> list[str]:
    return [f"{MARK}{count}{MARK}{outside}" for count in range(1, max(_MOVES, hops + 2) + 1)]

"""What scripts about messages give, and the texts that ids are outside.

A message's id is the incarnation of its queue, 16 digits, and its place in there, 13 digits, all hexadecimal: texts sort as the
messages were posted. So is a claim's id, with the number of the claim.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from undercroft.messaging.models import Edge, NewMessage, Stats, Stored

# Moment of the post, ttl, length of the client's name, which follows; then the body. With _MOVED in the length the name is behind
# the id of a message that has come from another queue.
_HEAD = struct.Struct("<QIH")
_MOVED = 0x8000
# Claims that took it, ttl, moment when it expires: of a message that was claimed.
_STATE = struct.Struct("<IQQ")
_ID = re.compile("[0-9a-f]{29}", re.ASCII)
# What a script gives of a message: its place, its body with the head, its state and its claim's number, where it has these.
FIELDS = 4
Row = Sequence[Any]
# Digits of an id that are its queue's incarnation; the others are the place, or the claim's number.
INC, PLACE = 16, 13


def is_id(text: str) -> bool:
    """Whether a text may be an id."""
    return _ID.fullmatch(text) is not None


def packed(message: NewMessage, client: bytes, now: int) -> bytes:
    """A new message as it is kept."""
    return _HEAD.pack(now, message.ttl, len(client)) + client + message.body


def stored(inc: str, found: Row, now: int) -> list[Stored]:
    """The messages that a script gives, one after the other, without those that have expired."""
    rows: list[Stored] = []
    head, unpack = _HEAD.unpack_from, _STATE.unpack
    for place, body, state, claim in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True):
        born, ttl, length = head(body)
        name = inc + place.decode()
        if length & _MOVED:
            name, length = body[14:43].decode(), length - _MOVED + 29
        if state is None:
            claims, expires = 0, born + ttl * 1000
        else:
            claims, ttl, expires = unpack(state)
        if expires > now:
            holder = None if claim is None else inc + claim.decode()
            age = (now - born) // 1000 if now > born else 0
            rows.append(Stored(name, ttl, age, body[14 + length :], holder, claims, born))
    return rows


def taken(inc: str, claim: str, found: Row, now: int) -> list[Stored]:
    """The messages of a new claim; they are under it even if it lives no second."""
    rows: list[Stored] = []
    head, unpack = _HEAD.unpack_from, _STATE.unpack
    for place, body, state in zip(found[::3], found[1::3], found[2::3], strict=True):
        born, ttl, length = head(body)
        name = inc + place.decode()
        if length & _MOVED:
            name, length = body[14:43].decode(), length - _MOVED + 29
        claims = 1
        if state is not None:
            claims, ttl, _ = unpack(state)
        age = (now - born) // 1000 if now > born else 0
        rows.append(Stored(name, ttl, age, body[14 + length :], claim, claims, born))
    return rows


def in_order(found: Row) -> Row:
    """The same messages in the order of their places."""
    groups = sorted((found[first : first + FIELDS] for first in range(0, len(found), FIELDS)), key=lambda group: group[0])
    return [each for group in groups for each in group]


def edge(inc: str, place: bytes, head: bytes, now: int) -> Edge:
    """The first or the last message of a queue, of whose value the beginning is enough."""
    born, _, length = _HEAD.unpack_from(head)
    name = head[14:43].decode() if length & _MOVED else inc + place.decode()
    return Edge(name, max(0, now - born) // 1000, born)


def stats(found: Row | None, now: int) -> Stats:
    """How full a queue is, of what the script gives; None is a queue that there is not."""
    if found is None or not found[1]:
        return Stats(0, 0, None, None)
    _, total, held, inc, *ends = found
    name = inc.decode()
    return Stats(total - held, held, edge(name, ends[0], ends[1], now), edge(name, ends[2], ends[3], now))


def ids(inc: str, places: Iterable[int]) -> list[str]:
    """The ids of places."""
    return [f"{inc}{place:013x}" for place in places]

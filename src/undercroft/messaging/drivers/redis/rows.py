"""What scripts about messages give, and the texts that ids are outside.

A message's id is the incarnation of its queue, 16 digits, and its place in there, 13 digits, all hexadecimal: texts sort as the
messages were posted. So is a claim's id, with the number of the claim. A message that came from elsewhere keeps the id that it had.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from undercroft.messaging.models import Arrival, Edge, NewMessage, Stats, Stored

# Moment of the post, ttl, length of the client's name, which follows; then the body. Before the name is the id of a message that
# came from elsewhere: with _MOVED in the length that of another queue, with _FOREIGN that of another store, behind its own length.
_HEAD, _LENGTH = struct.Struct("<QIH"), struct.Struct("<H")
_MOVED, _FOREIGN = 0x8000, 0x4000
# Claims that took it, ttl, moment when it expires: of a message that was claimed.
_STATE = struct.Struct("<IQQ")
_ID = re.compile("[0-9a-f]{29}", re.ASCII)
# The id of a message from another store.
_FOREIGN_ID = re.compile("~[^\ud800-\udfff]{0,254}", re.DOTALL)
# What a script gives of a message: its place, its body with the head, its state and its claim's number, where it has these.
FIELDS = 4
Row = Sequence[Any]
_pack = msgspec.msgpack.encode
# Digits of an id that are its queue's incarnation; the others are the place, or the claim's number.
INC, PLACE = 16, 13


def is_id(text: str) -> bool:
    """Whether a text may be the id of a message."""
    return is_claim(text) or _FOREIGN_ID.fullmatch(text) is not None


def is_claim(text: str) -> bool:
    """Whether a text may be the id of a claim."""
    return _ID.fullmatch(text) is not None


def packed(message: NewMessage, client: bytes, now: int) -> bytes:
    """A new message as it is kept."""
    return _HEAD.pack(now, message.ttl, len(client)) + client + message.body


def arrival(message: Arrival) -> bytes:
    """A message from another store as `receive.lua` takes it."""
    client = message.client.encode()
    # It has never been moved here: what has the same id, and is here or was, has.
    return _pack(
        (
            "",
            message.id,
            1,
            message.born,
            message.ttl,
            message.expires,
            message.claims,
            len(client),
            message.client + message.body.decode(),
        )
    )


def entry(value: bytes) -> tuple[int, int, bytes]:
    """The ttl, the moment of expiry and the body of a message of the outbox: it was posted here."""
    born, ttl, length = _HEAD.unpack_from(value)
    return ttl, born + ttl * 1000, value[14 + length :]


def _origin(value: bytes, length: int) -> tuple[str, int, int]:
    """The id that a message brought from elsewhere, where its client's name begins, and where that ends."""
    if length & _MOVED:
        return value[14:43].decode(), 43, 43 + length - _MOVED
    first = 16 + _LENGTH.unpack_from(value, 14)[0]
    return value[16:first].decode(), first, first + length - _FOREIGN


def stored(inc: str, found: Row, now: int) -> list[Stored]:
    """The messages that a script gives, one after the other, without those that have expired."""
    rows: list[Stored] = []
    head, unpack = _HEAD.unpack_from, _STATE.unpack
    for place, body, state, claim in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True):
        born, ttl, length = head(body)
        if length < _FOREIGN:
            name, first, last = inc + place.decode(), 14, 14 + length
        else:
            name, first, last = _origin(body, length)
        if state is None:
            claims, expires = 0, born + ttl * 1000
        else:
            claims, ttl, expires = unpack(state)
        if expires > now:
            holder = None if claim is None else inc + claim.decode()
            age = (now - born) // 1000 if now > born else 0
            rows.append(Stored(name, ttl, age, body[last:], holder, claims, born, body[first:last].decode(), expires))
    return rows


def taken(inc: str, claim: str, found: Row, now: int) -> list[Stored]:
    """The messages of a new claim; they are under it even if it lives no second."""
    rows: list[Stored] = []
    head, unpack = _HEAD.unpack_from, _STATE.unpack
    for place, body, state in zip(found[::3], found[1::3], found[2::3], strict=True):
        born, ttl, length = head(body)
        if length < _FOREIGN:
            name, first, last = inc + place.decode(), 14, 14 + length
        else:
            name, first, last = _origin(body, length)
        if state is None:
            claims, expires = 1, born + ttl * 1000
        else:
            claims, ttl, expires = unpack(state)
        age = (now - born) // 1000 if now > born else 0
        rows.append(Stored(name, ttl, age, body[last:], claim, claims, born, body[first:last].decode(), expires))
    return rows


def in_order(found: Row) -> Row:
    """The same messages in the order of their places."""
    groups = sorted((found[first : first + FIELDS] for first in range(0, len(found), FIELDS)), key=lambda group: group[0])
    return [each for group in groups for each in group]


def edge(inc: str, place: bytes, head: bytes, now: int) -> Edge:
    """The first or the last message of a queue, of whose value the beginning is enough."""
    born, _, length = _HEAD.unpack_from(head)
    name = inc + place.decode() if length < _FOREIGN else _origin(head, length)[0]
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

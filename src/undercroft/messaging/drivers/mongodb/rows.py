"""Posts as documents, the states of their messages, and the texts that ids are outside.

A message's id is the incarnation of its queue, 24 digits, the number of its post in there, 10 digits, and its place in the post, 4
digits, all hexadecimal: texts sort as the messages were posted. A claim's id is the incarnation and 14 random digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bson.int64 import Int64

from undercroft.messaging.contract import arguments
from undercroft.messaging.models import Edge, NewMessage, Stored

# Digits of an id that are its queue's incarnation, and those that are its post.
INC, POST = 24, 34
_ID = re.compile("[0-9a-f]{38}", re.ASCII)
# A moment that does not come.
NEVER = 2**62
# Posts of more messages have their bodies apart, in a field that is read for those messages only that are wanted.
SMALL = 16
# How full a post is: all its messages are gone, none is free for now, there may be free ones.
OVER, BUSY, FREE = -1, 0, 1

Document = dict[str, Any]


class State(NamedTuple):
    """A message, but for its body.

    Attributes:
        ttl: seconds that it lives.
        expires: when it is over.
        again: when it may be claimed: 0 for at once, the end of its delay or of its claim, NEVER while it is going elsewhere.
        claim: the claim that has it, or had it; empty for none.
        claims: how many took it.
        name: its id, where it has come from elsewhere.
        born: when it was posted.
        client: who posted it.
        going: the move that takes it to another queue.
    """

    ttl: int
    expires: int
    again: int
    claim: str
    claims: int
    name: str
    born: int
    client: str
    going: str

    def is_live(self, now: int) -> bool:
        """Whether it is to be seen."""
        return self.expires > now and not self.going

    def is_free(self, now: int) -> bool:
        """Whether it may be claimed, as far as is said here."""
        return self.again <= now < self.expires and not self.going

    def holder(self, now: int) -> str | None:
        """The claim that has it."""
        return self.claim if self.claim and self.again > now else None


class Post(NamedTuple):
    """A post as it was read.

    Attributes:
        id: the document's.
        inc: its queue's incarnation.
        number: its number in the queue.
        version: changes with each change of its messages.
        states: its messages that are left, by their places.
        bodies: theirs, as far as they were read.
        stays: until when it is kept without messages.
        entries: places that the outbox still has, each with the message's ttl and expiry.
        is_large: whether its bodies are apart.
    """

    id: str
    inc: str
    number: int
    version: int
    states: dict[int, State]
    bodies: dict[int, bytes]
    stays: int
    entries: dict[int, tuple[int, int]]
    is_large: bool

    def name(self, place: int) -> str:
        """The id of a message by its place here."""
        return f"{self.id}{place:04x}"

    def known_as(self, place: int) -> str:
        """The id of a message, as it is shown."""
        return self.states[place].name or self.name(place)

    def stored(self, place: int, now: int, body: bytes) -> Stored:
        """A message as it is shown."""
        own = self.states[place]
        return Stored(
            own.name or self.name(place),
            own.ttl,
            max(0, now - own.born) // 1000,
            body,
            own.holder(now),
            own.claims,
            own.born,
            own.client,
            own.expires,
        )

    def edge(self, place: int, now: int) -> Edge:
        """A message as an end of its queue."""
        own = self.states[place]
        return Edge(own.name or self.name(place), max(0, now - own.born) // 1000, own.born)


def is_id(text: str) -> bool:
    """Whether a text may be an id that this store gives."""
    return _ID.fullmatch(text) is not None


def is_foreign(text: str) -> bool:
    """Whether a text may be the id of a message from another store."""
    return text.startswith("~") and len(text) <= arguments.LONGEST_NAME and arguments.is_text(text)


def post_id(inc: str, number: int) -> str:
    """The id of a document."""
    return f"{inc}{number:010x}"


def spot(text: str) -> tuple[int, int]:
    """The number of the post that an id names, and the place in there."""
    return int(text[INC:POST], 16), int(text[POST:], 16)


# -- documents ---------------------------------------------------------------------------------------------------------


def read(found: Mapping[str, Any]) -> Post:
    """A post of its document."""
    born, client = int(found["born"]), found["client"]
    # Numbers of 64 bits are read as a class of the client library's.
    states = {int(place): _state(one, born, client) for place, one in found["m"].items()}
    bodies = {int(place): body for place, body in found.get("b", {}).items()}
    entries = {int(place): (int(one["t"]), int(one["x"])) for place, one in found["w"].items()}
    return Post(
        found["_id"], found["q"], int(found["n"]), found["v"], states, bodies, int(found["stays"]), entries, found["large"]
    )  # fmt: skip


def _state(one: Mapping[str, Any], born: int, client: str) -> State:
    return State(
        int(one["t"]),
        int(one["x"]),
        int(one["a"]),
        one["c"],
        int(one["l"]),
        one.get("o", ""),
        int(one.get("b", born)),
        one.get("s", client),
        one.get("g", ""),
    )


def written(state: State, born: int, client: str) -> Document:
    """A state as it is kept in a document of that moment and client."""
    kept: Document = {
        "t": state.ttl,
        "x": Int64(state.expires),
        "a": Int64(state.again),
        "c": state.claim,
        "l": state.claims,
    }
    if state.name:
        kept["o"] = state.name
    if state.born != born:
        kept["b"] = Int64(state.born)
    if state.client != client:
        kept["s"] = state.client
    if state.going:
        kept["g"] = state.going
    return kept


def summary(states: Mapping[int, State], now: int, stays: int, entries: Mapping[int, tuple[int, int]]) -> Document:
    """What is asked for of a post that has these messages; none of them has expired."""
    there = [state for state in states.values() if not state.going]
    again = min((state.again for state in states.values()), default=NEVER)
    held = [state for state in there if state.holder(now)]
    expires = max((state.expires for state in states.values()), default=0)
    sent = max((each[1] for each in entries.values()), default=0)
    return {
        "f": OVER if not states else FREE if again <= now else BUSY,
        "a": Int64(again),
        "x": Int64(expires),
        "k": len(there),
        "h": len(held),
        # Until then both numbers are right.
        "t": Int64(min((*(state.expires for state in states.values()), *(state.again for state in held)), default=NEVER)),
        "z": Int64(max(expires, stays, sent)),
        "c": sorted({state.claim for state in states.values() if state.claim}),
        "wk": len(entries),
        "wt": Int64(min((each[1] for each in entries.values()), default=NEVER)),
    }


def made(
    inc: str,
    number: int,
    client: str,
    now: int,
    states: Mapping[int, State],
    bodies: Mapping[int, bytes],
    *,
    tokens: Iterable[str] = (),
    stays: int = 0,
    to: tuple[str, str] | None = None,
    **more: Any,
) -> Document:
    """The document of a new post.

    Args:
        inc, number: its queue's incarnation, and its number in there.
        client: who posts it.
        now: the moment.
        states, bodies: its messages.
        tokens: what no other post may have.
        stays: until when it is kept, whatever becomes of its messages.
        to: project and queue, where its messages go to the outbox, too.
        more: fields for what the post is remembered by.
    """
    own = post_id(inc, number)
    entries = {place: (state.ttl, state.expires) for place, state in states.items()} if to else {}
    is_large = len(states) > SMALL
    return {
        "_id": own,
        "q": inc,
        "n": Int64(number),
        "v": 0,
        "born": Int64(now),
        # When it was stored, whatever its messages say of themselves.
        "at": Int64(now),
        "client": client,
        "u": [own, *tokens],
        "m": {str(place): written(state, now, client) for place, state in states.items()},
        "B" if is_large else "b": {str(place): body for place, body in bodies.items()},
        "large": is_large,
        "stays": Int64(stays),
        "w": {str(place): {"t": ttl, "x": Int64(expires)} for place, (ttl, expires) in entries.items()},
        "y": Int64(0 if entries else NEVER),
        "to": {"p": to[0], "q": to[1]} if to else None,
        "d": {},
        "e": None,
        **summary(states, now, stays, entries),
        **more,
    }


def fresh(message: NewMessage, client: str, now: int) -> State:
    """The state of a new message."""
    again = now + message.delay * 1000 if message.delay else 0
    return State(message.ttl, now + message.ttl * 1000, again, "", 0, "", now, client, "")


def in_order(posts: Iterable[Post]) -> Sequence[Post]:
    """The same posts in the order of their numbers."""
    return sorted(posts, key=lambda post: post.number)

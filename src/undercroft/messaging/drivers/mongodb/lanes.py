"""A queue's document: which life of the queue it is, and how far its posts have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.contract.outbox import LANE

# Of a queue of which it is not known until when it has subscriptions.
UNKNOWN = -1


class Lane(NamedTuple):
    """A queue as its document says.

    Attributes:
        base: the document's id.
        project, name: whose it is, and its name.
        inc: its incarnation, which names its life.
        last: the last number that a post was given.
        floor: up to this number, every post that is not there any more was there.
        until: when its last subscription ends, 0 for none.
        is_made: whether the control plane has it.
        dead: what its metadata say about dead letters.
    """

    base: str
    project: str
    name: str
    inc: str
    last: int
    floor: int
    until: int
    is_made: bool
    dead: DeadLetters | None


# Where the names of lanes are, in the order of names.
LANES = {"$gte": LANE.encode().hex(), "$lt": (LANE[:-1] + chr(ord(LANE[-1]) + 1)).encode().hex()}


def ordered(name: str) -> str:
    """A name as text that every server compares by code point."""
    return name.encode().hex()


def lane_of(found: Mapping[str, Any]) -> Lane:
    """A queue of its document."""
    dead = found["dead"]
    return Lane(
        found["_id"], found["project"], found["name"], found["inc"], int(found.get("last", 0)), int(found["floor"]),
        int(found["until"]), found["made"], None if dead is None else DeadLetters(dead["most"], dead["queue"], dead["ttl"]),
    )  # fmt: skip

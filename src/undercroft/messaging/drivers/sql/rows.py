"""What statements about messages give, and the texts that ids are outside."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from undercroft.messaging.contract.message import FOREIGN
from undercroft.messaging.models import Edge, Stats, Stored

# The columns of `Row`, in its order.
COLUMNS = ("place", "alias", "origin", "born", "ttl", "expires", "again", "claim", "claim_ttl", "claims", "client", "body")
_NUMBER = re.compile("[0-7][0-9a-f]{15}", re.ASCII)


class Row(NamedTuple):
    """A message as its table holds it; see `schema`."""

    place: int
    alias: int | None
    origin: str | None
    born: int
    ttl: int
    expires: int
    again: int
    claim: int | None
    claim_ttl: int | None
    claims: int
    client: str
    body: bytes

    @property
    def number(self) -> int:
        """Its id as a number."""
        return self.place if self.alias is None else self.alias

    @property
    def id(self) -> str:
        """Its id."""
        return text(self.number) if self.origin is None else self.origin

    def is_held(self, now: int) -> bool:
        """Whether it is under a live claim."""
        return self.claim is not None and self.again > now

    def stored(self, now: int) -> Stored:
        """The message for the contract."""
        claim = text(self.claim) if self.claim is not None and self.again > now else None
        age = max(0, now - self.born) // 1000
        return Stored(
            self.id, self.ttl, age, bytes(self.body), claim, self.claims, self.born, client=self.client, expires=self.expires
        )


class Found(NamedTuple):
    """A claim: its number, its seconds, the moment when it ends, and its messages in order."""

    claim: int
    ttl: int
    ends: int
    rows: list[Row]


class Tally(NamedTuple):
    """How many messages a queue has that have not expired, how many under a live claim, and its first and last one.

    Of those the id, and when it was posted.
    """

    total: int
    claimed: int
    oldest: tuple[str, int] | None
    newest: tuple[str, int] | None


def stats(found: Tally | None, now: int) -> Stats:
    """How full a queue is; None is one without a row."""
    if found is None:
        return Stats(0, 0, None, None)
    oldest, newest = (
        None if end is None else Edge(end[0], max(0, now - end[1]) // 1000, end[1]) for end in (found.oldest, found.newest)
    )
    return Stats(found.total - found.claimed, found.claimed, oldest, newest)


def text(number: int) -> str:
    """A number as an id; texts sort as their numbers do."""
    return f"{number:016x}"


def number(text: str) -> int | None:
    """The number of an id; None for what is none."""
    return int(text, 16) if _NUMBER.fullmatch(text) else None


def numbers(texts: Sequence[str]) -> list[int]:
    """The numbers of those that are ids."""
    return [found for each in texts if (found := number(each)) is not None]


def message(text: str) -> int | None:
    """The number of a message's id, which may be one of another store; None for what is none."""
    return number(text) if not text.startswith(FOREIGN) else foreign(text)


def messages(texts: Iterable[str]) -> dict[int, str]:
    """The numbers of those that are ids of messages, each with the id."""
    return {found: each for each in texts if (found := message(each)) is not None}


def foreign(text: str) -> int:
    """The number of an id of another store: below zero, where no place is."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return -1 - (int.from_bytes(digest) >> 1)

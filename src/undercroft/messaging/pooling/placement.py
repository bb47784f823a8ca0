"""Where a queue is: what the catalogue keeps of it, and how that changes. Nothing here reads a store or a clock.

A queue is in one pool. A change of pool goes in steps, each a version of the catalogue's entry:

  1. `to` names the new pool, `reads` a moment from which on messages are taken from there only. It lies so far ahead that by then
     every process has read the entry again. Until then nothing is different. From then on, whoever wants to take messages brings
     those of the old pool into the new one first. Posts still go to the old pool, so that their order is kept.
  2. When the old pool has nothing left that is free, or only what came since, `posts` is set: from that moment on posts go to the
     new pool.
  3. When the old pool is empty, also of what was under claims, it is `former`, and the next change may begin. Before that, it may
     have messages that are in the new pool, too: a process was killed between the two steps of a move.

`sources` are pools that messages of the queue come from in the ordinary course of events: dead letters of queues that are there.
They rest (`paused`) while the queue changes its pool, because what is brought must be remembered in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from undercroft.messaging.models import Mapped

# Milliseconds for which a process believes what it has read of the catalogue.
LEASE = 5_000
# Beyond that, for the time between the choice of a moment and the entry that has it.
MARGIN = 2_000
# By so much processes may disagree about the time. Around a moment at which they change their ways, they wait for so long.
SKEW = 1_000
# For so long the pool that posts went to is looked at, whatever it has.
GRACE = 20_000
# For so long a pool is asked what it remembers of posts: the longest life of a message, as its defaults allow it.
MEMORY = 1_209_600_000


class Former(msgspec.Struct, frozen=True, array_like=True):
    """A pool where the queue was, and until when it is asked what it remembers."""

    pool: str
    until: int


class Placement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the catalogue keeps of a queue. Moments are milliseconds since 1970, by the control plane's clock; 0 is none.

    Attributes:
        pool: where it is.
        to: where it goes.
        reads: from when on messages are taken from there.
        sure: whether `reads` was in the catalogue soon enough.
        posts: from when on posts go there.
        wish: where it is to go after that.
        sources: pools that have messages which belong to it.
        paused: those that are not looked at for now.
        former: pools where it was.
        hops: the most moves that a message of it has behind it.
        dead: the queue that its dead letters go to.
        unmade: whether the queue itself does not exist, although something is kept under its name.
        ends: when the entry of a deleted queue may go.
    """

    pool: str
    to: str = ""
    reads: int = 0
    sure: bool = False
    posts: int = 0
    wish: str = ""
    sources: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    former: tuple[Former, ...] = ()
    hops: int = 0
    dead: str = ""
    unmade: bool = False
    ends: int = 0

    @property
    def is_still(self) -> bool:
        """Whether everything that the queue has is in its pool."""
        return not self.to and not self.sources

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be done by the worker."""
        return not (self.to or self.wish or self.ends)

    @property
    def goal(self) -> str:
        """The pool where it will be."""
        return self.wish or self.to or self.pool

    @property
    def pools(self) -> tuple[str, ...]:
        """Every pool that may have something of it, the one that it is in last."""
        return tuple(dict.fromkeys((*self.sources, *self.paused, self.pool, *((self.to,) if self.to else ()))))


class View(NamedTuple):
    """What a placement means at a moment.

    Attributes:
        posts: the pool where posts go.
        reads: the pool where messages are taken from.
        drains: pools whose messages are to be brought there before.
        waits: milliseconds to wait before that: processes may disagree about the moment.
        is_late: whether the moment was not in the catalogue soon enough: another one is needed.
    """

    posts: str
    reads: str
    drains: tuple[str, ...] = ()
    waits: int = 0
    is_late: bool = False


_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Placement)


def encoded(placement: Placement) -> bytes:
    """For the catalogue."""
    return _encoder.encode(placement)


def decoded(entry: Mapped) -> Placement:
    """What an entry says; one without a state was made by the host, and its queue is simply there."""
    return _decoder.decode(entry.state) if entry.state else Placement(entry.pool)


def shown(placement: Placement, now: int) -> str:
    """The pool that the catalogue shows."""
    return view(placement, now).posts


def view(placement: Placement, now: int) -> View:
    """What it means at a moment."""
    if not placement.to:
        return View(placement.pool, placement.pool, placement.sources)
    posts = placement.to if placement.posts and now >= placement.posts else placement.pool
    if now < placement.reads:
        return View(posts, placement.pool)
    if not placement.sure:
        return View(posts, placement.to, is_late=True)
    return View(posts, placement.to, (placement.pool,), max(0, placement.reads + SKEW - now))


# -- changes -----------------------------------------------------------------------------------------------------------


def wished(placement: Placement, pool: str) -> Placement:
    """It is to go to a pool, as soon as that can begin."""
    wish = "" if pool == (placement.to or placement.pool) else pool
    return msgspec.structs.replace(placement, wish=wish)


def may_begin(placement: Placement) -> bool:
    """Whether what was wished can begin, where all sources are empty."""
    return bool(placement.wish) and not placement.to


def begun(placement: Placement, now: int) -> Placement:
    """Its way to the wished pool begins. Its sources must be empty."""
    rest = tuple(name for name in dict.fromkeys((*placement.sources, *placement.paused)) if name != placement.wish)
    return msgspec.structs.replace(
        placement,
        to=placement.wish,
        wish="",
        reads=now + LEASE + MARGIN,
        sure=False,
        posts=0,
        sources=(),
        paused=rest,
        hops=placement.hops + 1,
    )


def again(placement: Placement, now: int) -> Placement:
    """Another moment, since the first one was too late."""
    return msgspec.structs.replace(placement, reads=now + LEASE + MARGIN, sure=False)


def is_soon_enough(placement: Placement, now: int) -> bool:
    """Whether its moment is far enough ahead, now that the entry has it."""
    return bool(placement.to) and not placement.sure and now <= placement.reads - LEASE - SKEW


def assured(placement: Placement) -> Placement:
    """Its moment was in the catalogue soon enough."""
    return msgspec.structs.replace(placement, sure=True)


def is_drained(placement: Placement, now: int) -> Placement:
    """The old pool has nothing free: posts are to follow."""
    return msgspec.structs.replace(placement, posts=now + LEASE + MARGIN)


def may_end(placement: Placement, now: int) -> bool:
    """Whether nothing can come into the old pool any more."""
    return bool(placement.to and placement.posts) and now >= placement.posts + GRACE


def arrived(placement: Placement, now: int) -> Placement:
    """The old pool is empty: the queue is in the new one."""
    kept = [one for one in placement.former if one.until > now and one.pool not in {placement.to, placement.pool}]
    return msgspec.structs.replace(
        placement,
        pool=placement.to,
        to="",
        reads=0,
        sure=False,
        posts=0,
        sources=placement.paused,
        paused=(),
        former=(*kept, Former(placement.pool, now + MEMORY)),
    )


def sourced(placement: Placement, pool: str) -> Placement:
    """Messages of it may come into another pool."""
    if pool in placement.pools:
        return placement
    if placement.to:
        return msgspec.structs.replace(placement, paused=(*placement.paused, pool))
    return msgspec.structs.replace(placement, sources=(*placement.sources, pool))


def carried(placement: Placement, hops: int) -> Placement:
    """A message of it has so many moves behind it."""
    return placement if hops <= placement.hops else msgspec.structs.replace(placement, hops=hops)


def deleted(placement: Placement, now: int) -> Placement:
    """The queue was deleted. Its entry stays until nobody believes it."""
    return msgspec.structs.replace(placement, unmade=True, ends=now + LEASE + MARGIN + GRACE, dead="")


def made(placement: Placement) -> Placement:
    """The queue is there."""
    return msgspec.structs.replace(placement, unmade=False, ends=0)


def kept(placement: Placement, now: int) -> Placement:
    """What belongs to the name of a queue that is not there is not gone yet."""
    return msgspec.structs.replace(placement, ends=now + MEMORY)


def with_dead_letters(placement: Placement, queue: str) -> Placement:
    """Its dead letters go to a queue; empty for none."""
    return msgspec.structs.replace(placement, dead=queue)


def remembering(placement: Placement, reads: str, now: int) -> Sequence[str]:
    """Pools that may remember posts of it, beside the one that is read."""
    old = [one.pool for one in placement.former if one.until > now]
    return [name for name in dict.fromkeys((*placement.pools, *old)) if name != reads]

"""The register of queues: the only key that knows the names of all of them.

It is in a slot of its own, so it is not changed together with a queue. A queue is entered before it is made, so that none is missed
when its maker dies, and once more when it is there. It is struck out after it is gone, by its incarnation: what comes late about a
former queue changes nothing for a new one of that name. Readers ask the queue itself whether it is there, and `keeping` mends what
a process that died left undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from undercroft.engines.redis import Redis, Script

_PACKAGE = __package__
ADD = Script.of(_PACKAGE, "register_add.lua")
REMOVE = Script.of(_PACKAGE, "register_remove.lua")
PAGE = Script.of(_PACKAGE, "register_page.lua", reads=True)
LISTED = Script.of(_PACKAGE, "queue_listed.lua")


class Entry(NamedTuple):
    """A queue of the register, and which incarnation of it was entered."""

    project: str
    name: str
    inc: bytes

    @property
    def member(self) -> bytes:
        """What the register has it by."""
        return member(self.project, self.name)

    @property
    def named(self) -> int:
        """When the incarnation was named, in milliseconds since 1970."""
        return int(self.inc or b"0", 16) >> 20


class Register:
    """The names of the queues of one namespace: of all, of lanes, or of those that have subscriptions.

    Args:
        redis: the server, or the cluster.
        namespace: whose queues.
        kind: which of them; names the keys.
    """

    def __init__(self, redis: Redis, namespace: str, kind: str = "register") -> None:
        self._redis = redis
        self.base = f"{{{namespace}:{kind}}}"

    def announce(self, project: str, name: str, inc: str) -> None:
        """Enter a queue that is about to be made."""
        self._redis.run(ADD, self.base, member(project, name), inc, 0)

    def add(self, project: str, name: str, inc: bytes, base: str, *, lives: bool = False) -> None:
        """Enter a queue that was made.

        Args:
            project: whose it is.
            name: its name.
            inc: its incarnation.
            base: the base name of its keys.
            lives: it was seen to live, so that it replaces whatever is entered.
        """
        self._redis.run(ADD, self.base, member(project, name), inc, int(lives))
        self._redis.run(LISTED, base, inc)

    def remove(self, project: str, name: str, inc: bytes, base: str) -> None:
        """Strike out an incarnation that is gone; `base` is the base name of its keys."""
        if not self.strike(Entry(project, name, inc)):
            return
        # One that was made since has been satisfied with this entry, where it had been named before the one that is gone.
        lives = self._redis.command(base, "HGET", f"{base}:queue", "inc")
        if lives is not None:
            self.add(project, name, lives, base, lives=True)

    def strike(self, entry: Entry) -> bool:
        """Strike out an entry, unless it was announced anew; whether it was there."""
        return bool(self._redis.run(REMOVE, self.base, entry.member, entry.inc))

    def names(self, project: str, first: str, after: str, before: str | None, limit: int) -> list[str]:
        """At most `limit` names of a project from `first` on, behind `after`, and below `before` where it is given, in order."""
        low = b"(" + member(project, after) if after >= first and after else b"[" + member(project, first)
        high = b"(" + (project.encode() + b"\1" if before is None else member(project, before))
        found = self._redis.command(self.base, "ZRANGEBYLEX", f"{self.base}:names", low, high, "LIMIT", 0, limit)
        return [each.partition(b"\0")[2].decode() for each in found]

    def page(self, after: bytes, limit: int) -> list[Entry]:
        """At most `limit` queues of any project behind a member; the empty one is the beginning."""
        found = self._redis.run(PAGE, self.base, after, limit)
        return [_entry(each, inc) for each, inc in found]

    def pages(self, limit: int, after: bytes = b"") -> Iterator[Sequence[Entry]]:
        """All queues behind a member, by pages."""
        is_more = True
        while is_more and (found := self.page(after, limit)):
            yield found
            after, is_more = found[-1].member, len(found) == limit

    def count(self) -> int:
        """How many queues are entered."""
        return int(self._redis.command(self.base, "ZCARD", f"{self.base}:names"))


def member(project: str, name: str) -> bytes:
    """What the register has a queue by; sorts by project, then by name, both by code point."""
    return f"{project}\0{name}".encode()


def _entry(found: bytes, inc: bytes) -> Entry:
    project, _, name = found.partition(b"\0")
    return Entry(project.decode(), name.decode(), inc)

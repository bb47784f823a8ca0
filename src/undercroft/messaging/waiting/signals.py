"""What a driver offers to those that wait."""

from __future__ import annotations

import abc
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from undercroft.messaging.waiting.lanes import Key


class Outlook(NamedTuple):
    """What a queue has, and will have without a post.

    Attributes:
        is_free: whether it has messages that may be claimed; others may be about to take them.
        seconds: until a delay or a claim ends next; None when there is none.
    """

    is_free: bool
    seconds: float | None


def outlook(is_free: Any, again: int | None, now: int) -> Outlook:
    """What a driver found: whether something is free, and a moment when more will be, in milliseconds since 1970."""
    return Outlook(bool(is_free), None if again is None else max(0, int(again) - now) / 1000)


# Of an engine that was not asked: there may be something at any moment.
UNKNOWN = Outlook(is_free=True, seconds=None)


class Signals(abc.ABC):
    """A connection over which the engine tells that a queue has messages. Used by one thread, but for `interrupt`.

    Its methods raise errors of ours when the connection is broken. It is closed then, and another one is opened.

    Attributes:
        hears_itself: whether it gives signals of what its own process posts, too.
    """

    hears_itself: ClassVar[bool] = False

    @abc.abstractmethod
    def watch(self, keys: Sequence[Key]) -> Sequence[bool]:
        """Register that somebody waits for these queues; of each, whether what is posted to it from now on gives a signal."""

    @abc.abstractmethod
    def unwatch(self, keys: Sequence[Key]) -> None:
        """End the registration of queues that are watched."""

    @abc.abstractmethod
    def read(self, seconds: float | None) -> Sequence[tuple[Key, int]]:
        """Wait so long for signals, without an end when None: queues, and how many messages each has more.

        Empty when there was none, or after an `interrupt`.
        """

    @abc.abstractmethod
    def interrupt(self) -> None:
        """Let a `read` return, the next one when there is none at the moment."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connection back, and with it every registration."""


class Interrupt:
    """Lets a `read` return that polls sockets; one of these is among them."""

    def __init__(self) -> None:
        self._sends, self._receives = socket.socketpair()
        self._sends.setblocking(False)
        self._receives.setblocking(False)

    def fileno(self) -> int:
        """What to poll; ready for reading once it was fired."""
        return self._receives.fileno()

    def fire(self) -> None:
        """Make it ready; any thread may call this, also after the end."""
        # A full buffer is enough.
        with contextlib.suppress(OSError):
            self._sends.send(b"x")

    def clear(self) -> None:
        """Make it wait again."""
        self._receives.recv(4_096)

    def close(self) -> None:
        """Close the sockets."""
        self._sends.close()
        self._receives.close()


class Quiet(Signals):
    """Of an engine that tells nothing."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def watch(self, keys: Sequence[Key]) -> Sequence[bool]:
        """Of none."""
        return [False] * len(keys)

    def unwatch(self, keys: Sequence[Key]) -> None:
        """Nothing is registered."""

    def read(self, seconds: float | None) -> Sequence[tuple[Key, int]]:
        """Wait, without a signal."""
        self._interrupted.wait(seconds)
        self._interrupted.clear()
        return ()

    def interrupt(self) -> None:
        """See `Signals`."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing is open."""

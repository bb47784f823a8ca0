"""A store on a file, and a sender that does what it is told to."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import undercroft
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome

DONE = Outcome(Kind.DELIVERED)


class Told:
    """A sender.

    Attributes:
        do: what becomes of a notification.
        sent: what was sent.
    """

    def __init__(self) -> None:
        self.do: Callable[[Notification], Outcome] = lambda _: DONE
        self.sent: list[Notification] = []
        self._lock = threading.Lock()

    def send(self, notification: Notification) -> Outcome:
        with self._lock:
            self.sent.append(notification)
        return self.do(notification)

    @property
    def bodies(self) -> list[bytes]:
        """What was sent, sorted."""
        return sorted(each.body for each in self.sent)


@pytest.fixture
def sender() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Any]:
    found = undercroft.connect("messaging", f"sqlite:///{tmp_path}/m.db")
    found.init()
    yield found
    found.close()

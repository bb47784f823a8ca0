"""Processes that run `undercroft queue notify`; the same with a protection taken away."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.cli.main import root
from undercroft.core import settings
from undercroft.messaging.delivery import serving, spans
from undercroft.messaging.delivery.handing import Handing
from undercroft.messaging.delivery.notification import Kind
from undercroft.messaging.delivery.waves import Sending

# What local receivers need, and what the promise is about.
SETTINGS = {"NOTIFY_ALLOW": "127.0.0.0/8", "REQUIRE_CONFIRMATION": "true"}


def notify(pipe: multiprocessing.connection.Connection, url: str, leases: int, twin: str | None) -> None:
    """Be the command, until killed or told to stop.

    Args:
        pipe: hears when it begins.
        url: of the store, with its namespace.
        leases: seconds after which others do what a dead process had begun; 0 for those of the product.
        twin: which protection to take away.
    """
    for name, value in SETTINGS.items():
        os.environ[f"UNDERCROFT_MESSAGING__{name}"] = value
    settings.current.cache_clear()
    if leases:
        spans.TAKEN = spans.LEASE = spans.CLAIM = leases
    if twin:
        TWINS[twin]()
    pipe.send("ready")
    root(["queue", "notify", "--store", url], prog_name="undercroft")


def _removes_first() -> None:
    """An entry leaves the outbox before it is in every lane."""
    step = Handing.step

    def removed_first(self: Any) -> tuple[int, int]:
        outbox = self._driver.outbox
        take, remove = outbox.take, outbox.remove

        def taken(limit: int, seconds: int) -> Sequence[Any]:
            found: Sequence[Any] = take(limit, seconds)
            remove(found)
            if found:
                threading.Event().wait(50 * COMMIT_SECONDS)
            return found

        outbox.take, outbox.remove = taken, lambda _: None
        try:
            return step(self)
        finally:
            del outbox.take, outbox.remove

    Handing.step = removed_first  # type: ignore[method-assign]


def _deletes_first() -> None:
    """What a lane has is deleted when it was claimed, and sent then."""
    wave = serving.Serving._wave

    def deleted_first(self: Any, *arguments: Any) -> Any:
        messages = self._driver.message_controller
        create = self._driver.claim_controller.create

        def created(name: str, *others: Any) -> Any:
            claim, found = create(name, *others)
            messages.bulk_delete(name, [each["id"] for each in found], others[1])
            if found:
                threading.Event().wait(50 * COMMIT_SECONDS)
            return claim, found

        controller = self._driver.claim_controller
        controller.create = created
        try:
            return wave(self, *arguments)
        finally:
            with contextlib.suppress(AttributeError):
                del controller.create

    serving.Serving._wave = deleted_first  # type: ignore[assignment, method-assign]


def _takes_silence_for_yes() -> None:
    """What failed is taken for delivered."""
    sent = Sending._sent

    def agreed(self: Any, notification: Any) -> Any:
        return sent(self, notification)._replace(kind=Kind.DELIVERED)

    Sending._sent = agreed  # type: ignore[method-assign]


TWINS: dict[str, Callable[[], None]] = {
    "removes first": _removes_first,
    "deletes first": _deletes_first,
    "takes silence for yes": _takes_silence_for_yes,
}
